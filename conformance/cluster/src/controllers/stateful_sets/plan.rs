//! What a StatefulSet's pods need next, and its status: pure computations.
//!
//! Pods of an ordered set come up one by one, lowest ordinal first, each when all below it are available; they go in the
//! reverse order. An update deletes pods of other revisions from the highest ordinal down.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;

use super::identity::{ordinal, revision};
use crate::controllers::amounts::absolute;
use crate::controllers::pods::{Availability, availability, is_failed, is_finished, is_ready, is_terminating};

/// Which revision a new pod has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Current,
    Update,
}

/// What to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) create: Vec<(i32, Which)>,
    /// Pods that ended, and are made anew: whether each failed.
    pub(super) recreate: Vec<(Pod, bool)>,
    pub(super) delete: Vec<Pod>,
    /// When to look again if nothing happens.
    pub(super) next: Option<Duration>,
}

/// Decides from the set, its pods and the time; `update` is the name of the revision that pods shall have.
pub(super) fn plan(set: &StatefulSet, pods: &[Pod], update: &str, now: Timestamp) -> Plan {
    let spec = set.spec.clone().unwrap_or_default();
    let by_ordinal: BTreeMap<i32, &Pod> = pods.iter().filter_map(|pod| Some((ordinal(set, pod)?, pod))).collect();
    let planner = Planner { spec: &spec, pods: by_ordinal, update, now };
    let mut plan = Plan::default();
    // What is to be there comes first, then what is not, then updates: an ordered set does one thing at a time.
    let is_settled = planner.establish(&mut plan) && planner.shrink(&mut plan);
    if is_settled {
        planner.roll(&mut plan);
    }
    plan
}

struct Planner<'a> {
    spec: &'a StatefulSetSpec,
    pods: BTreeMap<i32, &'a Pod>,
    update: &'a str,
    now: Timestamp,
}

impl Planner<'_> {
    fn ordinals(&self) -> std::ops::Range<i32> {
        let start = start(self.spec);
        start..start.saturating_add(self.spec.replicas.unwrap_or(1))
    }

    fn is_ordered(&self) -> bool {
        self.spec.pod_management_policy.as_deref() != Some("Parallel")
    }

    /// The first ordinal that an update reaches; none when pods are only updated as others delete them.
    fn first_updated(&self) -> Option<i32> {
        let strategy = self.spec.update_strategy.clone().unwrap_or_default();
        if strategy.type_.as_deref() == Some("OnDelete") {
            return None;
        }
        let partition = strategy.rolling_update.and_then(|rolling| rolling.partition).unwrap_or_default();
        Some(start(self.spec).saturating_add(partition))
    }

    fn availability(&self, pod: &Pod) -> Availability {
        availability(pod, self.spec.min_ready_seconds.unwrap_or_default(), self.now)
    }

    /// Makes the pods that are missing; whether nothing stands in the way of what comes next.
    fn establish(&self, plan: &mut Plan) -> bool {
        for ordinal in self.ordinals() {
            let is_waiting = match self.pods.get(&ordinal) {
                None => {
                    let is_held_back = self.first_updated().is_some_and(|first| ordinal < first);
                    plan.create.push((ordinal, if is_held_back { Which::Current } else { Which::Update }));
                    true
                }
                Some(pod) if is_finished(pod) && !is_terminating(pod) => {
                    plan.recreate.push((Pod::clone(pod), is_failed(pod)));
                    true
                }
                Some(pod) if !is_healthy(pod) => true,
                Some(pod) => match self.availability(pod) {
                    Availability::In(left) => {
                        plan.next = Some(plan.next.map_or(left, |next| next.min(left)));
                        true
                    }
                    Availability::Available | Availability::No => false,
                },
            };
            if is_waiting && self.is_ordered() {
                return false;
            }
        }
        true
    }

    /// Deletes the pods beyond the ordinals, highest first; whether nothing stands in the way of updates.
    fn shrink(&self, plan: &mut Plan) -> bool {
        let ordinals = self.ordinals();
        let first_unhealthy = self.pods.iter().find(|(_, pod)| !is_healthy(pod)).map(|(ordinal, _)| *ordinal);
        for (ordinal, pod) in self.pods.iter().rev().filter(|(ordinal, _)| !ordinals.contains(ordinal)) {
            if !is_terminating(pod) {
                // An unhealthy pod below this one goes first, unless it is one that stays.
                if self.is_ordered() && !is_healthy(pod) && first_unhealthy != Some(*ordinal) {
                    return false;
                }
                plan.delete.push(Pod::clone(pod));
            }
            if self.is_ordered() {
                return false;
            }
        }
        true
    }

    /// Deletes pods of other revisions, as many as may be unavailable.
    fn roll(&self, plan: &mut Plan) {
        let Some(first) = self.first_updated() else { return };
        let limit = self.spec.update_strategy.as_ref().and_then(|strategy| {
            let limit = strategy.rolling_update.as_ref()?.max_unavailable.as_ref()?;
            Some(absolute(limit, self.spec.replicas.unwrap_or(1), false).max(1))
        });
        let within = || self.pods.range(self.ordinals());
        let unavailable = within().filter(|(_, pod)| self.is_unavailable(pod)).count();
        let mut room = limit.map(|limit| usize::try_from(limit).unwrap_or_default().saturating_sub(unavailable));
        for (_, pod) in within().rev().filter(|(ordinal, _)| **ordinal >= first) {
            if revision(pod).map(String::as_str) != Some(self.update) && !is_terminating(pod) {
                if room == Some(0) {
                    return;
                }
                plan.delete.push(Pod::clone(pod));
                match &mut room {
                    Some(room) => *room -= 1,
                    None => return,
                }
            } else if room.is_none() && self.is_unavailable(pod) {
                // One by one: the pod that was updated last comes up first.
                return;
            }
        }
    }

    fn is_unavailable(&self, pod: &Pod) -> bool {
        !is_healthy(pod) || self.availability(pod) != Availability::Available
    }
}

/// The status that the pods show.
pub(super) fn status(
    set: &StatefulSet,
    pods: &[Pod],
    (current, update): (&str, &str),
    collisions: i32,
    now: Timestamp,
) -> StatefulSetStatus {
    let spec = set.spec.clone().unwrap_or_default();
    let count = |is_counted: &dyn Fn(&Pod) -> bool| {
        i32::try_from(pods.iter().filter(|pod| is_counted(pod)).count()).unwrap_or(i32::MAX)
    };
    let in_revision =
        |name: &str| count(&|pod| !is_terminating(pod) && revision(pod).map(String::as_str) == Some(name));
    let min_ready = spec.min_ready_seconds.unwrap_or_default();
    let replicas = count(&|_| true);
    let ready = count(&|pod| !is_finished(pod) && is_ready(pod));
    let available = count(&|pod| !is_finished(pod) && availability(pod, min_ready, now) == Availability::Available);
    let updated = in_revision(update);
    let wanted = spec.replicas.unwrap_or(1);
    let rolls = spec.update_strategy.and_then(|strategy| strategy.type_).as_deref() != Some("OnDelete");
    let is_complete = rolls && updated == wanted && replicas == wanted && ready == wanted;
    let (current, current_count) = if is_complete { (update, updated) } else { (current, in_revision(current)) };
    let positive = |count: i32| (count > 0).then_some(count);
    StatefulSetStatus {
        observed_generation: set.metadata.generation,
        replicas,
        ready_replicas: positive(ready),
        available_replicas: Some(available),
        current_replicas: positive(current_count),
        updated_replicas: positive(updated),
        current_revision: Some(current.to_owned()),
        update_revision: Some(update.to_owned()),
        collision_count: Some(collisions),
        conditions: set.status.as_ref().and_then(|status| status.conditions.clone()),
    }
}

fn start(spec: &StatefulSetSpec) -> i32 {
    spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or_default()
}

fn is_healthy(pod: &Pod) -> bool {
    is_ready(pod) && !is_finished(pod) && !is_terminating(pod)
}

#[cfg(test)]
mod tests;
