//! How many pods each `ReplicaSet` of a Deployment shall have next: a pure computation.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::controllers::amounts::absolute;

/// How a Deployment replaces its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// All old pods end before the first new one begins.
    Recreate,
    /// At most so many pods more, and so many available pods fewer, than the Deployment asks for.
    RollingUpdate { max_surge: i32, max_unavailable: i32 },
}

impl Strategy {
    /// Reads the strategy; the defaults are 25 %.
    pub(super) fn of(deployment: &Deployment) -> Self {
        let spec = deployment.spec.clone().unwrap_or_default();
        let strategy = spec.strategy.unwrap_or_default();
        if strategy.type_.as_deref() == Some("Recreate") {
            return Self::Recreate;
        }
        let replicas = spec.replicas.unwrap_or(1);
        let rolling = strategy.rolling_update.unwrap_or_default();
        let quarter = IntOrString::String("25%".to_owned());
        let max_surge = absolute(rolling.max_surge.as_ref().unwrap_or(&quarter), replicas, true);
        let max_unavailable = absolute(rolling.max_unavailable.as_ref().unwrap_or(&quarter), replicas, false);
        // Both zero would never move.
        let max_unavailable = if max_surge == 0 && max_unavailable == 0 { 1 } else { max_unavailable };
        Self::RollingUpdate { max_surge, max_unavailable: max_unavailable.min(replicas.max(0)) }
    }

    /// The most pods that may exist at once.
    pub(super) fn max_replicas(self, replicas: i32) -> i32 {
        match self {
            Self::Recreate => replicas,
            Self::RollingUpdate { max_surge, .. } if replicas > 0 => replicas + max_surge,
            Self::RollingUpdate { .. } => 0,
        }
    }

    /// How many available pods the Deployment needs to count as available.
    pub(super) fn min_available(self, replicas: i32) -> i32 {
        match self {
            Self::Recreate => replicas,
            Self::RollingUpdate { max_unavailable, .. } => replicas - max_unavailable,
        }
    }
}

/// What a `ReplicaSet` asks for.
pub(super) fn wanted(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or_default()
}

/// How many pods of a `ReplicaSet` exist, as far as its status tells.
pub(super) fn existing(set: &ReplicaSet) -> i32 {
    set.status.as_ref().map(|status| status.replicas).unwrap_or_default()
}

/// The next sizes: one of the new set, one of each old set, in the order given.
pub(super) fn next_sizes(replicas: i32, strategy: Strategy, new: &ReplicaSet, old: &[&ReplicaSet]) -> (i32, Vec<i32>) {
    match strategy {
        Strategy::Recreate => {
            let has_old_pods = old.iter().any(|set| {
                let terminating = set.status.as_ref().and_then(|status| status.terminating_replicas);
                wanted(set) > 0 || existing(set) > 0 || terminating.unwrap_or_default() > 0
            });
            (if has_old_pods { wanted(new).min(replicas) } else { replicas }, vec![0; old.len()])
        }
        Strategy::RollingUpdate { .. } => {
            let old_total: i32 = old.iter().map(|set| wanted(set)).sum();
            let new_size = new_size(replicas, strategy, wanted(new), old_total);
            let olds = old_sizes(replicas, strategy, new, old);
            (new_size, olds)
        }
    }
}

/// Grows the new set as far as the surge permits.
fn new_size(replicas: i32, strategy: Strategy, current: i32, old_total: i32) -> i32 {
    if current >= replicas {
        return replicas;
    }
    let room = strategy.max_replicas(replicas) - current - old_total;
    current + room.max(0).min(replicas - current)
}

/// Shrinks the old sets as far as availability permits: first the pods that are not available anyway, then the others.
fn old_sizes(replicas: i32, strategy: Strategy, new: &ReplicaSet, old: &[&ReplicaSet]) -> Vec<i32> {
    let mut sizes: Vec<i32> = old.iter().map(|set| wanted(set)).collect();
    let old_total: i32 = sizes.iter().sum();
    let min_available = strategy.min_available(replicas);
    let new_unavailable = wanted(new) - available(new).min(wanted(new));
    let mut removable = old_total + wanted(new) - min_available - new_unavailable;
    if removable <= 0 {
        return sizes;
    }
    let mut order: Vec<usize> = (0..old.len()).collect();
    order.sort_by_key(|index| old[*index].metadata.creation_timestamp.as_ref().map(|time| time.0));
    for index in &order {
        let unavailable = (sizes[*index] - available(old[*index])).max(0);
        let removed = unavailable.min(removable).max(0);
        sizes[*index] -= removed;
        removable -= removed;
    }
    let all_available: i32 = available(new) + old.iter().map(|set| available(set)).sum::<i32>();
    let mut spare = all_available - min_available;
    for index in &order {
        let removed = sizes[*index].min(spare).max(0);
        sizes[*index] -= removed;
        spare -= removed;
    }
    sizes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn set(wanted: i32, available: i32) -> ReplicaSet {
        let status = json!({"replicas": wanted, "availableReplicas": available});
        serde_json::from_value(json!({"spec": {"replicas": wanted, "selector": {}}, "status": status})).unwrap()
    }

    const ROLLING: Strategy = Strategy::RollingUpdate { max_surge: 1, max_unavailable: 0 };

    #[test]
    fn percentages_round_surge_up_and_unavailable_down() {
        let deployment = |replicas: i32| -> Deployment {
            let template = json!({"spec": {"containers": []}});
            let spec = json!({"replicas": replicas, "selector": {}, "template": template});
            serde_json::from_value(json!({"spec": spec})).unwrap()
        };
        let strategy = Strategy::of(&deployment(2));
        assert_eq!(strategy, Strategy::RollingUpdate { max_surge: 1, max_unavailable: 0 });
        assert_eq!((strategy.max_replicas(2), strategy.min_available(2)), (3, 2));
        assert_eq!(Strategy::of(&deployment(10)), Strategy::RollingUpdate { max_surge: 3, max_unavailable: 2 });
    }

    #[test]
    fn a_rolling_update_keeps_what_is_available_until_the_new_is() {
        // New pods first, as the surge permits; old ones stay while the new ones are not available.
        assert_eq!(next_sizes(1, ROLLING, &set(0, 0), &[&set(1, 1)]), (1, vec![1]));
        assert_eq!(next_sizes(1, ROLLING, &set(1, 0), &[&set(1, 1)]), (1, vec![1]));
        assert_eq!(next_sizes(1, ROLLING, &set(1, 1), &[&set(1, 1)]), (1, vec![0]));
        assert_eq!(next_sizes(3, ROLLING, &set(0, 0), &[&set(3, 3)]), (1, vec![3]));
        assert_eq!(next_sizes(3, ROLLING, &set(1, 1), &[&set(3, 3)]), (1, vec![2]));
        assert_eq!(next_sizes(3, ROLLING, &set(1, 1), &[&set(2, 2)]), (2, vec![2]));
    }

    #[test]
    fn old_pods_that_are_not_available_go_first() {
        assert_eq!(next_sizes(3, ROLLING, &set(1, 1), &[&set(1, 1), &set(2, 1)]), (1, vec![1, 1]));
        // Nothing ends while the new pod may still prove worse than the old one.
        assert_eq!(next_sizes(1, ROLLING, &set(1, 0), &[&set(1, 0)]), (1, vec![1]));
    }

    #[test]
    fn recreate_waits_for_the_end_of_the_old() {
        assert_eq!(next_sizes(2, Strategy::Recreate, &set(0, 0), &[&set(2, 2)]), (0, vec![0]));
        assert_eq!(next_sizes(2, Strategy::Recreate, &set(0, 0), &[&set(0, 0)]), (2, vec![0]));
    }

    #[test]
    fn scaling_to_nothing_ends_all() {
        assert_eq!(next_sizes(0, ROLLING, &set(2, 2), &[&set(1, 1)]), (0, vec![0]));
    }
}
