//! The library's door: a simulator, its worlds, and the handle by which a test or a program holds one.

use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use thiserror::Error;

use crate::addresses::{AddressPool, Addresses};
use crate::journal::{Journal, JournalLimits};
use crate::live::{LiveWorld, Name, WorldError};
use crate::oauth::find_issuer;
use crate::tls::{AuthorityRoot, ClientCertificateError, ClientCertificateRequest, IssuedCertificate};
use crate::token::{TokenError, TokenRequest};
use crate::world::{World, WorldChange};

/// How a simulator runs.
#[derive(Clone, Debug, Default)]
pub struct SimulatorOptions {
    /// Where worlds listen.
    pub addresses: AddressPool,
    /// Listen on the very ports of the URLs, not on free ones: for a container, whose ports are its own.
    pub exact_ports: bool,
    /// Where the name server of each world listens; port 0: on any free one; an unspecified address: the world's own. Absent: none.
    pub dns: Option<SocketAddr>,
    /// Roots of authorities that were kept. Authorities of other names get new ones.
    pub authorities: Vec<AuthorityRoot>,
    /// How much the journal of each world holds.
    pub journal: JournalLimits,
}

/// Why a simulator does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The system does not let it listen.
    #[error("failed to listen on {address}: on systems other than Linux each loopback address must be added first")]
    Listen {
        /// Where.
        address: std::net::IpAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// Serves worlds in this process. Dropping it ends them all.
#[derive(Debug)]
pub struct Simulator {
    options: SimulatorOptions,
    addresses: Addresses,
    worlds: Mutex<Vec<Weak<LiveWorld>>>,
}

impl Simulator {
    /// A simulator without worlds. Fails when its addresses cannot be listened on.
    pub async fn start(options: SimulatorOptions) -> Result<Self, StartError> {
        let addresses = Addresses::new(options.addresses.clone());
        if let Some(lease) = addresses.lease() {
            let address = lease.address();
            tokio::net::TcpListener::bind((address, 0))
                .await
                .map_err(|source| StartError::Listen { address, source })?;
        }
        Ok(Self { options, addresses, worlds: Mutex::default() })
    }

    /// Brings a world to life. When this returns, all its servers answer.
    pub async fn add_world(&self, world: World) -> Result<WorldHandle, WorldError> {
        let lease = self.addresses.lease().ok_or(WorldError::NoAddress)?;
        let live = LiveWorld::start(world, lease, &self.options).await?;
        let mut worlds = self.worlds.lock();
        worlds.retain(|world| world.strong_count() > 0);
        worlds.push(Arc::downgrade(&live));
        Ok(WorldHandle { live })
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        for world in self.worlds.lock().iter().filter_map(Weak::upgrade) {
            world.stop();
        }
    }
}

/// A running world. Clones are handles of the same world.
#[derive(Clone)]
pub struct WorldHandle {
    live: Arc<LiveWorld>,
}

impl WorldHandle {
    /// The world's host names and where they lead.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        self.live.names()
    }

    /// Names of the world's authorities, `public` first.
    #[must_use]
    pub fn authorities(&self) -> Vec<String> {
        self.live.authorities()
    }

    /// The root certificate of an authority as it is now; `None` when there is no such authority.
    #[must_use]
    pub fn ca_pem(&self, authority: &str) -> Option<String> {
        self.live.ca_pem(authority)
    }

    /// The names for which its name server has scripted answers now, in lower case.
    #[must_use]
    pub fn scripted_names(&self) -> Vec<String> {
        self.live.scripted_names()
    }

    /// Where its name server listens, if it has one.
    #[must_use]
    pub fn name_server(&self) -> Option<SocketAddr> {
        self.live.name_server()
    }

    /// A token for a user of one of the world's authorization servers.
    pub fn token(&self, request: &TokenRequest) -> Result<String, TokenError> {
        let issuers = &self.live.issuers;
        let issuer = find_issuer(issuers, &request.issuer).ok_or_else(|| {
            let known: Vec<&str> = issuers.iter().map(|issuer| issuer.identifier()).collect();
            TokenError::UnknownIssuer(crate::world::unknown("authorization server", &request.issuer, &known))
        })?;
        issuer.token(request)
    }

    /// What time it is in the world.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        self.live.clock.now()
    }

    /// A certificate for a client, signed by one of the world's authorities.
    pub fn client_certificate(
        &self,
        request: &ClientCertificateRequest,
    ) -> Result<IssuedCertificate, ClientCertificateError> {
        self.live.certificates.client_certificate(request)
    }

    /// Everything that arrived.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.live.journal
    }

    /// Changes the world. When this returns, the next request sees the change.
    pub async fn update(&self, change: WorldChange) -> Result<(), WorldError> {
        self.live.change(change).await
    }

    /// Ends the world: closes its connections and gives its address back. Other handles of it show its journal only.
    pub async fn remove(self) {
        self.live.end().await;
    }
}

impl std::fmt::Debug for WorldHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WorldHandle").field("names", &self.names()).field("journal", self.journal()).finish()
    }
}
