//! The control API: worlds are made, read, changed and removed over HTTP, in JSON.
//!
//! Its operations are the table in `operations.rs`, of which [`openapi()`] is made.
//!
//! What is refused is refused whole, as `{"error": TEXT}` with all reasons. Whoever reaches the API reads the secrets that
//! clients sent and may get tokens: without TLS it listens on loopback only, and takes requests for loopback hosts only, so
//! that no web page can lead a browser here. With TLS, clients see by the certificate where they are.

mod answers;
mod authorities;
mod journal;
mod operations;
mod tls;
mod worlds;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

pub use self::operations::openapi;
pub use self::tls::{ControlTls, ControlTlsError};

use self::answers::Refusal;
use self::worlds::Worlds;
use crate::addresses::why_not;
use crate::journal::JournalEntry;
use crate::live::Name;
use crate::{Simulator, WorldHandle};

/// The largest body that is read: a world of thousands of servers.
const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// What a client needs to know of a world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorldState {
    /// Its host names, and where they lead as seen from the simulator.
    pub names: Vec<Name>,
    /// Its authorities, `public` first.
    pub authorities: Vec<Authority>,
    /// Where its name server listens; null when it has none.
    #[serde(default)]
    pub name_server: Option<SocketAddr>,
    /// Number that the next entry of its journal will have.
    pub position: u64,
    /// What time it is in the world.
    #[schemars(with = "String")]
    pub now: jiff::Timestamp,
}

/// A certificate authority of a world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authority {
    /// Its name in the world.
    pub name: String,
    /// Its root certificate in PEM.
    pub certificate: String,
}

/// Entries of a journal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JournalPage {
    /// Number that the next entry will have.
    pub position: u64,
    /// The entries, oldest first.
    pub entries: Vec<JournalEntry>,
}

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Others than this machine would reach it.
    #[error(
        "the control API cannot listen on {0} without TLS: expected a loopback address such as 127.0.0.1:9901, since it tells secrets"
    )]
    NotLoopback(SocketAddr),
    /// The system does not let it listen.
    #[error("failed to listen on {address}: {}", why_not(.reason))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        reason: io::Error,
    },
}

/// The control API of a simulator.
#[derive(Debug)]
pub struct Control {
    listener: TcpListener,
    tls: Option<ControlTls>,
    worlds: Arc<Worlds>,
}

impl Control {
    /// Listens for requests, which [`serve`](Self::serve) answers.
    ///
    /// # Errors
    ///
    /// When the address is not a loopback one, or cannot be listened on.
    pub async fn listen(simulator: Simulator, address: SocketAddr) -> Result<Self, ControlError> {
        if !address.ip().is_loopback() {
            return Err(ControlError::NotLoopback(address));
        }
        Self::bind(simulator, address, None).await
    }

    /// Listens for requests over TLS, on whatever address. Whoever reaches it may do everything: TLS keeps others from
    /// listening, but no client out.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn listen_tls(simulator: Simulator, address: SocketAddr, tls: ControlTls) -> Result<Self, ControlError> {
        Self::bind(simulator, address, Some(tls)).await
    }

    async fn bind(simulator: Simulator, address: SocketAddr, tls: Option<ControlTls>) -> Result<Self, ControlError> {
        let listener = TcpListener::bind(address).await.map_err(|reason| ControlError::Listen { address, reason })?;
        Ok(Self { listener, tls, worlds: Arc::new(Worlds::new(simulator)) })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the system does not know.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Puts a world that runs already under the control of the API.
    pub fn adopt(&self, name: &str, world: WorldHandle) {
        self.worlds.adopt(name, world);
    }

    /// Answers requests until this is dropped. The worlds end with it.
    ///
    /// # Errors
    ///
    /// When the system takes the listener away.
    pub async fn serve(self) -> io::Result<()> {
        let router = router(self.worlds);
        match self.tls {
            None => axum::serve(self.listener, router.layer(from_fn(for_this_machine))).await,
            Some(tls) => axum::serve(tls.listener(self.listener), router).await,
        }
    }
}

fn router(worlds: Arc<Worlds>) -> Router {
    operations::routes()
        .fallback(answers::unknown_path)
        .method_not_allowed_fallback(answers::wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(worlds)
}

/// Refuses requests for other hosts: their names were made to lead here.
async fn for_this_machine(request: Request, next: Next) -> Result<Response, Refusal> {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let named = host.parse::<axum::http::uri::Authority>().ok();
    let name = named.as_ref().map_or("", |authority| authority.host());
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if name == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
        return Ok(next.run(request).await);
    }
    Err(Refusal::misdirected(host))
}
