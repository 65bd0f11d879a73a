//! Which backends there are: from the configuration, and from the objects of the gateway's group.
//!
//! Two parts. The pure one decides: `decide` takes the objects that are known, and returns a [`Snapshot`] and the
//! names of the Secrets and `ConfigMap`s that it needs; `fixed` and `resolve` turn one backend of the configuration and
//! one entry into a backend. The other one, `watch`, feeds it: it watches the members of groups and the auth configs of the
//! namespace, and each needed Secret and `ConfigMap` by name, since that is what the gateway's Role permits. A proxy has one backend,
//! whose Secrets are watched in the same way (`proxied`). Nothing here needs a restart: another configuration
//! (`configured`), rotated secrets and authorities arrive like every other change. A configuration takes the place of the one
//! before as a whole (`in_force`).

mod configured;
mod decide;
mod fixed;
mod in_force;
mod member;
mod pauses;
mod proxied;
mod resolve;
mod strategy;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Client;
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;
use vmcp_config::Config;
use vmcp_config::proxy::ProxyConfig;

use crate::backend::Backends;
use crate::policy::Policy;
use crate::settings::{Pending, Settings};
use configured::{Configured, Readers};
use decide::{Decide, Objects};

pub use fixed::FixedError;
pub use proxied::ProxiedError;
pub use strategy::{Choice, Strategies, Strategy, StrategyError};

/// What is configured and discovered at one moment. A change swaps all of it: who has one goes by it to the end of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The backends that can be called.
    pub backends: Backends,
    /// Members of the group that cannot, by name, with the reason.
    pub left_out: BTreeMap<String, String>,
    /// Whether everything has been read once; false only in the first moments of discovered mode.
    pub synced: bool,
    /// Who may call.
    pub policy: Arc<Policy>,
    /// What requests and probes go by.
    pub settings: Arc<Settings>,
    /// Why the configuration that was written last is not in force, if so.
    pub pending: Option<Pending>,
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

/// What discovery has to do with Kubernetes.
pub struct Surroundings {
    /// A client and the gateway's namespace, when the members of its group are to be discovered.
    pub members: Option<(Client, String)>,
    /// Whether the operator wrote the configuration: then a backend that cannot be used is left out and harms no other.
    /// Who wrote it by hand is told at the start.
    pub operated: bool,
}

/// Discovery that runs.
#[derive(Debug)]
pub struct Discovery {
    snapshots: Receiver<Snapshot>,
    configured: Sender<Configured>,
    readers: Readers,
}

impl Discovery {
    /// What is known, now and after each change.
    pub fn snapshots(&self) -> Receiver<Snapshot> {
        self.snapshots.clone()
    }

    /// Goes by `config` and its `policy`, when all of it can be used, as soon as what it newly refers to was read: who reads the next
    /// snapshot sees all of it at once. A backend whose credentials cannot be read for now is left out, unless the same clients may
    /// call as before: then it stays as it was until they can.
    pub fn configure(&self, config: &Config, policy: Policy) -> Result<(), DiscoveryError> {
        let configured = Configured::read(config, policy, self.readers)?;
        self.configured.send_replace(configured);
        Ok(())
    }

    /// Goes by the same configuration as before, and says why not by the one that was written since.
    pub fn keep(&self, pending: Pending) {
        self.configured.send_modify(|configured| configured.pending = Some(pending));
    }
}

/// Starts discovery for a gateway of this configuration, whose `policy` is that of its incoming authentication.
///
/// The backends of the configuration are always there. The members of the group join them where names differ, until
/// `stop`.
pub fn start(
    config: &Config,
    policy: Policy,
    surroundings: Surroundings,
    stop: CancellationToken,
) -> Result<Discovery, DiscoveryError> {
    let Surroundings { members, operated } = surroundings;
    let readers = Readers { cluster: members.is_some(), operated };
    let first = Configured::read(config, policy, readers)?;
    let mut decider = decide::Decider::new(first.clone());
    let (configured, follows) = channel(first);
    let first = decider.decide(&Objects::default());
    let (sender, snapshots) = channel(Snapshot { synced: members.is_none(), ..first });
    if let Some((client, namespace)) = members {
        let watches = watch::Watches::new(client, namespace).with_members();
        tokio::spawn(watch::run(watches, decider, follows, sender, stop));
    } else {
        for (name, reason) in &snapshots.borrow().left_out {
            tracing::warn!(backend = name, reason, "a backend of the configuration is left out");
        }
        tokio::spawn(watch::run_fixed(decider, follows, sender, stop));
    }
    Ok(Discovery { snapshots, configured, readers })
}

/// Discovery for a proxy that runs.
#[derive(Debug)]
pub struct ProxyDiscovery {
    snapshots: Receiver<Snapshot>,
    configured: Sender<proxied::Configured>,
    in_cluster: bool,
}

impl ProxyDiscovery {
    /// What is known, now and after each change.
    pub fn snapshots(&self) -> Receiver<Snapshot> {
        self.snapshots.clone()
    }

    /// Goes by `config` and its `policy`, when all of it can be used, as soon as the Secrets that it names can be read.
    pub fn configure(&self, config: &ProxyConfig, policy: Policy) -> Result<(), DiscoveryError> {
        let configured = proxied::Configured::read(config, policy, self.in_cluster)?;
        self.configured.send_replace(configured);
        Ok(())
    }
}

/// Starts discovery for a proxy of this configuration, whose `policy` is that of its incoming authentication: its one backend, with
/// the Secrets that the configuration names. They are read from the `cluster`, a client and the proxy's namespace, until `stop`.
pub fn start_proxy(
    config: &ProxyConfig,
    policy: Policy,
    cluster: Option<(Client, String)>,
    stop: CancellationToken,
) -> Result<ProxyDiscovery, DiscoveryError> {
    let in_cluster = cluster.is_some();
    let first = proxied::Configured::read(config, policy, in_cluster)?;
    let mut decider = proxied::Proxied::new(first.clone());
    let (configured, follows) = channel(first);
    let (sender, snapshots) = channel(decider.decide(&Objects::default()));
    match cluster {
        Some((client, namespace)) => {
            tokio::spawn(watch::run(watch::Watches::new(client, namespace), decider, follows, sender, stop));
        }
        None => {
            tokio::spawn(watch::run_fixed(decider, follows, sender, stop));
        }
    }
    Ok(ProxyDiscovery { snapshots, configured, in_cluster })
}
