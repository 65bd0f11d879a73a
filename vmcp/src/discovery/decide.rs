//! From the objects that are known to the backends that are served.
//!
//! An object counts once the operator has found it Valid at its current generation. While a change waits for that
//! verdict, the spec that was accepted before stays in force; a verdict against it, a move to another group or a
//! deletion end it. An entry that cannot be resolved is left out with its reason and harms nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;
use operator_api::{
    AuthConfigCondition, ConditionStatus, EntryCondition, EntryPhase, MCPExternalAuthConfig, MCPServerEntry,
    condition_status, find_condition,
};

use super::Snapshot;
use super::resolve::{self, Referenced, ResolveError};
use super::strategy::Strategies;
use crate::backend::{Backend, Backends};

/// The objects that are known. A kind that has not been listed yet is `None`.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) entries: Option<BTreeMap<String, Arc<MCPServerEntry>>>,
    pub(super) auth_configs: Option<BTreeMap<String, Arc<MCPExternalAuthConfig>>>,
    pub(super) referenced: Referenced,
}

/// Names of the Secrets and `ConfigMap`s that the accepted entries refer to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) secrets: BTreeSet<String>,
    pub(super) config_maps: BTreeSet<String>,
}

/// Decides which backends are served.
pub(super) trait Decide: Send {
    /// Takes what is known into account and says what has to be read.
    fn accept(&mut self, objects: &Objects) -> Needed;

    /// The backends that are served with these objects.
    fn decide(&mut self, objects: &Objects) -> Snapshot;
}

/// Decides for the members of a group, and remembers what was accepted.
#[derive(Debug)]
pub(super) struct Decider {
    group: String,
    strategies: Strategies,
    fixed: BTreeMap<String, Arc<Backend>>,
    entries: BTreeMap<String, Arc<MCPServerEntry>>,
    auth_configs: BTreeMap<String, Arc<MCPExternalAuthConfig>>,
    discovered: BTreeMap<String, Arc<Backend>>,
}

/// What the operator says about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Refused,
    Open,
}

impl Decider {
    /// Nothing is known yet. `fixed` backends are always served.
    pub(super) fn new(group: String, strategies: Strategies, fixed: BTreeMap<String, Arc<Backend>>) -> Self {
        Self {
            group,
            strategies,
            fixed,
            entries: BTreeMap::new(),
            auth_configs: BTreeMap::new(),
            discovered: BTreeMap::new(),
        }
    }
}

impl Decide for Decider {
    fn accept(&mut self, objects: &Objects) -> Needed {
        if let Some(current) = &objects.auth_configs {
            accept(&mut self.auth_configs, current, auth_config_verdict);
        }
        if let Some(current) = &objects.entries {
            accept(&mut self.entries, current, entry_verdict);
            let group = &self.group;
            self.entries.retain(|name, _| current.get(name).is_some_and(|entry| entry.spec.group_ref.name == *group));
        }
        self.needed()
    }

    fn decide(&mut self, objects: &Objects) -> Snapshot {
        let listed = objects.entries.is_some() && objects.auth_configs.is_some();
        let mut left_out = self.open_entries(objects);
        let mut discovered = BTreeMap::new();
        let mut reading = false;
        for (name, entry) in &self.entries {
            if self.fixed.contains_key(name) {
                left_out.insert(name.clone(), "a backend of the configuration has the same name".to_owned());
                continue;
            }
            let previous = self.discovered.get(name);
            match self.resolve(name, entry, objects) {
                Ok(backend) => {
                    let backend = previous
                        .filter(|previous| previous.identity == backend.identity)
                        .map_or_else(|| Arc::new(backend), Arc::clone);
                    discovered.insert(name.clone(), backend);
                }
                Err(error @ (ResolveError::Reading(_) | ResolveError::Waiting(_))) => {
                    reading |= matches!(error, ResolveError::Reading(_));
                    // What is on its way takes the place of the previous backend when it has arrived.
                    match previous {
                        Some(previous) => {
                            discovered.insert(name.clone(), Arc::clone(previous));
                        }
                        None => {
                            left_out.insert(name.clone(), error.to_string());
                        }
                    }
                }
                Err(ResolveError::Broken(reason)) => {
                    left_out.insert(name.clone(), reason);
                }
            }
        }
        self.discovered = discovered;
        let all = self.fixed.iter().chain(&self.discovered).map(|(name, backend)| (name.clone(), Arc::clone(backend)));
        Snapshot { backends: Backends::new(all.collect()), left_out, synced: listed && !reading }
    }
}

impl Decider {
    fn resolve(&self, name: &str, entry: &MCPServerEntry, objects: &Objects) -> Result<Backend, ResolveError> {
        let auth_config = entry
            .spec
            .external_auth_config_ref
            .as_ref()
            .and_then(|reference| self.auth_configs.get(&reference.name))
            .map(Arc::as_ref);
        resolve::entry(name, entry, auth_config, &self.strategies, &objects.referenced)
    }

    /// Members of the group that the operator has not accepted, and no earlier spec of which is in force.
    fn open_entries(&self, objects: &Objects) -> BTreeMap<String, String> {
        objects
            .entries
            .iter()
            .flatten()
            .filter(|(name, entry)| entry.spec.group_ref.name == self.group && !self.entries.contains_key(*name))
            .map(|(name, entry)| (name.clone(), why_not_accepted(entry)))
            .collect()
    }

    fn needed(&self) -> Needed {
        let mut needed = Needed::default();
        for (name, entry) in &self.entries {
            let spec = &entry.spec;
            if let Some(reference) = spec.ca_bundle_ref.as_ref().and_then(|bundle| bundle.config_map_ref.as_ref()) {
                needed.config_maps.insert(reference.name.clone());
            }
            for header in spec.header_forward.iter().flat_map(|forward| &forward.add_headers_from_secret) {
                needed.secrets.insert(header.value_secret_ref.name.clone());
            }
            if self.strategies.overrides(name) {
                continue;
            }
            let auth_config =
                spec.external_auth_config_ref.as_ref().and_then(|reference| self.auth_configs.get(&reference.name));
            if let Some(config) = auth_config {
                let exchange = config.spec.token_exchange.as_ref().and_then(|block| block.client_secret_ref.as_ref());
                let injection = config.spec.header_injection.as_ref().map(|block| &block.value_secret_ref);
                needed.secrets.extend(exchange.into_iter().chain(injection).map(|reference| reference.name.clone()));
            }
        }
        needed
    }
}

/// Brings `accepted` up to date with the verdicts on the `current` objects.
fn accept<K: ResourceExt>(
    accepted: &mut BTreeMap<String, Arc<K>>,
    current: &BTreeMap<String, Arc<K>>,
    verdict: impl Fn(&K) -> Verdict,
) {
    // An object of the same name with another uid is another object.
    accepted.retain(|name, old| current.get(name).is_some_and(|new| new.uid() == old.uid()));
    for (name, object) in current {
        match verdict(object) {
            Verdict::Accepted => {
                accepted.insert(name.clone(), Arc::clone(object));
            }
            Verdict::Refused => {
                accepted.remove(name);
            }
            Verdict::Open => {}
        }
    }
}

fn entry_verdict(entry: &MCPServerEntry) -> Verdict {
    let Some(status) = &entry.status else { return Verdict::Open };
    if status.observed_generation.is_none() || status.observed_generation != entry.metadata.generation {
        return Verdict::Open;
    }
    match status.phase {
        Some(EntryPhase::Valid) => Verdict::Accepted,
        Some(EntryPhase::Failed) => Verdict::Refused,
        Some(EntryPhase::Pending) | None => Verdict::Open,
    }
}

fn auth_config_verdict(config: &MCPExternalAuthConfig) -> Verdict {
    let Some(status) = &config.status else { return Verdict::Open };
    if status.observed_generation.is_none() || status.observed_generation != config.metadata.generation {
        return Verdict::Open;
    }
    match condition_status(&status.conditions, AuthConfigCondition::Valid.as_str()) {
        Some(ConditionStatus::True) => Verdict::Accepted,
        Some(ConditionStatus::False) => Verdict::Refused,
        Some(ConditionStatus::Unknown) | None => Verdict::Open,
    }
}

fn why_not_accepted(entry: &MCPServerEntry) -> String {
    if entry_verdict(entry) == Verdict::Open {
        return "the operator has not validated it yet".to_owned();
    }
    let conditions = entry.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let failed = conditions
        .iter()
        .find(|condition| condition.status == "False" && condition.type_ != EntryCondition::Valid.as_str());
    let failed = failed.or_else(|| find_condition(conditions, EntryCondition::Valid.as_str()));
    failed.map_or_else(|| "its phase is Failed".to_owned(), |condition| condition.message.clone())
}
