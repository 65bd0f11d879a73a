//! Which backends there are: from the configuration, and from the objects of the gateway's group.
//!
//! Two parts. The pure one decides: `decide` takes the objects that are known, and returns a [`Snapshot`] and the
//! names of the Secrets and `ConfigMap`s that it needs; `fixed` and `resolve` turn one backend of the configuration and
//! one entry into a backend. The other one, `watch`, feeds it: it watches the members of groups and the auth configs of the
//! namespace, and each needed Secret and `ConfigMap` by name, since that is what the gateway's Role permits. A proxy has one backend,
//! whose Secrets are watched in the same way (`proxied`). Nothing here needs a restart: rotated secrets and authorities
//! arrive like every other change.

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
pub use strategy::{Choice, Strategies, Strategy, StrategyError};

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

/// What discovery has to do with Kubernetes.
pub struct Surroundings {
    /// A client and the gateway's namespace, when the members of its group are to be discovered.
    pub members: Option<(Client, String)>,
    /// Whether the operator wrote the configuration: then a backend that cannot be used is left out and harms no other.
    /// Who wrote it by hand is told at the start.
    pub operated: bool,
}

/// Starts discovery and returns what it knows, now and after each change.
///
/// The backends of the configuration are always there. The members of the group join them where names differ, until
/// `stop`.
pub fn start(
    config: &Config,
    surroundings: Surroundings,
    stop: CancellationToken,
) -> Result<Receiver<Snapshot>, DiscoveryError> {
    let environment = |name: &str| std::env::var(name).ok();
    let strategies = Strategies::read(config.outgoing_auth.as_ref(), environment);
    let fixed = fixed::backends(config.backends.as_deref().unwrap_or_default(), environment);
    let Surroundings { members, operated } = surroundings;
    if !operated {
        strategies.check(members.is_some())?;
        if let Some(error) = fixed.values().find_map(|backend| backend.as_ref().err()) {
            return Err(error.clone().into());
        }
    }
    let mut decider = decide::Decider::new(config.group_ref.clone(), strategies, fixed);
    let first = decider.decide(&Objects::default());
    let (sender, receiver) = channel(Snapshot { synced: members.is_none(), ..first });
    if let Some((client, namespace)) = members {
        let watches = watch::Watches::new(client, namespace).with_members();
        tokio::spawn(watch::run(watches, decider, sender, stop));
    } else {
        for (name, reason) in &receiver.borrow().left_out {
            tracing::warn!(backend = name, reason, "a backend of the configuration is left out");
        }
        // Whoever follows discovery takes its end for the end of the gateway.
        tokio::spawn(async move {
            stop.cancelled().await;
            drop(sender);
        });
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
