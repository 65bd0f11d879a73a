//! The configuration, as far as it says which backends there are; and what of it every reader of a snapshot goes by.

use std::sync::Arc;

use vmcp_config::Config;

use super::DiscoveryError;
use super::fixed::{self, Fixed};
use super::strategy::Strategies;
use crate::policy::Policy;
use crate::settings::{Pending, Settings};

/// What a configuration is read for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readers {
    /// Whether there is a cluster, in which strategies may look for what they need.
    pub(super) cluster: bool,
    /// Whether the operator wrote it: then a backend that cannot be used is left out and harms no other. Who wrote it by hand
    /// is told.
    pub(super) operated: bool,
}

/// A configuration that was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Configured {
    /// Who may call.
    pub(super) policy: Arc<Policy>,
    /// What requests and probes go by.
    pub(super) settings: Arc<Settings>,
    /// How the gateway authenticates to backends.
    pub(super) strategies: Strategies,
    /// The backends that it names.
    pub(super) fixed: Fixed,
    /// Why a later one is not in force, if there is one.
    pub(super) pending: Option<Pending>,
}

impl Configured {
    /// Reads `config`, with the variables and files that it names. Its `policy` was read already.
    pub(super) fn read(config: &Config, policy: Policy, readers: Readers) -> Result<Self, DiscoveryError> {
        let environment = |name: &str| std::env::var(name).ok();
        let strategies = Strategies::read(config.outgoing_auth.as_ref(), environment);
        let fixed = fixed::backends(config.backends.as_deref().unwrap_or_default(), environment);
        if !readers.operated {
            strategies.check(readers.cluster)?;
            if let Some(error) = fixed.values().find_map(|backend| backend.as_ref().err()) {
                return Err(error.clone().into());
            }
        }
        Ok(Self {
            policy: Arc::new(policy),
            settings: Arc::new(Settings::of(config)),
            strategies,
            fixed,
            pending: None,
        })
    }

    /// The same, with the policy and the settings of `before` where they are equal: nobody has to compare them again, and what a
    /// policy has fetched and verified stays known.
    #[must_use]
    pub(super) fn after(self, before: &Self) -> Self {
        let (policy, settings) = (same_or(self.policy, &before.policy), same_or(self.settings, &before.settings));
        Self { policy, settings, ..self }
    }
}

/// What there was `before` where it is equal, else `new`.
pub(super) fn same_or<T: PartialEq>(new: Arc<T>, before: &Arc<T>) -> Arc<T> {
    if new == *before { Arc::clone(before) } else { new }
}
