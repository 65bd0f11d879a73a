//! The world as its name server sees it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{LiveWorld, WorldError};
use crate::dns::{NameServer, Questions, Reply, answer};
use crate::journal::{DnsTransport, JournalEntry};

impl Questions for LiveWorld {
    fn reply(&self, packet: &[u8], transport: DnsTransport, peer: SocketAddr) -> Option<Reply> {
        let answered = answer(&self.zone, packet, transport, self.address, |name| self.address_of(name))?;
        let facts = answered.facts;
        let url = format!("dns:{}?type={}", facts.name, facts.record_type);
        let mut entry = JournalEntry::connection(self.clock.now(), &facts.name, url, peer);
        entry.dns = Some(facts);
        self.journal.record(entry);
        Some(Reply { bytes: answered.bytes?, latency: answered.latency })
    }

    async fn wait(&self, latency: Duration) {
        self.clock.sleep(latency).await;
    }
}

impl LiveWorld {
    /// Begins to answer queries at `address`; an unspecified one is the world's own.
    pub(super) async fn serve_names(self: &Arc<Self>, address: SocketAddr) -> Result<(), WorldError> {
        let ip = if address.ip().is_unspecified() { self.address } else { address.ip() };
        if self.address.is_unspecified() {
            return Err(WorldError::Unknown(format!(
                "names cannot lead to {}, at which the world listens: let it listen on one address to serve DNS",
                self.address
            )));
        }
        let address = SocketAddr::new(ip, address.port());
        let server = NameServer::open(address, Arc::clone(self), &self.tasks)
            .await
            .map_err(|reason| WorldError::Listen { address, reason })?;
        *self.name_server.write() = Some(server);
        Ok(())
    }

    /// Where the name server listens, if there is one.
    pub(crate) fn name_server(&self) -> Option<SocketAddr> {
        self.name_server.read().as_ref().map(NameServer::address)
    }

    /// The names that have scripts now.
    pub(crate) fn scripted_names(&self) -> Vec<String> {
        self.zone.names()
    }

    /// Where a host name of the world leads.
    fn address_of(&self, name: &str) -> Option<IpAddr> {
        let sites = self.sites();
        let site = sites.iter().find(|site| site.url().host() == name)?;
        Some(self.port_of(site.url()).address)
    }
}
