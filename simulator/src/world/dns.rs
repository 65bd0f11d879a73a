//! Scripted answers of the name server as a world file describes them.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::location::TRAP;
use crate::duration;

/// How the name server answers queries for a name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DnsName {
    /// What is answered, one after the other; the last stays. Queries for IPv4 and for IPv6 addresses are counted apart.
    pub answers: Vec<DnsAnswer>,
    /// How long answers may be kept; absent: not at all.
    #[serde(default, deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    pub ttl: Duration,
    /// How long each answer takes; absent: none.
    #[serde(default, deserialize_with = "duration::optional")]
    #[schemars(with = "Option<duration::Written>")]
    pub latency: Option<Duration>,
}

/// One answer to a query for a name's addresses.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum DnsAnswer {
    /// These addresses; none: the name exists without addresses.
    Addresses(Vec<DnsAddress>),
    /// Another name.
    Alias(DnsAlias),
    /// No answer that helps.
    Failure(DnsFailure),
}

/// An address in an answer: one as it is, `world`, the address at which the world listens, or `trap`, that of its trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub enum DnsAddress {
    /// The world's own.
    World,
    /// That of its trap.
    Trap,
    /// This one.
    Ip(IpAddr),
}

/// Another name that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsAlias {
    /// The other name. Its addresses are in the answer when the world knows it.
    pub cname: String,
}

/// How a query is answered without addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DnsFailure {
    /// The name does not exist.
    NxDomain,
    /// The server cannot tell.
    ServFail,
    /// The server does not want to tell.
    Refused,
    /// There is no answer at all.
    Silent,
}

impl TryFrom<String> for DnsAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "world" => Ok(Self::World),
            TRAP => Ok(Self::Trap),
            _ => text
                .parse()
                .map(Self::Ip)
                .map_err(|_| format!("`{text}` is no address: expected an IP address, `world` or `{TRAP}`")),
        }
    }
}

// Derived, it would not say what is wrong within the form that was meant.
impl<'de> Deserialize<'de> for DnsAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Forms)
    }
}

struct Forms;

impl<'de> Visitor<'de> for Forms {
    type Value = DnsAnswer;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of addresses, `{cname: NAME}`, `nxdomain`, `servfail`, `refused` or `silent`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<DnsAnswer, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(DnsAnswer::Addresses)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DnsAnswer, A::Error> {
        DnsAlias::deserialize(MapAccessDeserializer::new(map)).map(DnsAnswer::Alias)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<DnsAnswer, E> {
        DnsFailure::deserialize(serde::de::value::StrDeserializer::new(text)).map(DnsAnswer::Failure)
    }
}
