//! From the objects that are known to the backends that are served.
//!
//! An object counts once the operator has found it Valid at its current generation. While a change waits for that
//! verdict, the spec that was accepted before stays in force; a verdict against it, a move to another group or a
//! deletion end it. An entry that cannot be resolved is left out with its reason and harms nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use operator_api::MCPExternalAuthConfig;

use super::Snapshot;
use super::member::{Judged, Member, MemberKind, Verdict};
use super::resolve::{self, Referenced, ResolveError};
use super::strategy::Strategies;
use crate::backend::{Backend, Backends};

/// The objects that are known. A kind that has not been listed yet is absent.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) members: BTreeMap<MemberKind, BTreeMap<String, Member>>,
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
    members: BTreeMap<(String, MemberKind), Member>,
    auth_configs: BTreeMap<String, Arc<MCPExternalAuthConfig>>,
    discovered: BTreeMap<String, Arc<Backend>>,
}

impl Decider {
    /// Nothing is known yet. `fixed` backends are always served.
    pub(super) fn new(group: String, strategies: Strategies, fixed: BTreeMap<String, Arc<Backend>>) -> Self {
        Self {
            group,
            strategies,
            fixed,
            members: BTreeMap::new(),
            auth_configs: BTreeMap::new(),
            discovered: BTreeMap::new(),
        }
    }
}

impl Decide for Decider {
    fn accept(&mut self, objects: &Objects) -> Needed {
        if let Some(current) = &objects.auth_configs {
            accept(&mut self.auth_configs, current);
        }
        let current: BTreeMap<_, _> = objects
            .members
            .iter()
            .flat_map(|(kind, members)| members.iter().map(|(name, member)| ((name.clone(), *kind), member.clone())))
            .collect();
        accept(&mut self.members, &current);
        let group = Some(self.group.as_str());
        self.members.retain(|key, _| current.get(key).is_some_and(|member| member.group() == group));
        self.needed()
    }

    fn decide(&mut self, objects: &Objects) -> Snapshot {
        let listed = objects.members.len() == MemberKind::ALL.len() && objects.auth_configs.is_some();
        let mut left_out = self.open_members(objects);
        let mut discovered = BTreeMap::new();
        let mut taken: Option<(&str, MemberKind)> = None;
        let mut reading = false;
        for ((name, kind), member) in &self.members {
            if self.fixed.contains_key(name) {
                left_out.insert(name.clone(), "a backend of the configuration has the same name".to_owned());
                continue;
            }
            if let Some((_, owner)) = taken.filter(|(taken, _)| taken == name) {
                // Health and status have one place per name, and so has the catalog.
                let reason = format!(
                    "the {} of this name is not served, because {} of the group has the same name: rename one of them",
                    kind.as_str(),
                    owner.with_article()
                );
                left_out.insert(name.clone(), reason);
                continue;
            }
            taken = Some((name, *kind));
            let previous = self.discovered.get(name);
            match self.resolve(name, member, objects) {
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
    fn resolve(&self, name: &str, member: &Member, objects: &Objects) -> Result<Backend, ResolveError> {
        let auth_config = member.auth_config().and_then(|name| self.auth_configs.get(name)).map(Arc::as_ref);
        resolve::member(name, member, auth_config, &self.strategies, &objects.referenced)
    }

    /// Members of the group that the operator has not accepted, and no earlier spec of which is in force.
    fn open_members(&self, objects: &Objects) -> BTreeMap<String, String> {
        let members =
            objects.members.iter().flat_map(|(kind, members)| members.iter().map(move |found| (*kind, found)));
        members
            .filter(|(kind, (name, member))| {
                let accepted = self.members.contains_key(&((*name).clone(), *kind));
                member.group() == Some(self.group.as_str()) && !accepted
            })
            .map(|(_, (name, member))| (name.clone(), member.why_not_accepted()))
            .collect()
    }

    fn needed(&self) -> Needed {
        let mut needed = Needed::default();
        for ((name, _), member) in &self.members {
            if let Member::Entry(entry) = member {
                let spec = &entry.spec;
                if let Some(reference) = spec.ca_bundle_ref.as_ref().and_then(|bundle| bundle.config_map_ref.as_ref()) {
                    needed.config_maps.insert(reference.name.clone());
                }
                for header in spec.header_forward.iter().flat_map(|forward| &forward.add_headers_from_secret) {
                    needed.secrets.insert(header.value_secret_ref.name.clone());
                }
            }
            if self.strategies.overrides(name) {
                continue;
            }
            let auth_config = member.auth_config().and_then(|name| self.auth_configs.get(name));
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
fn accept<K: Ord + Clone, V: Judged + Clone>(accepted: &mut BTreeMap<K, V>, current: &BTreeMap<K, V>) {
    // An object of the same name with another uid is another object.
    accepted.retain(|key, old| current.get(key).is_some_and(|new| new.uid() == old.uid()));
    for (key, object) in current {
        match object.verdict() {
            Verdict::Accepted => {
                accepted.insert(key.clone(), object.clone());
            }
            Verdict::Refused => {
                accepted.remove(key);
            }
            Verdict::Open => {}
        }
    }
}
