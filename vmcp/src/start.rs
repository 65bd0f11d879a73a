//! What the gateway and the proxy have in common: how they start, listen, serve and end.

mod cluster;
mod storage;

use crate::cli::Serving;
use crate::discovery::DiscoveryError;
use crate::egress::guard::{AllowList, Guard};
use crate::egress::{DnsResolver, HttpClient, HttpOptions, Resolve, ResolverSetupError, SystemLookup, Way};
use crate::ingress::{Front, Ingress, OriginRules, SessionLimits};
use crate::policy::PolicyError;
use crate::replicas::{Heard, SecretError};
use crate::seal::SealError;
use crate::workers::Workers;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use cluster::Cluster;
pub(crate) use storage::Storage;

/// How long ending what was opened at backends, and all other work, may take once calls have ended: with the time that those
/// are granted, less than the 30 s of Kubernetes.
const END_TIMEOUT: Duration = Duration::from_secs(7);

/// Why a gateway or a proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration asks for what is not served.
    #[error("the configuration cannot be served: {}", .0.join("; "))]
    Unsupported(Vec<String>),
    /// The incoming authentication cannot be served.
    #[error("the configuration cannot be served")]
    Policy(#[from] PolicyError),
    /// Backends or their authentication cannot be served.
    #[error("the configuration cannot be served")]
    Discovery(#[from] DiscoveryError),
    /// There is nothing to discover backends in.
    #[error(
        "outgoingAuth.source is discovered, which needs Kubernetes: run in a pod of the operator, or list backends in \
         the configuration"
    )]
    NoNamespace,
    /// Replicas share sessions, and nothing is said that would keep them unreadable for others.
    #[error(
        "sessionStorage.provider is redis, which needs a key that all replicas have: name a file of at least 32 random \
         bytes with --seal-key-file"
    )]
    NoSealKey,
    /// That key cannot be used.
    #[error("the key of --seal-key-file cannot be used")]
    SealKey(#[from] SecretError),
    /// The password of Redis cannot be read.
    #[error("failed to read {path}, which --redis-password-file names")]
    Password {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The Kubernetes API cannot be used.
    #[error("failed to find the Kubernetes API")]
    Kubernetes(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no key to seal with.
    #[error("failed to make a key")]
    Seal(#[from] SealError),
    /// Names cannot be resolved.
    #[error(transparent)]
    Resolver(#[from] ResolverSetupError),
    /// The threads that serve clients cannot be started.
    #[error("failed to start the threads that serve clients")]
    Workers(#[source] std::io::Error),
    /// The address is not free or not ours.
    #[error("failed to listen on {host}:{port}")]
    Listen {
        /// The host as given.
        host: String,
        /// The port as given.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },
}

impl StartError {
    /// Whether flags or configuration are to blame.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Unsupported(_)
                | Self::Policy(_)
                | Self::Discovery(_)
                | Self::NoNamespace
                | Self::NoSealKey
                | Self::SealKey(_)
                | Self::Password { .. }
        )
    }
}

/// The listener of a process, bound before anything else is opened.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Starts to listen. Nobody is answered yet.
    pub(crate) async fn at(host: &str, port: u16) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { host: host.to_owned(), port, source };
        let listener = TcpListener::bind((host, port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self { listener, address })
    }

    /// Which browsers may call: those that the flags allow.
    pub(crate) fn origins(&self, serving: &Serving) -> OriginRules {
        OriginRules::new(self.address, serving.allow_origin.iter().cloned())
    }

    /// The server that answers here, for now on the event loop that it runs on. Work that is to end with it stops with `background`.
    pub(crate) fn server(self, ingress: Arc<Ingress>, background: CancellationToken) -> Server {
        Server { bound: self, ingress, background, tasks: TaskTracker::new(), workers: Workers::default() }
    }
}

/// The threads that serve clients, as many as the flags say.
pub fn workers(serving: &Serving) -> Result<Workers, StartError> {
    Workers::start(serving.workers).map_err(StartError::Workers)
}

/// The bounds of the flags on sessions.
pub(crate) fn session_limits(serving: &Serving) -> SessionLimits {
    SessionLimits { ttl: serving.session_ttl, cap: serving.session_cap }
}

/// Something that listens and does not answer yet.
pub(crate) struct Server {
    bound: Bound,
    ingress: Arc<Ingress>,
    background: CancellationToken,
    tasks: TaskTracker,
    workers: Workers,
}

impl Server {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.bound.address
    }

    /// Has clients served by these threads.
    pub(crate) fn set_workers(&mut self, workers: Workers) {
        self.workers = workers;
    }

    /// What tells background work to end.
    pub(crate) fn background(&self) -> CancellationToken {
        self.background.clone()
    }

    /// Runs work that ends by itself when it is told to; the server waits for it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Runs work that goes on until the server ends.
    pub(crate) fn spawn_until_end(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.background.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(work).await });
    }

    /// Acts on what other replicas tell of the clients' sessions.
    pub(crate) fn hear(&self, heard: mpsc::Receiver<Heard>) {
        let ingress = Arc::clone(&self.ingress);
        self.spawn_until_end(async move { ingress.sessions.hear(heard).await });
    }

    /// Serves until `stop`, then lets the calls that are under way finish, and ends what was opened.
    pub(crate) async fn serve(self, stop: CancellationToken) {
        let ingress = Arc::clone(&self.ingress);
        self.spawn_until_end(async move { ingress.sessions.reap().await });
        let ingress = Arc::clone(&self.ingress);
        self.spawn_until_end(async move { ingress.stateless.gateway.reap().await });
        let Self { bound, ingress, background, tasks, workers } = self;
        let streams = ingress.stop.clone();
        let end_streams = stop.clone();
        tasks.spawn(async move {
            end_streams.cancelled().await;
            streams.cancel();
        });
        crate::ingress::serve(bound.listener, Front::new(&ingress), &workers, stop).await;
        tasks.close();
        let background = background.drop_guard();
        let ended = async move {
            tokio::join!(ingress.sessions.end_all(), ingress.stateless.gateway.close());
            // Not before: what is left to other replicas goes through what runs there.
            drop(background);
            tasks.wait().await;
        };
        if tokio::time::timeout(END_TIMEOUT, ended).await.is_err() {
            tracing::warn!("ended before all backends have taken note of the end of their sessions");
        }
    }
}

fn guard(serving: &Serving, cluster: &Cluster) -> Guard {
    Guard {
        allow: serving.egress_allow.iter().copied().collect::<AllowList>(),
        api_servers: cluster.api_servers(),
        in_pod: cluster.is_around(),
        strict: serving.egress_strict,
    }
}

/// The HTTP client that opens every connection with backends and issuers.
pub(crate) fn http_client(serving: &Serving, cluster: &Cluster) -> Result<HttpClient, StartError> {
    for mapping in &serving.connect_to {
        tracing::info!(%mapping, "connections to this host are dialled elsewhere");
    }
    let way = way(serving, || Ok(Arc::new(DnsResolver::system()?)))?;
    Ok(HttpClient::new(HttpOptions::new(guard(serving, cluster), way)))
}

/// The way to what the administrator has named for the process itself. Where no flag says otherwise, names lead where they do for other
/// programs of the machine.
fn unjudged_way(serving: &Serving) -> Result<Way, StartError> {
    way(serving, || Ok(Arc::new(SystemLookup)))
}

/// The way that the flags describe, with this resolver where they name none.
fn way(serving: &Serving, resolver: impl FnOnce() -> Result<Arc<dyn Resolve>, StartError>) -> Result<Way, StartError> {
    let resolver = match serving.dns_server {
        Some(server) => Arc::new(DnsResolver::with_server(server)?),
        None => resolver()?,
    };
    Ok(Way { connect_to: serving.connect_to.iter().cloned().collect(), ..Way::new(resolver) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::backend::Caller;
    use crate::cli::{Cli, Command};
    use crate::discovery::Snapshot;
    use crate::egress::Reply;
    use crate::egress::guard::EgressClass;
    use crate::ingress::{
        Asked, Opened, Outbox, Patience, Report, Requests, Sessions, Stateless, StatelessEndpoint, Subscription,
        Unopened, Upstream,
    };
    use crate::jsonrpc::ErrorObject;
    use bytes::Bytes;
    use clap::Parser;
    use futures::FutureExt;
    use futures::future::{BoxFuture, pending};
    use serde_json::json;
    use serde_json::value::RawValue;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;
    use tokio::sync::{Notify, watch};
    use tokio::time::Instant;

    /// Backends that answer nothing, not even the end of what is open there.
    #[derive(Debug, Default)]
    struct Hanging {
        asked: Notify,
    }

    impl Upstream for Hanging {
        fn revisions(&self) -> &'static [&'static str] {
            &[]
        }

        fn open<'a>(
            &'a self,
            _: &'a Caller,
            _: &'a RawValue,
            _: Arc<Outbox>,
        ) -> BoxFuture<'a, Result<Opened, Unopened>> {
            pending().boxed()
        }
    }

    impl Stateless for Hanging {
        fn revisions(&self) -> &[&'static str] {
            &[]
        }

        fn answer<'a>(
            &'a self,
            _: &'a Caller,
            _: &'a Asked,
            _: mpsc::Sender<Bytes>,
        ) -> BoxFuture<'a, Result<Reply, ErrorObject>> {
            self.asked.notify_one();
            pending().boxed()
        }

        fn listen<'a>(&'a self, _: &'a Caller, _: &'a Asked) -> BoxFuture<'a, Result<Subscription, ErrorObject>> {
            pending().boxed()
        }

        fn reap(&self) -> BoxFuture<'_, ()> {
            pending().boxed()
        }

        fn close(&self) -> BoxFuture<'_, ()> {
            pending().boxed()
        }
    }

    #[tokio::test]
    async fn the_end_comes_before_kubernetes_makes_it() {
        let backends = Arc::new(Hanging::default());
        let bound = Bound::at("127.0.0.1", 0).await.unwrap();
        let mut client = TcpStream::connect(bound.address).await.unwrap();
        let ingress = Ingress {
            origins: OriginRules::new(bound.address, []),
            sessions: Sessions::new(SessionLimits::default()),
            upstream: Arc::<Hanging>::clone(&backends),
            stateless: StatelessEndpoint { gateway: Arc::<Hanging>::clone(&backends), requests: Requests::new(1) },
            http_sse: None,
            report: Report {
                mode: "static",
                discovered: watch::Sender::new(Snapshot::default()).subscribe(),
                group: None,
            },
            patience: Patience::default(),
            stop: CancellationToken::new(),
        };
        let server = bound.server(Arc::new(ingress), CancellationToken::new());
        server.spawn(pending());
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(stop.clone()));
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}).to_string();
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json, text/event-stream\r\n\
             content-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        client.write_all(request.as_bytes()).await.unwrap();
        backends.asked.notified().await;
        tokio::time::pause();
        let told = Instant::now();
        stop.cancel();
        tokio::time::timeout(Duration::from_mins(2), serving).await.unwrap().unwrap();
        let taken = told.elapsed();
        assert!((20..28).contains(&taken.as_secs()), "{taken:?}");
    }

    #[tokio::test]
    async fn under_egress_strict_token_endpoints_and_collectors_are_public_or_allowed() {
        const STRICT: &str = "--egress-strict";
        for (flags, class, allowed) in [
            (vec![], EgressClass::Token, true),
            (vec![], EgressClass::Otlp, true),
            (vec![STRICT], EgressClass::Token, false),
            (vec![STRICT], EgressClass::Otlp, false),
            (vec![STRICT], EgressClass::Workload, true),
            (vec![STRICT, "--egress-allow=token=10.0.0.0/8"], EgressClass::Token, true),
            (vec![STRICT, "--egress-allow=token=10.0.0.0/8"], EgressClass::Otlp, false),
        ] {
            let arguments = ["vmcp", "serve", "--config", "f"].into_iter().chain(flags.iter().copied());
            let Command::Serve(serve) = Cli::try_parse_from(arguments).unwrap().command else { panic!("not serve") };
            let cluster = Cluster::of(None).await.unwrap();
            let judged = guard(&serve.serving, &cluster).judge_address("10.1.2.3".parse().unwrap(), class.into());
            assert_eq!(judged.is_ok(), allowed, "{flags:?} {class}");
        }
    }
}
