//! The Service proxy: makes every Service reachable at its own address.
//!
//! A Service's address is one of the cluster's loopback block. Each of its TCP and UDP ports is a socket that forwards to
//! a ready endpoint; while there is none, nothing listens and a connection is refused, as on a real node. A port below
//! 1024, which only root may bind, is served on a high port of the same address instead: [`Ports`] knows which.
//!
//! Node ports are served on the node's own address, its `InternalIP`, which is of this cluster's block alone: two clusters
//! of one machine do not collide. On request they are served on 127.0.0.1 too, where the machine has them free. A load
//! balancer has an address of the Service block. With one node, `externalTrafficPolicy` and `internalTrafficPolicy` make
//! no difference; a `healthCheckNodePort` is given out, and nothing listens on it. SCTP is not forwarded.

mod choose;
mod datagrams;
mod forward;
mod load_balancers;
mod table;

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::reflector::{self, Store, reflector};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::forward::Connections;
use self::load_balancers::LoadBalancers;
pub(crate) use self::table::Protocol;
use self::table::{Backends, Frontend};
use crate::addresses::AddressPool;
use crate::dns::ServiceStores;

/// The first port that needs no privilege.
const FIRST_UNPRIVILEGED: u16 = 1024;

/// On which sockets the ports of Services are served. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports {
    high: Arc<Mutex<BTreeMap<Frontend, u16>>>,
}

impl Ports {
    /// The socket of a Service's port. It is the same whenever it is asked for, also before the Service has endpoints.
    pub(crate) fn socket(&self, address: Ipv4Addr, port: u16, protocol: Protocol) -> io::Result<SocketAddr> {
        if port >= FIRST_UNPRIVILEGED {
            return Ok(SocketAddr::from((address, port)));
        }
        let mut high = self.high.lock();
        let frontend = Frontend { address, port, protocol };
        if let Some(port) = high.get(&frontend) {
            return Ok(SocketAddr::from((address, *port)));
        }
        // The address belongs to this cluster alone: a port that is free now stays free.
        let free = match protocol {
            Protocol::Tcp => std::net::TcpListener::bind((address, 0))?.local_addr()?,
            Protocol::Udp => std::net::UdpSocket::bind((address, 0))?.local_addr()?,
        };
        high.insert(frontend, free.port());
        Ok(free)
    }
}

/// The running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    ports: Ports,
    services: Store<Service>,
    slices: Store<EndpointSlice>,
    connections: Connections,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Where Services are reachable from outside the cluster.
#[derive(Debug)]
pub(crate) struct Published {
    /// The addresses that serve node ports.
    pub(crate) node: Vec<Ipv4Addr>,
    /// Where load balancers get their addresses.
    pub(crate) balancers: AddressPool,
}

impl Proxy {
    /// Starts to follow the Services and their endpoints.
    pub(crate) fn start(client: &Client, published: Published) -> Self {
        let (services, services_writer) = reflector::store();
        let (slices, slices_writer) = reflector::store();
        let config = watcher::Config::default;
        let service_events = watcher(Api::<Service>::all(client.clone()), config()).default_backoff();
        let slice_events = watcher(Api::<EndpointSlice>::all(client.clone()), config()).default_backoff();
        let changes = futures::stream::select(
            reflector(services_writer, service_events).map(drop),
            reflector(slices_writer, slice_events).map(drop),
        );
        let ports = Ports::default();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let connections = Connections::default();
        let mut frontends = Frontends { ports: ports.clone(), connections: connections.clone(), open: BTreeMap::new() };
        let mut balancers = LoadBalancers::new(client.clone(), published.balancers);
        let (services_seen, slices_seen, stopped) = (services.clone(), slices.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::pin!(changes);
            loop {
                tokio::select! {
                    () = stopped.cancelled() => return,
                    Some(()) = changes.next() => {
                        let services = services_seen.state();
                        let slices = slices_seen.state();
                        let slices: Vec<&EndpointSlice> = slices.iter().map(AsRef::as_ref).collect();
                        let all = services.iter().map(AsRef::as_ref);
                        frontends.update(table::table(all.clone(), &slices, &published.node)).await;
                        balancers.update(all).await;
                    }
                    else => return,
                }
            }
        });
        Self { ports, services, slices, connections, stop, tasks }
    }

    /// The names of the Services, as the proxy sees them.
    pub(crate) fn names(&self) -> ServiceStores {
        ServiceStores { services: self.services.clone(), slices: self.slices.clone() }
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Closes every port and connection.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.connections.stop().await;
    }
}

/// The ports that are open.
struct Frontends {
    ports: Ports,
    connections: Connections,
    open: BTreeMap<Frontend, Open>,
}

struct Open {
    backends: watch::Sender<Backends>,
    _listener: AbortOnDropHandle<()>,
}

impl Frontends {
    /// Opens, updates and closes ports.
    async fn update(&mut self, table: BTreeMap<Frontend, Backends>) {
        self.open.retain(|frontend, _| table.get(frontend).is_some_and(|backends| !backends.endpoints.is_empty()));
        for (frontend, backends) in table {
            if backends.endpoints.is_empty() {
                continue;
            }
            if let Some(open) = self.open.get(&frontend) {
                open.backends.send_if_modified(|old| {
                    let is_new = *old != backends;
                    *old = backends;
                    is_new
                });
                continue;
            }
            match self.open(frontend, backends).await {
                Ok(open) => {
                    self.open.insert(frontend, open);
                }
                Err(error) => {
                    tracing::warn!(address = %frontend.address, port = frontend.port, %error, "failed to serve a Service's port");
                }
            }
        }
    }

    async fn open(&self, frontend: Frontend, backends: Backends) -> io::Result<Open> {
        let Frontend { address, port, protocol } = frontend;
        let socket = self.ports.socket(address, port, protocol)?;
        let (sender, receiver) = watch::channel(backends);
        let task = match protocol {
            Protocol::Tcp => {
                let listener = TcpListener::bind(socket).await?;
                tokio::spawn(forward::forward(listener, receiver, self.connections.clone()))
            }
            Protocol::Udp => tokio::spawn(datagrams::forward(UdpSocket::bind(socket).await?, receiver)),
        };
        Ok(Open { backends: sender, _listener: AbortOnDropHandle::new(task) })
    }
}
