//! What the administrator allows: `--egress-allow [CLASS=]CIDR`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{AddressKind, EgressClass};

/// One `--egress-allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowRule {
    class: Option<EgressClass>,
    range: IpNet,
}

/// Why a text is not such a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowRuleError {
    /// The part before `=` is not a class.
    #[error("{0:?} is not an egress class: write one of remote, proxied, oidc, token, otlp, workload")]
    Class(String),
    /// The rest is not a range.
    #[error("{0:?} is not a range of addresses: write it as 10.1.0.0/16 or fd00:1::/32")]
    Range(String),
}

impl FromStr for AllowRule {
    type Err = AllowRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (class, range) = match text.split_once('=') {
            None => (None, text),
            Some((name, range)) => {
                let class = EgressClass::ALL.into_iter().find(|class| class.as_str() == name);
                (Some(class.ok_or_else(|| AllowRuleError::Class(name.to_owned()))?), range)
            }
        };
        let range = range
            .parse::<IpNet>()
            .or_else(|_| range.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| AllowRuleError::Range(range.to_owned()))?;
        Ok(Self { class, range: range.trunc() })
    }
}

impl fmt::Display for AllowRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            Some(class) => write!(formatter, "{class}={}", self.range),
            None => self.range.fmt(formatter),
        }
    }
}

/// All rules together.
#[derive(Debug, Clone, Default)]
pub struct AllowList(Vec<AllowRule>);

impl AllowList {
    /// Whether a rule lifts the refusal of `address` for URLs of `class`.
    ///
    /// The Kubernetes API and metadata services are lifted only by a rule for that very address: they often lie
    /// inside a range that was opened for something else.
    pub(super) fn lifts(&self, class: EgressClass, address: IpAddr, kind: AddressKind) -> bool {
        self.0.iter().any(|rule| {
            let exact = rule.range.prefix_len() == rule.range.max_prefix_len();
            rule.class.is_none_or(|own| own == class)
                && rule.range.contains(&address)
                && (exact || !matches!(kind, AddressKind::KubernetesApi | AddressKind::Metadata))
        })
    }
}

impl FromIterator<AllowRule> for AllowList {
    fn from_iter<T: IntoIterator<Item = AllowRule>>(rules: T) -> Self {
        Self(rules.into_iter().collect())
    }
}
