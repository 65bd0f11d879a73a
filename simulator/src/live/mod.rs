//! A world brought to life: its sites behind listeners, its certificates, its journal, and the changes made to it.

mod afterwards;
mod change;
mod client_documents;
mod dns;
mod error;
mod names;
mod service;
mod site;
mod unfinished;

use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

pub use error::WorldError;
pub use names::Name;
pub(crate) use site::{Kind, Site};

use crate::addresses::{AddressLease, trap_beside};
use crate::clock::Clock;
use crate::dns::{NameServer, Zone};
use crate::journal::Journal;
use crate::mcp::McpServer;
use crate::oauth::{Issuer, Issuers};
use crate::simulator::SimulatorOptions;
use crate::telemetry::Collector;
use crate::tls::Certificates;
use crate::wire::Listener;
use crate::world::{self, Certificate, PUBLIC_AUTHORITY, Server, ServerUrl, Tls, World};

/// A running world.
pub(crate) struct LiveWorld {
    address: IpAddr,
    exact_ports: bool,
    /// Where chance begins.
    seed: u64,
    pub(crate) clock: Clock,
    pub(crate) certificates: Certificates,
    pub(crate) issuers: Issuers,
    pub(crate) journal: Journal,
    /// Requests read a snapshot; a change makes a new one.
    sites: RwLock<Arc<Vec<Arc<Site>>>>,
    listeners: RwLock<BTreeMap<Port, Listener>>,
    /// Names with scripted answers.
    zone: Zone,
    name_server: RwLock<Option<NameServer>>,
    /// Held by the change that is being made: they happen one after the other. Holds the address until the world has ended.
    lease: Mutex<Option<AddressLease>>,
    tasks: TaskTracker,
}

/// What makes listeners differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    address: IpAddr,
    /// The port of the URL.
    number: u16,
    /// Whether it must listen on that very port.
    exact: bool,
}

impl LiveWorld {
    /// Brings `world` to life on the leased address, on the ports of its URLs or on free ones.
    pub(crate) async fn start(
        world: World,
        lease: AddressLease,
        options: &SimulatorOptions,
    ) -> Result<Arc<Self>, WorldError> {
        let problems = world.problems();
        if !problems.is_empty() {
            return Err(WorldError::Problems(problems));
        }
        let certificates = Certificates::new(world.all_authorities(), &options.authorities)?;
        let clock = Clock::default();
        let mut issuers = Vec::new();
        for definition in world.authorization_servers {
            issuers.push(Arc::new(Issuer::new(definition, clock.clone()).map_err(WorldError::issuer)?));
        }
        let live = Arc::new(Self {
            address: lease.address(),
            exact_ports: options.exact_ports,
            seed: world.seed,
            clock,
            certificates,
            issuers: Arc::new(issuers),
            journal: Journal::new(options.journal),
            sites: RwLock::default(),
            listeners: RwLock::default(),
            zone: Zone::new(world.dns),
            name_server: RwLock::default(),
            lease: Mutex::new(Some(lease)),
            tasks: TaskTracker::new(),
        });
        match live.populate(world.servers, world.telemetry, options.dns).await {
            Ok(()) => Ok(live),
            Err(error) => {
                // Listeners that are open hold the world: they would outlive the failure.
                live.end().await;
                Err(error)
            }
        }
    }

    async fn populate(
        self: &Arc<Self>,
        servers: Vec<Server>,
        collectors: Vec<world::Collector>,
        dns: Option<SocketAddr>,
    ) -> Result<(), WorldError> {
        for issuer in self.issuers.iter() {
            let (certificate, tls) = (issuer.certificate(), issuer.tls());
            self.add_site(Site::new(Kind::Issuer(Arc::clone(issuer)), self.seed), certificate, tls).await?;
        }
        for server in servers {
            let (certificate, tls) = (server.certificate.clone(), server.tls.clone());
            let server = McpServer::new(server, Arc::clone(&self.issuers), self.clock.clone());
            self.add_site(Site::new(Kind::Mcp(Arc::new(server)), self.seed), certificate, tls).await?;
        }
        for definition in collectors {
            let (certificate, tls) = (definition.certificate.clone(), definition.tls.clone());
            let collector = Kind::Collector(Box::new(Collector::new(definition)));
            self.add_site(Site::new(collector, self.seed), certificate, tls).await?;
        }
        if let Some(address) = dns {
            self.serve_names(address).await?;
        }
        Ok(())
    }

    /// Serves a further site.
    async fn add_site(
        self: &Arc<Self>,
        site: Site,
        certificate: Option<Certificate>,
        tls: Option<Tls>,
    ) -> Result<(), WorldError> {
        self.listen(site.url()).await?;
        if let Some(certificate) = certificate {
            self.certificates.set(site.url().host(), certificate);
        }
        if let Some(tls) = tls {
            self.certificates.set_tls(site.url().host(), tls);
        }
        let mut sites = self.sites.write();
        Arc::make_mut(&mut sites).push(Arc::new(site));
        Ok(())
    }

    async fn listen(self: &Arc<Self>, url: &ServerUrl) -> Result<(), WorldError> {
        let port = self.port_of(url);
        if self.listeners.read().contains_key(&port) {
            return Ok(());
        }
        let number = if port.exact { port.number } else { 0 };
        let listener = Listener::open(port.address, number, port.number, Arc::clone(self), &self.tasks)
            .await
            .map_err(|reason| WorldError::Listen { address: (port.address, number).into(), reason })?;
        self.listeners.write().insert(port, listener);
        Ok(())
    }

    fn port_of(&self, url: &ServerUrl) -> Port {
        match url.loopback().or_else(|| url.is_trap().then(|| trap_beside(self.address))) {
            Some(address) => Port { address, number: url.port(), exact: true },
            None => Port { address: self.address, number: url.port(), exact: self.exact_ports },
        }
    }

    fn sites(&self) -> Arc<Vec<Arc<Site>>> {
        Arc::clone(&self.sites.read())
    }

    fn site(&self, url: &ServerUrl) -> Option<Arc<Site>> {
        self.sites().iter().find(|site| site.url() == url).cloned()
    }

    /// Closes all listeners and connections.
    pub(crate) fn stop(&self) {
        self.listeners.write().clear();
        self.name_server.write().take();
        for site in self.sites().iter() {
            site.end_sessions();
        }
        self.tasks.close();
    }

    /// Closes everything, waits until it is closed, and gives the address back.
    pub(crate) async fn end(&self) {
        self.stop();
        self.tasks.wait().await;
        self.lease.lock().await.take();
    }

    /// The root certificate of an authority.
    pub(crate) fn ca_pem(&self, authority: &str) -> Option<String> {
        self.certificates.ca_pem(authority)
    }

    pub(crate) fn authorities(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.certificates.definitions().into_iter().map(|authority| authority.name).collect();
        names.sort_by_key(|name| name != PUBLIC_AUTHORITY);
        names
    }
}
