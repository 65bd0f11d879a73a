//! One thing that a world serves: an MCP server, an authorization server or a collector of telemetry.

use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::faults::Faults;
use crate::mcp::McpServer;
use crate::oauth::{Issuer, Issuers};
use crate::telemetry::Collector;
use crate::wire::{Outcome, Received};
use crate::world::{Fault, ServerUrl};

/// What a site is.
pub(crate) enum Kind {
    Mcp(Arc<McpServer>),
    Issuer(Arc<Issuer>),
    Collector(Box<Collector>),
}

/// Something that a world serves below one scheme, host and port.
pub(crate) struct Site {
    url: ServerUrl,
    kind: Kind,
    down: AtomicBool,
    faults: RwLock<Arc<Faults>>,
    /// Where chance begins for its faults.
    seed: u64,
}

impl Site {
    /// A site of a world in which chance begins at `seed`.
    pub(crate) fn new(kind: Kind, seed: u64) -> Self {
        let (url, faults) = match &kind {
            Kind::Mcp(server) => (server.url(), server.definition().faults.clone()),
            Kind::Issuer(issuer) => (issuer.url().clone(), issuer.faults()),
            Kind::Collector(collector) => (collector.definition().url.clone(), collector.definition().faults.clone()),
        };
        // Sites of one world differ, and are the same in each run.
        let seed =
            url.as_str().bytes().fold(seed, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let faults = RwLock::new(Arc::new(Faults::new(faults, seed)));
        Self { url, kind, down: AtomicBool::new(false), faults, seed }
    }

    /// The URL under which the world knows it.
    pub(crate) fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// The MCP server, if it is one.
    pub(crate) fn mcp(&self) -> Option<&Arc<McpServer>> {
        match &self.kind {
            Kind::Mcp(server) => Some(server),
            Kind::Issuer(_) | Kind::Collector(_) => None,
        }
    }

    /// What it does wrong.
    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.read())
    }

    /// Replaces its faults.
    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        *self.faults.write() = Arc::new(Faults::new(faults, self.seed));
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Takes it down, so that it forgets its sessions, or brings it up again.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
        if down && let Kind::Mcp(server) = &self.kind {
            server.cut_off();
        }
    }

    pub(crate) fn end_sessions(&self) {
        if let Kind::Mcp(server) = &self.kind {
            server.end_sessions();
        }
    }

    /// Whether it is found under this scheme, host and port.
    pub(crate) fn is_at(&self, scheme: &str, host: &str, port: u16) -> bool {
        (scheme == "https") == self.url.is_tls() && self.url.is_host(host) && self.url.port() == port
    }

    /// Whether it gets requests for whatever host.
    pub(crate) fn judges_hosts(&self) -> bool {
        self.mcp().is_some_and(|server| server.definition().behaves_like.is_some())
    }

    /// Whether it serves something at `path`.
    pub(crate) fn serves(&self, path: &str) -> bool {
        match &self.kind {
            Kind::Mcp(server) => server.serves(path),
            Kind::Issuer(issuer) => issuer.serves(path),
            Kind::Collector(collector) => collector.serves(path),
        }
    }

    /// The authorization server, if it is one and up.
    pub(crate) fn issuer(&self) -> Option<&Arc<Issuer>> {
        match &self.kind {
            Kind::Issuer(issuer) if !self.is_down() => Some(issuer),
            Kind::Issuer(_) | Kind::Mcp(_) | Kind::Collector(_) => None,
        }
    }

    pub(crate) fn answer(&self, received: &Received, issuers: &Issuers) -> Outcome {
        if self.is_down() {
            return Outcome::dropped("the server is down");
        }
        match &self.kind {
            Kind::Mcp(server) => server.answer(received),
            Kind::Issuer(issuer) => issuer.answer(received, issuers),
            Kind::Collector(collector) => collector.answer(received),
        }
    }
}
