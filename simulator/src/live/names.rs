//! The names of a world and where they lead.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LiveWorld;

/// A host name of a world: what a resolver should answer, and where its ports really are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Name {
    /// The host name, in lower case, without a final dot.
    pub host: String,
    /// The address to resolve it to.
    pub address: IpAddr,
    /// For each port of the host's URLs, e.g. 443, the address and port that listen for it.
    pub ports: BTreeMap<u16, SocketAddr>,
}

impl LiveWorld {
    /// All names, in alphabetical order.
    pub(crate) fn names(&self) -> Vec<Name> {
        let listeners = self.listeners.read();
        let mut names: BTreeMap<String, Name> = BTreeMap::new();
        for site in self.sites().iter() {
            let url = site.url();
            let port = self.port_of(url);
            let Some(listener) = listeners.get(&port) else {
                continue;
            };
            names
                .entry(url.host().to_owned())
                .or_insert_with(|| Name { host: url.host().to_owned(), address: port.address, ports: BTreeMap::new() })
                .ports
                .insert(url.port(), listener.address());
        }
        names.into_values().collect()
    }
}
