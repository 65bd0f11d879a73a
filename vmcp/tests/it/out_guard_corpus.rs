//! The corpus of hosts that the guard must refuse or let through, and what it says to each.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;
use url::{Host, Url};
use vmcp::egress::guard::{EgressClass, Guard, Reach, Refusal};

const FILE: &str = include_str!("../egress-corpus.yaml");

/// Where names lead that are judged by their addresses.
pub(crate) const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

#[derive(Deserialize)]
struct Corpus {
    kinds: BTreeMap<String, Kind>,
    families: Vec<Family>,
}

/// The classes that may reach hosts of a kind.
#[derive(Clone, Deserialize)]
struct Kind {
    reachable: Vec<String>,
    #[serde(default)]
    allowed: Vec<String>,
}

#[derive(Deserialize)]
struct Family {
    title: String,
    is: String,
    says: Option<String>,
    hosts: Vec<String>,
}

/// One host of the corpus.
pub(crate) struct Case {
    pub(crate) family: String,
    pub(crate) host: String,
    kind_name: String,
    kind: Kind,
    says: Option<String>,
}

pub(crate) fn corpus() -> Vec<Case> {
    let Corpus { kinds, families } = serde_saphyr::from_str(FILE).unwrap();
    let mut cases = Vec::new();
    for Family { title, is, says, hosts } in families {
        let kind = &kinds[&is];
        cases.extend(hosts.into_iter().map(|host| Case {
            family: title.clone(),
            host,
            kind_name: is.clone(),
            kind: kind.clone(),
            says: says.clone(),
        }));
    }
    cases
}

impl Case {
    /// A URL with this host, as somebody might write it.
    pub(crate) fn text(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    pub(crate) fn url(&self, path: &str) -> Option<Url> {
        Url::parse(&self.text(path)).ok()
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.kind_name != "unreadable"
    }

    /// Where the host leads when it is resolved.
    pub(crate) fn address(&self) -> IpAddr {
        match self.url("/").unwrap().host().unwrap() {
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => address.into(),
            Host::Domain(_) if self.kind_name == "localhost" => Ipv4Addr::LOCALHOST.into(),
            Host::Domain(_) => PUBLIC,
        }
    }

    /// The name, if the host is none of the addresses.
    pub(crate) fn name(&self) -> Option<String> {
        self.url("/")?.domain().map(str::to_owned)
    }

    pub(crate) fn may_be_reached(&self, reach: Reach) -> bool {
        let names = |classes: &[String]| classes.iter().any(|class| class == reach.class.as_str());
        names(&self.kind.reachable) || (reach.allow_private && names(&self.kind.allowed))
    }

    /// What the guard says, of the name and of what it leads to.
    fn judge(&self, guard: &Guard, reach: Reach) -> Result<(), Refusal> {
        self.name().map_or(Ok(()), |name| guard.judge_name(&name, reach))?;
        guard.judge_address(self.address(), reach)
    }
}

#[test]
fn each_host_is_judged_by_what_it_is_however_it_is_spelled() {
    let guard = Guard::default();
    let cases = corpus();
    assert!(cases.len() >= 250, "the corpus has shrunk to {} hosts", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        if case.url("/").is_some() != case.is_readable() {
            wrong.push(format!(
                "{}: {:?} is{} a URL",
                case.family,
                case.host,
                if case.is_readable() { " not" } else { "" }
            ));
        }
        for reach in reaches().filter(|_| case.url("/").is_some()) {
            let judged = case.judge(&guard, reach);
            if judged.is_ok() != case.may_be_reached(reach) {
                wrong.push(format!("{}: {:?} for {reach:?}: {judged:?}", case.family, case.host));
            }
        }
        let remote = case.url("/").and_then(|_| case.judge(&guard, EgressClass::Remote.into()).err());
        if let (Some(says), Some(refusal)) = (&case.says, remote)
            && !refusal.to_string().contains(says)
        {
            wrong.push(format!("{}: {:?}: {refusal}", case.family, case.host));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every class, without and with an object that allows private networks.
fn reaches() -> impl Iterator<Item = Reach> {
    let one = |class| [false, true].map(|allow_private| Reach { class, allow_private });
    EgressClass::ALL.into_iter().flat_map(one)
}
