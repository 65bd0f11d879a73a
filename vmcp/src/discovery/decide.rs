//! From the objects that are known to the backends that are served.
//!
//! An object counts once the operator has found it Valid at its current generation. While a change waits for that
//! verdict, the spec that was accepted before stays in force; a verdict against it, a move to another group or a
//! deletion end it. An entry that cannot be resolved is left out with its reason and harms nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use operator_api::MCPExternalAuthConfig;

use super::Snapshot;
use super::configured::Configured;
use super::member::{Judged, Member, MemberKind, Verdict};
use super::resolve::{self, AuthConfigs, Referenced, ResolveError};
use super::strategy::{Choice, Strategy};
use crate::backend::{Backend, Backends};
use crate::policy::Policy;

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

impl Needed {
    /// These and `others`.
    pub(super) fn extend(&mut self, others: Self) {
        self.secrets.extend(others.secrets);
        self.config_maps.extend(others.config_maps);
    }
}

/// Decides which backends are served.
pub(super) trait Decide: Clone + Send {
    /// What it is configured with.
    type Configuration: Clone + Send + Sync;

    /// Goes by another configuration from now on. What was accepted before stays.
    fn configure(&mut self, configuration: Self::Configuration);

    /// Takes what is known into account and says what has to be read.
    fn accept(&mut self, objects: &Objects) -> Needed;

    /// What this configuration waits for before it may take the place of the one in force, if anything: until then the previous
    /// one stays, as a whole.
    fn awaits(&self, objects: &Objects) -> Option<ResolveError>;

    /// The backends that are served with these objects.
    fn decide(&mut self, objects: &Objects) -> Snapshot;
}

/// Decides for the members of a group, and remembers what was accepted.
#[derive(Debug, Clone)]
pub(super) struct Decider {
    configured: Configured,
    members: BTreeMap<(String, MemberKind), Member>,
    auth_configs: AuthConfigs,
    served: BTreeMap<String, Arc<Backend>>,
    /// Who may call what is served.
    served_to: Arc<Policy>,
}

impl Decider {
    /// Nothing is known yet but the backends of the configuration.
    pub(super) fn new(configured: Configured) -> Self {
        let served_to = Arc::clone(&configured.policy);
        let (members, auth_configs, served) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { configured, members, auth_configs, served, served_to }
    }
}

impl Decide for Decider {
    type Configuration = Configured;

    fn configure(&mut self, configuration: Configured) {
        self.configured = configuration.after(&self.configured);
    }

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
        let group = Some(self.configured.settings.group.as_str());
        self.members.retain(|key, _| current.get(key).is_some_and(|member| member.group() == group));
        self.needed()
    }

    /// Only for what is being read: a backend whose credentials are not there yet keeps no other from what was written for it.
    fn awaits(&self, objects: &Objects) -> Option<ResolveError> {
        let mut resolved = self.fixed_backends(objects).chain(self.resolved_members(objects));
        resolved.find_map(|(_, resolved)| resolved.err().filter(|error| matches!(error, ResolveError::Reading(_))))
    }

    fn decide(&mut self, objects: &Objects) -> Snapshot {
        let listed = objects.members.len() == MemberKind::ALL.len() && objects.auth_configs.is_some();
        let mut left_out = self.open_members(objects);
        let mut served = BTreeMap::new();
        let mut reading = false;
        // Whoever may call only now must not do so with credentials from before.
        let same_callers = self.served_to == self.configured.policy;
        for (name, resolved) in self.fixed_backends(objects).chain(self.resolved_members(objects)) {
            let previous = self.served.get(name);
            match resolved {
                Ok(backend) => {
                    let backend = previous
                        .filter(|previous| previous.identity == backend.identity)
                        .map_or_else(|| Arc::new(backend), Arc::clone);
                    served.insert(name.clone(), backend);
                }
                Err(error @ (ResolveError::Reading(_) | ResolveError::Waiting(_))) => {
                    reading |= matches!(error, ResolveError::Reading(_));
                    // What is on its way takes the place of the previous backend when it has arrived.
                    match previous.filter(|_| same_callers) {
                        Some(previous) => {
                            served.insert(name.clone(), Arc::clone(previous));
                        }
                        None => {
                            left_out.insert(name.clone(), error.to_string());
                        }
                    }
                }
                Err(ResolveError::Broken(reason)) => {
                    left_out.entry(name.clone()).or_insert(reason);
                }
            }
        }
        self.served = served;
        self.served_to = Arc::clone(&self.configured.policy);
        Snapshot {
            backends: Backends::new(self.served.clone()),
            left_out,
            synced: listed && !reading,
            policy: Arc::clone(&self.configured.policy),
            settings: Arc::clone(&self.configured.settings),
            pending: self.configured.pending.clone(),
        }
    }
}

impl Decider {
    /// The backends of the configuration.
    fn fixed_backends<'a>(
        &'a self,
        objects: &'a Objects,
    ) -> impl Iterator<Item = (&'a String, Result<Backend, ResolveError>)> {
        let Configured { fixed, strategies, .. } = &self.configured;
        fixed.iter().map(|(name, backend)| {
            let resolved = match backend {
                Ok(backend) => resolve::fixed(backend, strategies, &self.auth_configs, &objects.referenced),
                // Pods that can have it are on their way.
                Err(error) if error.is_of_surroundings() => Err(ResolveError::Waiting(error.to_string())),
                Err(error) => Err(ResolveError::Broken(error.to_string())),
            };
            (name, resolved)
        })
    }

    /// The accepted members of the group. A name that is taken has one place in the catalog, in health and in the status.
    fn resolved_members<'a>(
        &'a self,
        objects: &'a Objects,
    ) -> impl Iterator<Item = (&'a String, Result<Backend, ResolveError>)> {
        let mut taken: Option<(&str, MemberKind)> = None;
        self.members.iter().map(move |((name, kind), member)| {
            if self.configured.fixed.contains_key(name) {
                let reason = "a backend of the configuration has the same name".to_owned();
                return (name, Err(ResolveError::Broken(reason)));
            }
            if let Some((_, owner)) = taken.filter(|(taken, _)| taken == name) {
                let reason = format!(
                    "the {} of this name is not served, because {} of the group has the same name: rename one of them",
                    kind.as_str(),
                    owner.with_article()
                );
                return (name, Err(ResolveError::Broken(reason)));
            }
            taken = Some((name, *kind));
            let strategies = &self.configured.strategies;
            (name, resolve::member(name, member, strategies, &self.auth_configs, &objects.referenced))
        })
    }

    /// Members of the group that the operator has not accepted, and no earlier spec of which is in force.
    fn open_members(&self, objects: &Objects) -> BTreeMap<String, String> {
        let members =
            objects.members.iter().flat_map(|(kind, members)| members.iter().map(move |found| (*kind, found)));
        members
            .filter(|(kind, (name, member))| {
                let accepted = self.members.contains_key(&((*name).clone(), *kind));
                member.group() == Some(self.configured.settings.group.as_str()) && !accepted
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
            needed.secrets.extend(self.credentials(name, member.auth_config()));
        }
        for name in self.configured.fixed.keys() {
            needed.secrets.extend(self.credentials(name, None));
        }
        needed
    }

    /// Names of the Secrets with which the gateway authenticates to a backend whose own object refers to `own`.
    fn credentials(&self, backend: &str, own: Option<&str>) -> Vec<String> {
        if let Choice::Configured(Strategy::SecretHeader { secret, .. }) =
            self.configured.strategies.choose(backend, own.is_some())
        {
            return vec![secret.name.clone()];
        }
        let config = self.configured.strategies.auth_config(backend, own).and_then(|name| self.auth_configs.get(name));
        config.into_iter().flat_map(|config| config.spec.secrets()).map(|reference| reference.name.clone()).collect()
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
