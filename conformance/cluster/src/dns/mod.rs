//! The cluster's DNS: one resolver socket per namespace.
//!
//! Every view answers the names of Services (`web.shop.svc.cluster.local`). Beside them a namespace can have names of
//! its own ([`Dns::set_names`]), so that two namespaces see different machines under the same public name, and names that
//! another name server answers for ([`Dns::delegate`]). What is none of these does not exist: nothing else is forwarded.
//!
//! A view listens on UDP and TCP on a high port of the cluster's own loopback addresses, so that nothing needs root.

mod answer;
mod forward;
mod server;
mod services;

use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use answer::Answer;
pub(crate) use services::ServiceStores;
pub use services::{ServiceLookup, ServiceNames};

/// The domain of the cluster.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// The DNS server of a cluster. Cheap to clone.
#[derive(Clone)]
pub struct Dns {
    shared: Arc<Shared>,
}

struct Shared {
    address: Ipv4Addr,
    services: Arc<dyn ServiceNames>,
    views: Mutex<BTreeMap<String, Arc<View>>>,
    runtime: Handle,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What one namespace sees.
struct View {
    socket: SocketAddr,
    names: RwLock<Names>,
    services: Arc<dyn ServiceNames>,
}

/// Names beside those of Services, in lower case without a final dot.
#[derive(Default)]
struct Names {
    addresses: BTreeMap<String, IpAddr>,
    /// Who answers for names that are not answered here. They count first.
    delegated: BTreeMap<String, SocketAddr>,
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

impl Dns {
    /// A server whose views listen on `address`. It must be called inside a tokio runtime, which then serves the views.
    pub fn new(address: Ipv4Addr, services: Arc<dyn ServiceNames>) -> Self {
        let shared = Shared {
            address,
            services,
            views: Mutex::default(),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Replaces the extra names of a namespace. A name is absolute and has no trailing dot; case does not matter.
    pub fn set_names(&self, namespace: &str, names: BTreeMap<String, IpAddr>) -> io::Result<()> {
        let view = self.view_of(namespace)?;
        view.names.write().addresses = in_lower_case(names);
        Ok(())
    }

    /// Replaces the names of a namespace that other name servers answer for: each query is passed on to the server of its
    /// name as it is, and the answer likewise.
    pub fn delegate(&self, namespace: &str, names: BTreeMap<String, SocketAddr>) -> io::Result<()> {
        let view = self.view_of(namespace)?;
        view.names.write().delegated = in_lower_case(names);
        Ok(())
    }

    /// The resolver of a namespace, for UDP and TCP. The first call opens its sockets, which may fail.
    pub fn view(&self, namespace: &str) -> io::Result<SocketAddr> {
        Ok(self.view_of(namespace)?.socket)
    }

    /// The address of a name as a namespace sees it; `None` also for a name that another server answers for.
    pub fn lookup(&self, namespace: &str, host: &str) -> Option<IpAddr> {
        let view = self.view_of(namespace).ok()?;
        answer::resolve(&view.known(), host).addresses.first().copied()
    }

    /// Closes every view.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn view_of(&self, namespace: &str) -> io::Result<Arc<View>> {
        let mut views = self.shared.views.lock();
        if let Some(view) = views.get(namespace) {
            return Ok(Arc::clone(view));
        }
        let _runtime = self.shared.runtime.enter();
        let sockets = server::Sockets::bind(self.shared.address)?;
        let view = Arc::new(View {
            socket: sockets.address(),
            names: RwLock::default(),
            services: Arc::clone(&self.shared.services),
        });
        self.shared
            .tasks
            .spawn_on(server::serve(sockets, Arc::clone(&view), self.shared.stop.clone()), &self.shared.runtime);
        views.insert(namespace.to_owned(), Arc::clone(&view));
        Ok(view)
    }
}

impl View {
    /// What becomes of one query, by the names as they are now.
    fn answer(&self, packet: &[u8], over_udp: bool) -> Option<Answer> {
        answer::answer(&self.known(), packet, over_udp)
    }

    fn known(&self) -> answer::Known<'_> {
        answer::Known { names: self.names.read(), services: self.services.as_ref() }
    }
}

fn in_lower_case<T>(names: BTreeMap<String, T>) -> BTreeMap<String, T> {
    names.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

#[cfg(test)]
mod tests;
