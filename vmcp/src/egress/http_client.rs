//! The one HTTP client of the gateway, with the guard in its connector.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::runtime::{self, Handle};
use tokio::time::Instant;
use url::Url;

use super::connector::Connector;
use super::dialer::{ConnectError, Dialer};
use super::error::{Cause, EgressError};
use super::guard::{Guard, Reach};
use super::way::Way;
use super::{Trust, tls};

/// Idle connections are closed after this time.
const IDLE: Duration = Duration::from_mins(1);
/// Idle connections that are kept per host.
const IDLE_PER_HOST: usize = 64;
/// Pools that nobody used for this time are dropped when new ones are made.
const POOL_UNUSED: Duration = Duration::from_mins(10);
/// Bound on a JSON document, from request to last byte.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the client is made of.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Judges names and addresses.
    pub guard: Guard,
    /// Where names lead that were judged.
    pub way: Way,
    /// The authorities of the system; read from the system when absent.
    pub system_roots: Option<RootCertStore>,
}

impl HttpOptions {
    /// With the authorities of the system.
    pub fn new(guard: Guard, way: Way) -> Self {
        Self { guard, way, system_roots: None }
    }
}

/// Sends requests under the guard. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient(Arc<Shared>);

struct Shared {
    dialer: Arc<Dialer>,
    system_roots: RootCertStore,
    pools: Mutex<HashMap<PoolKey, Pool>>,
}

/// Connections are shared by requests of one partition, trust set and reach, on one event loop: a connection of another one would
/// have to wake that up for each request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PoolKey {
    partition: Partition,
    trust: u64,
    reach: Reach,
    event_loop: runtime::Id,
}

/// What connections are for. Those of one partition are never used by another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Partition {
    /// The backend of this name.
    Backend(String),
    /// Token endpoints.
    TokenEndpoints,
    /// Keys and metadata of issuers.
    Documents,
}

struct Pool {
    client: Client<Connector, Full<Bytes>>,
    last_used: Instant,
}

impl HttpClient {
    /// A client; loads the authorities of the system.
    pub fn new(options: HttpOptions) -> Self {
        let HttpOptions { guard, way, system_roots } = options;
        Self(Arc::new(Shared {
            dialer: Arc::new(Dialer { guard, way }),
            system_roots: system_roots.unwrap_or_else(tls::system_roots),
            pools: Mutex::default(),
        }))
    }

    /// Sends a request and waits for the head of its answer. Redirects are not followed.
    ///
    /// The caller bounds the time.
    pub async fn send(
        &self,
        partition: Partition,
        reach: impl Into<Reach>,
        trust: &Trust,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, EgressError> {
        const AGENT: HeaderValue = HeaderValue::from_static(concat!("vmcp/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(USER_AGENT).or_insert(AGENT);
        let client = self.0.pool(partition, reach.into(), trust);
        client.request(request).await.map_err(|error| classify(&error))
    }

    /// Fetches a JSON document of at most `max_bytes`. Redirects are not followed.
    pub async fn fetch_json(
        &self,
        reach: impl Into<Reach>,
        trust: &Trust,
        url: &Url,
        max_bytes: usize,
    ) -> Result<Value, EgressError> {
        let request = Request::get(url.as_str())
            .header(ACCEPT, "application/json")
            .body(Full::default())
            .map_err(|_| EgressError::new(Cause::Protocol, "the URL of the document is malformed"))?;
        let reach = reach.into();
        let exchange = async {
            let response = self.send(Partition::Documents, reach, trust, request).await?;
            let status = response.status();
            if status != http::StatusCode::OK {
                let message = format!("the server answered {status} where a JSON document was expected");
                return Err(EgressError::new(Cause::Protocol, message).with_status(status));
            }
            let text = read_body(response.into_body(), max_bytes).await?;
            serde_json::from_slice(&text)
                .map_err(|_| EgressError::new(Cause::Protocol, "the server answered with something that is not JSON"))
        };
        tokio::time::timeout(DOCUMENT_TIMEOUT, exchange).await.unwrap_or_else(|_| Err(timed_out(DOCUMENT_TIMEOUT)))
    }

    /// Drops the pools of backends that are not in use any more, by name and trust set. Requests that run are not
    /// disturbed.
    pub(super) fn retain_backend_pools(&self, used: impl Fn(&str, u64) -> bool) {
        self.0.lock_pools().retain(|key, _| match &key.partition {
            Partition::Backend(name) => used(name, key.trust),
            Partition::TokenEndpoints | Partition::Documents => true,
        });
    }
}

impl Shared {
    fn lock_pools(&self) -> parking_lot::MutexGuard<'_, HashMap<PoolKey, Pool>> {
        self.pools.lock()
    }

    fn pool(&self, partition: Partition, reach: Reach, trust: &Trust) -> Client<Connector, Full<Bytes>> {
        let key = PoolKey { partition, trust: trust.identity(), reach, event_loop: Handle::current().id() };
        let now = Instant::now();
        let mut pools = self.lock_pools();
        if let Some(pool) = pools.get_mut(&key) {
            pool.last_used = now;
            return pool.client.clone();
        }
        pools.retain(|_, pool| now.duration_since(pool.last_used) < POOL_UNUSED);
        let client = self.client(reach, tls::http_config(&self.system_roots, trust));
        pools.insert(key, Pool { client: client.clone(), last_used: now });
        client
    }

    fn client(&self, reach: Reach, tls: Arc<ClientConfig>) -> Client<Connector, Full<Bytes>> {
        let connector = Connector { dialer: Arc::clone(&self.dialer), reach, tls };
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .build(connector)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpClient").field("dialer", &self.0.dialer).finish_non_exhaustive()
    }
}

/// Reads a whole body of at most `max_bytes`.
pub async fn read_body(body: Incoming, max_bytes: usize) -> Result<Bytes, EgressError> {
    match Limited::new(body, max_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(EgressError::new(Cause::Protocol, format!("the answer is larger than {max_bytes} bytes")))
        }
        Err(_) => Err(broken()),
    }
}

/// A connection that ended in the middle of an answer.
pub(super) fn broken() -> EgressError {
    EgressError::new(Cause::Refused, "the connection ended before the answer was complete")
}

/// A deadline that passed.
pub(crate) fn timed_out(bound: Duration) -> EgressError {
    EgressError::overdue(format!("no answer within {bound:?}"))
}

fn classify(error: &hyper_util::client::legacy::Error) -> EgressError {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<ConnectError>() {
            return from_connect(error);
        }
        if let Some(error) = inner.downcast_ref::<hyper::Error>() {
            return from_hyper(error);
        }
        source = inner.source();
    }
    EgressError::new(Cause::Refused, "the connection failed")
}

fn from_connect(error: &ConnectError) -> EgressError {
    let cause = match error {
        ConnectError::Url => Cause::Protocol,
        ConnectError::Blocked(_) => Cause::Blocked,
        ConnectError::Dns(_) => Cause::Dns,
        ConnectError::Refused => Cause::Refused,
        ConnectError::Tls(_) => Cause::Tls,
        ConnectError::Timeout(_) => Cause::Timeout,
    };
    EgressError::new(cause, error.to_string())
}

fn from_hyper(error: &hyper::Error) -> EgressError {
    if error.is_parse() {
        EgressError::new(Cause::Protocol, "the server does not answer with HTTP: check scheme and port of its URL")
    } else if error.is_timeout() {
        EgressError::new(Cause::Timeout, "the connection timed out")
    } else {
        // After the handshake a TLS 1.3 server can still refuse, with an alert in place of an answer.
        let alert = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        match alert.and_then(std::io::Error::get_ref).filter(|inner| inner.is::<rustls::Error>()) {
            Some(inner) => EgressError::new(Cause::Tls, format!("the TLS connection failed: {inner}")),
            None => EgressError::new(Cause::Refused, "the connection ended before an answer came"),
        }
    }
}
