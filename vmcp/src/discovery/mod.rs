//! Which backends there are: from the configuration, and from the objects of the gateway's group.
//!
//! Two parts. The pure one decides: `decide` takes the objects that are known, and returns a [`Snapshot`] and the
//! names of the Secrets and `ConfigMap`s that it needs; `resolve` turns one entry into a backend. The other one, `watch`,
//! feeds it: it watches the members of groups and the auth configs of the namespace, and each needed Secret and `ConfigMap` by name,
//! since that is what the gateway's Role permits. A proxy has one backend, whose Secrets are watched in the same way
//! (`proxied`). Nothing here needs a restart: rotated secrets and authorities arrive
//! like every other change.

mod decide;
mod fixed;
mod member;
mod pauses;
mod proxied;
mod resolve;
mod strategy;
#[cfg(test)]
mod tests;
mod watch;
#[cfg(test)]
mod workload_tests;

use std::collections::BTreeMap;

use kube::Client;
use tokio::sync::watch::{Receiver, channel};
use tokio_util::sync::CancellationToken;
use vmcp_config::Config;
use vmcp_config::proxy::ProxyConfig;

use crate::backend::Backends;
use decide::{Decide, Objects};

pub use fixed::FixedError;
pub use proxied::ProxiedError;
pub use strategy::{Strategies, Strategy, StrategyError};

/// What discovery knows at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The backends that can be called.
    pub backends: Backends,
    /// Members of the group that cannot, by name, with the reason.
    pub left_out: BTreeMap<String, String>,
    /// Whether everything has been read once; false only in the first moments of discovered mode.
    pub synced: bool,
}

/// Why discovery cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// An outgoing authentication of the configuration cannot be used.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// A backend of the configuration cannot be used.
    #[error(transparent)]
    Fixed(#[from] FixedError),
    /// The backend of a proxy cannot be used.
    #[error(transparent)]
    Proxied(#[from] ProxiedError),
}

/// Starts discovery and returns what it knows, now and after each change.
///
/// The backends of the configuration are always there. With a `cluster`, a client and the gateway's namespace, the
/// members of the group join them where names differ, until `stop`.
pub fn start(
    config: &Config,
    cluster: Option<(Client, String)>,
    stop: CancellationToken,
) -> Result<Receiver<Snapshot>, DiscoveryError> {
    let strategies = Strategies::read(config.outgoing_auth.as_ref(), |name| std::env::var(name).ok())?;
    let fixed = fixed::backends(config.backends.as_deref().unwrap_or_default(), &strategies)?;
    let synced = cluster.is_none();
    let (sender, receiver) =
        channel(Snapshot { backends: Backends::new(fixed.clone()), left_out: BTreeMap::new(), synced });
    if let Some((client, namespace)) = cluster {
        let decider = decide::Decider::new(config.group_ref.clone(), strategies, fixed);
        let watches = watch::Watches::new(client, namespace).with_members();
        tokio::spawn(watch::run(watches, decider, sender, stop));
    }
    Ok(receiver)
}

/// Starts discovery for a proxy: its one backend, with the Secrets that the configuration names. They are read from the
/// `cluster`, a client and the proxy's namespace, until `stop`; without one they are never known.
pub fn start_proxy(
    config: &ProxyConfig,
    cluster: Option<(Client, String)>,
    stop: CancellationToken,
) -> Result<Receiver<Snapshot>, DiscoveryError> {
    let mut decider = proxied::Proxied::new(config)?;
    let (sender, receiver) = channel(decider.decide(&Objects::default()));
    if let Some((client, namespace)) = cluster.filter(|_| !decider.needed().secrets.is_empty()) {
        tokio::spawn(watch::run(watch::Watches::new(client, namespace), decider, sender, stop));
    }
    Ok(receiver)
}
