//! A query to the name server as the journal remembers it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A query, and how it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsFacts {
    /// The name in lower case, without a final dot.
    pub name: String,
    /// The record type, e.g. `A`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// How the query arrived.
    pub transport: DnsTransport,
    /// The response code, e.g. `NOERROR` or `NXDOMAIN`; null when there was no answer.
    pub code: Option<String>,
    /// The aliases and addresses that were answered.
    pub answers: Vec<String>,
}

/// What carries a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DnsTransport {
    /// A datagram.
    Udp,
    /// A stream, for answers that are too large for one.
    Tcp,
}
