//! The scripted names of a world, and how far their scripts have come.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::rr::RecordType;

use crate::addresses::trap_beside;
use crate::world::{DnsAddress, DnsAnswer, DnsFailure, DnsName};

/// So many aliases are followed, so that a circle ends.
const MOST_ALIASES: usize = 8;

/// The names of a world that have scripts.
pub(crate) struct Zone {
    scripts: Mutex<BTreeMap<String, Script>>,
}

struct Script {
    definition: DnsName,
    /// How often each type was asked for. Types without answers of their own are none of these.
    asked: BTreeMap<RecordType, usize>,
}

/// What a query comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolution {
    /// The aliases on the way, each the target of the one before.
    pub(super) aliases: Vec<String>,
    pub(super) end: End,
    pub(super) ttl: Duration,
    pub(super) latency: Duration,
}

/// Where the last name leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Addresses(Vec<IpAddr>),
    Failure(DnsFailure),
    /// The world does not know it.
    Elsewhere,
}

impl Zone {
    pub(crate) fn new(names: BTreeMap<String, DnsName>) -> Self {
        let zone = Self { scripts: Mutex::default() };
        for (name, definition) in names {
            zone.set(&name, Some(definition));
        }
        zone
    }

    fn scripts(&self) -> MutexGuard<'_, BTreeMap<String, Script>> {
        self.scripts.lock()
    }

    /// The names that have scripts now, in lower case.
    pub(crate) fn names(&self) -> Vec<String> {
        self.scripts().keys().cloned().collect()
    }

    /// Replaces the script of a name, which begins anew; `None` takes it away.
    pub(crate) fn set(&self, name: &str, definition: Option<DnsName>) {
        let name = name.to_ascii_lowercase();
        match definition {
            Some(definition) => {
                self.scripts().insert(name, Script { definition, asked: BTreeMap::new() });
            }
            None => {
                self.scripts().remove(&name);
            }
        }
    }

    /// Answers a query for `name`, in lower case without a final dot. `world` tells where names without a script lead, and
    /// `here` is the world's own address.
    pub(super) fn resolve(
        &self,
        name: &str,
        wanted: RecordType,
        here: IpAddr,
        world: impl Fn(&str) -> Option<IpAddr>,
    ) -> Resolution {
        let mut scripts = self.scripts();
        let mut resolution =
            Resolution { aliases: Vec::new(), end: End::Elsewhere, ttl: Duration::ZERO, latency: Duration::ZERO };
        let mut name = name.to_owned();
        loop {
            let Some(script) = scripts.get_mut(&name) else {
                resolution.end = world(&name).map_or(End::Elsewhere, |address| End::Addresses(vec![address]));
                return resolution;
            };
            if resolution.aliases.is_empty() {
                resolution.ttl = script.definition.ttl;
            }
            resolution.latency += script.definition.latency.unwrap_or_default();
            match script.next(wanted) {
                Some(DnsAnswer::Addresses(addresses)) => {
                    let address = |address: &DnsAddress| match address {
                        DnsAddress::World => here,
                        DnsAddress::Trap => trap_beside(here),
                        DnsAddress::Ip(address) => *address,
                    };
                    resolution.end = End::Addresses(addresses.iter().map(address).collect());
                    return resolution;
                }
                Some(DnsAnswer::Alias(alias)) if resolution.aliases.len() < MOST_ALIASES => {
                    name = alias.cname.to_ascii_lowercase();
                    resolution.aliases.push(name.clone());
                }
                Some(DnsAnswer::Alias(_)) | None => {
                    resolution.end = End::Failure(DnsFailure::ServFail);
                    return resolution;
                }
                Some(DnsAnswer::Failure(failure)) => {
                    resolution.end = End::Failure(*failure);
                    return resolution;
                }
            }
        }
    }
}

impl Script {
    /// The answer whose turn it is. Only queries for addresses move the script on.
    fn next(&mut self, wanted: RecordType) -> Option<&DnsAnswer> {
        let last = self.definition.answers.len().checked_sub(1)?;
        let turn = match wanted {
            RecordType::A | RecordType::AAAA => {
                let asked = self.asked.entry(wanted).or_default();
                std::mem::replace(asked, asked.saturating_add(1))
            }
            _ => 0,
        };
        self.definition.answers.get(turn.min(last))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn zone(yaml: &str) -> Zone {
        Zone::new(serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}")))
    }

    fn ends(zone: &Zone, name: &str, wanted: RecordType, times: usize) -> Vec<End> {
        let world = |name: &str| (name == "mcp.example.com").then_some(HERE);
        (0..times).map(|_| zone.resolve(name, wanted, HERE, world).end).collect()
    }

    fn addresses(addresses: &[&str]) -> End {
        End::Addresses(addresses.iter().map(|address| address.parse().unwrap()).collect())
    }

    #[test]
    fn answers_come_one_after_the_other_and_the_last_stays() {
        let zone = zone("Rebind.example.com: {answers: [[world, '::1'], servfail, [10.0.0.1]]}");
        let expected = [
            addresses(&["127.0.0.1", "::1"]),
            End::Failure(DnsFailure::ServFail),
            addresses(&["10.0.0.1"]),
            addresses(&["10.0.0.1"]),
        ];
        assert_eq!(ends(&zone, "rebind.example.com", RecordType::A, 4), expected);
        // The other family has a turn of its own, and other types none.
        assert_eq!(ends(&zone, "rebind.example.com", RecordType::AAAA, 2), expected[..2]);
        assert_eq!(
            ends(&zone, "rebind.example.com", RecordType::TXT, 2),
            [0, 0].map(|_| addresses(&["127.0.0.1", "::1"]))
        );
    }

    #[test]
    fn aliases_are_followed_within_the_world_and_circles_end() {
        let zone = zone(
            "
a.example.com: {answers: [{cname: B.example.com}], ttl: 30s, latency: 1s}
b.example.com: {answers: [{cname: mcp.example.com}], latency: 1s}
out.example.com: {answers: [{cname: elsewhere.example.org}]}
circle.example.com: {answers: [{cname: circle.example.com}]}
",
        );
        let found =
            zone.resolve("a.example.com", RecordType::A, HERE, |name| (name == "mcp.example.com").then_some(HERE));
        assert_eq!(found.aliases, ["b.example.com", "mcp.example.com"]);
        assert_eq!((found.end, found.ttl.as_secs(), found.latency.as_secs()), (addresses(&["127.0.0.1"]), 30, 2));
        assert_eq!(ends(&zone, "out.example.com", RecordType::A, 1), [End::Elsewhere]);
        assert_eq!(ends(&zone, "circle.example.com", RecordType::A, 1), [End::Failure(DnsFailure::ServFail)]);
        assert_eq!(ends(&zone, "unknown.example.com", RecordType::A, 1), [End::Elsewhere]);
    }
}
