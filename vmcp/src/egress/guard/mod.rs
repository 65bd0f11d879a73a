//! The egress guard: which addresses and names a connection may lead to.
//!
//! The guard is pure. The connector asks it about the host of a URL, then about every address that the host resolves
//! to, at every new connection; a single refusal stops the connection, and only a judged address is dialled. What a
//! URL may lead to depends on who wrote it ([`EgressClass`]):
//!
//! | class | refused |
//! |---|---|
//! | remote, oidc | never-addresses; private networks unless the object allows them; for remote also names of the cluster |
//! | proxied | never-addresses |
//! | token, otlp | never-addresses; private networks when the guard is strict |
//! | workload | metadata, link-local, the Kubernetes API; loopback in a pod |
//!
//! Never-addresses are loopback, link-local, unspecified, multicast, broadcast, the metadata services of all clouds,
//! the Kubernetes API, and IPv6 addresses that embed one.

mod address;
mod allow;
mod names;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

pub use address::{AddressKind, Embedding};
pub use allow::{AllowList, AllowRule, AllowRuleError};
pub use names::NameKind;
pub(super) use names::is_localhost;

/// Who wrote a URL, hence what it may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EgressClass {
    /// `remoteUrl` of an `MCPServerEntry`, and what such a server names.
    Remote,
    /// `remoteUrl` of an `MCPRemoteProxy`.
    Proxied,
    /// Issuers, JWKS and introspection endpoints.
    Oidc,
    /// Token endpoints.
    Token,
    /// Telemetry collectors.
    Otlp,
    /// Services of the cluster and static backends.
    Workload,
}

impl EgressClass {
    /// All classes.
    pub const ALL: [Self; 6] = [Self::Remote, Self::Proxied, Self::Oidc, Self::Token, Self::Otlp, Self::Workload];

    /// The name of the class, as `--egress-allow` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Proxied => "proxied",
            Self::Oidc => "oidc",
            Self::Token => "token",
            Self::Otlp => "otlp",
            Self::Workload => "workload",
        }
    }
}

impl fmt::Display for EgressClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How far one URL may reach: its class, and whether its object allows private networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reach {
    /// Who wrote the URL.
    pub class: EgressClass,
    /// Whether the object that holds the URL allows private networks.
    pub allow_private: bool,
}

impl From<EgressClass> for Reach {
    fn from(class: EgressClass) -> Self {
        Self { class, allow_private: false }
    }
}

/// Why the guard refuses a connection. The text names no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The address is of a kind that this class may not reach.
    #[error("its address is {0}")]
    Address(AddressKind),
    /// The IPv6 address embeds such an address.
    #[error("its address embeds one that is {kind} ({embedding})")]
    Embedded {
        /// What is embedded.
        kind: AddressKind,
        /// How.
        embedding: Embedding,
    },
    /// The name alone says where it leads.
    #[error("its name is {0}")]
    Name(NameKind),
}

/// What decides beside the class: where the gateway runs and what its administrator allows.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Ranges that the administrator allows.
    pub allow: AllowList,
    /// Addresses of the Kubernetes API.
    pub api_servers: Vec<IpAddr>,
    /// Whether the gateway runs in a pod, where loopback leads to its neighbours.
    pub in_pod: bool,
    /// Whether token endpoints and collectors must be public too.
    pub strict: bool,
}

impl Guard {
    /// Judges one address that a host resolved to.
    ///
    /// An IPv6 address that embeds IPv4 addresses is judged as itself and as each of them.
    pub fn judge_address(&self, address: IpAddr, reach: Reach) -> Result<(), Refusal> {
        let kind = self.kind(address);
        if self.refuses(address, kind, reach) {
            return Err(Refusal::Address(kind));
        }
        let IpAddr::V6(outer) = address else { return Ok(()) };
        for (embedding, inner) in address::embedded(outer) {
            let kind = self.kind(IpAddr::V4(inner));
            if self.refuses(IpAddr::V4(inner), kind, reach) && !self.allow.lifts(reach.class, address, kind) {
                return Err(Refusal::Embedded { kind, embedding });
            }
        }
        Ok(())
    }

    /// Judges a host name before it is resolved. `name` may end with a dot.
    pub fn judge_name(&self, name: &str, reach: Reach) -> Result<(), Refusal> {
        let Some(kind) = names::kind(name) else { return Ok(()) };
        let refused = match kind {
            NameKind::Metadata | NameKind::KubernetesApi => true,
            // Its addresses are loopback addresses, which are judged by themselves.
            NameKind::Localhost => false,
            NameKind::Cluster => reach.class == EgressClass::Remote && !reach.allow_private,
        };
        if refused { Err(Refusal::Name(kind)) } else { Ok(()) }
    }

    fn kind(&self, address: IpAddr) -> AddressKind {
        if self.api_servers.contains(&address) { AddressKind::KubernetesApi } else { AddressKind::of(address) }
    }

    fn refuses(&self, address: IpAddr, kind: AddressKind, reach: Reach) -> bool {
        let refused = match kind {
            AddressKind::Public => false,
            AddressKind::Private => match reach.class {
                EgressClass::Remote | EgressClass::Oidc => !reach.allow_private,
                EgressClass::Token | EgressClass::Otlp => self.strict,
                EgressClass::Proxied | EgressClass::Workload => false,
            },
            AddressKind::Loopback => reach.class != EgressClass::Workload || self.in_pod,
            AddressKind::Unspecified
            | AddressKind::LinkLocal
            | AddressKind::Multicast
            | AddressKind::Broadcast
            | AddressKind::Metadata
            | AddressKind::KubernetesApi => true,
        };
        refused && !self.allow.lifts(reach.class, address, kind)
    }
}
