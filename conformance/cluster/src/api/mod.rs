//! The API server: a real one's behaviour over objects in memory.
//!
//! A request goes through [`dispatch`]: who sends it, what it is for, may they, and then the handler of its verb. Handlers
//! are synchronous and run under the one lock of [`state`]; what they commit is one revision of the [`store`] each, and
//! watches read on from there.
//!
//! Objects are raw JSON throughout. The built-in kinds are a table of names and traits in [`builtin`], the kinds of
//! custom resource definitions are compiled in [`custom`]; both are the same [`registry::Resource`] to everything else.

mod binding;
mod body;
mod bootstrap;
pub(crate) mod builtin;
pub(crate) mod call;
pub(crate) mod clock;
mod control;
mod convert;
mod custom;
mod discovery;
mod dispatch;
mod eviction;
mod in_memory;
mod json;
mod metadata;
mod names;
mod negotiate;
mod object;
mod openapi;
mod options;
mod patch;
mod place;
mod pod_logs;
mod protobuf;
mod read;
pub(crate) mod registry;
pub(crate) mod request;
mod respond;
pub(crate) mod selector;
mod serve;
mod service;
pub(crate) mod state;
pub(crate) mod status;
mod store;
mod streams;
mod table;
mod watch;
mod write;
mod yaml;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::SignedDuration;

pub use builtin::services::{ServiceAddresses, UnroutedAddresses};
pub use clock::{Clock, TokioClock};
pub use serve::{ServeError, Served};
pub use service::ApiService;

use crate::access::token::{TokenAuthority, TokenSpec};
use crate::controllers::Pauses;
use crate::faults::{Faults, Kills};
use crate::logs::LogSource;
use crate::streams::PodStreams;
use crate::surroundings::Surroundings;
use dispatch::Credentials;
use state::Server;
use store::Store;

/// How long the tokens that [`ApiServer::issue_token`] makes are valid.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// How an API server is set up.
pub struct ApiOptions {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who gives Services their addresses; by default they get addresses that nothing listens on.
    pub service_addresses: Option<Arc<dyn ServiceAddresses>>,
    /// How many changes of each kind are remembered for watches and pages; older revisions answer 410.
    pub history: usize,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self { clock: Arc::new(TokioClock::default()), service_addresses: None, history: store::DEFAULT_WINDOW }
    }
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiOptions")
            .field("clock", &self.clock)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

/// An API server with its objects in memory; clones are the same server.
#[derive(Clone)]
pub struct ApiServer {
    server: Arc<Server>,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ApiServer").finish_non_exhaustive()
    }
}

impl Default for ApiServer {
    fn default() -> Self {
        Self::new(ApiOptions::default())
    }
}

impl ApiServer {
    /// A server with nothing in it but what every cluster has from the start: the namespaces `default`, `kube-system`,
    /// `kube-public` and `kube-node-lease`, and the bootstrap roles.
    pub fn new(options: ApiOptions) -> Self {
        let addresses = options.service_addresses.unwrap_or_else(|| Arc::new(UnroutedAddresses::default()));
        let store = Store::new(options.history);
        let server = Arc::new(Server::new(store, options.clock, TokenAuthority::generate(), addresses));
        bootstrap::bootstrap(&server);
        Self { server }
    }

    /// The server as a tower service, for use in the same process; its requests are the administrator's.
    pub fn service(&self) -> ApiService {
        ApiService::new(self.server.clone(), Credentials::Admin)
    }

    /// A client of this server in the same process, with the rights of an administrator.
    ///
    /// Must be called within a tokio runtime.
    pub fn client(&self, default_namespace: &str) -> kube::Client {
        kube::Client::new(self.service(), default_namespace)
    }

    /// A client of this server in the same process that sends a bearer token.
    ///
    /// Must be called within a tokio runtime.
    pub fn client_with_token(&self, token: &str, default_namespace: &str) -> kube::Client {
        let service = ApiService::new(self.server.clone(), Credentials::Headers).with_token(token);
        kube::Client::new(service, default_namespace)
    }

    /// The administrator's bearer token.
    pub fn admin_token(&self) -> &str {
        self.server.tokens.admin()
    }

    /// Issues a token of a service account, valid for a day while the account exists.
    ///
    /// Of an account that does not exist the token is well formed and proves nothing.
    pub fn issue_token(&self, namespace: &str, service_account: &str) -> String {
        let state = self.server.lock();
        let account = state.store.object("serviceaccounts", &format!("{namespace}/{service_account}"));
        let uid = account.as_ref().and_then(|account| account["metadata"]["uid"].as_str()).unwrap_or_default();
        let spec = TokenSpec {
            namespace,
            service_account,
            service_account_uid: uid,
            pod: None,
            audiences: Vec::new(),
            lifetime: TOKEN_LIFETIME,
        };
        self.server.tokens.issue(spec, self.server.clock.now()).map(|(token, _)| token).unwrap_or_default()
    }

    /// Serves over TLS on an address; port 0 takes a free one.
    pub async fn serve(&self, address: SocketAddr) -> Result<Served, ServeError> {
        serve::serve(self, address).await
    }

    /// Says where the logs of pods come from.
    pub fn set_log_source(&self, source: Arc<dyn LogSource>) {
        *self.server.logs.write() = Some(source);
    }

    /// Says who opens the streams to pods.
    pub fn set_pod_streams(&self, streams: Arc<dyn PodStreams>) {
        *self.server.streams.write() = Some(streams);
    }

    /// Forgets all history; the same as [`Faults::compact`].
    pub fn compact(&self) {
        self.faults().compact();
    }

    /// The control handle of its faults.
    pub fn faults(&self) -> Faults {
        Faults::new(self.server.clone())
    }

    /// Says what else the faults may concern: controllers that can be paused, and pods that can be killed.
    pub(crate) fn extend_faults(&self, controllers: &Pauses, kills: &Kills) {
        // Set twice only if two clusters shared a server; the first is the one that the handle concerns.
        let _ = self.server.faults.controllers.set(controllers.clone());
        let _ = self.server.faults.kills.set(kills.clone());
    }

    /// Says what pods know of machines outside, so that administrators may set it.
    pub(crate) fn set_surroundings(&self, surroundings: Surroundings) {
        // Set twice only if two clusters shared a server, which none do.
        let _ = self.server.surroundings.set(surroundings);
    }

    /// The server as a service for requests from a network, which prove themselves by their headers.
    fn network_service(&self) -> ApiService {
        ApiService::new(self.server.clone(), Credentials::Headers)
    }
}
