//! How a Deployment that is resized in the middle of a rollout, or while it is paused, shares the change among its sets: a
//! pure computation.
//!
//! Each set grows or shrinks as the whole does, so that the risk stays spread as it was.

use std::cmp::Reverse;

use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::ResourceExt;

use super::rolling::{Strategy, wanted};
use super::sets::{DESIRED, MAX};

/// Whether the Deployment was resized since its sets got their sizes.
pub(super) fn is_resized(replicas: i32, sets: &[&ReplicaSet]) -> bool {
    let desired = |set: &&ReplicaSet| number(set, DESIRED);
    sets.iter().filter(|set| wanted(set) > 0).filter_map(desired).any(|desired| desired != replicas)
}

/// The sizes of the sets that change, by name. `newest` gets them all when no set has pods; `existing` is how many pods
/// the Deployment has.
pub(super) fn sizes(
    replicas: i32,
    strategy: Strategy,
    sets: &[&ReplicaSet],
    newest: Option<&ReplicaSet>,
    existing: i32,
) -> Vec<(String, i32)> {
    let mut active: Vec<&ReplicaSet> = sets.iter().copied().filter(|set| wanted(set) > 0).collect();
    if active.len() < 2 {
        return active.first().copied().or(newest).map(|set| (set.name_any(), replicas)).into_iter().collect();
    }
    if strategy == Strategy::Recreate {
        return Vec::new();
    }
    let allowed = strategy.max_replicas(replicas);
    let change = allowed - active.iter().map(|set| wanted(set)).sum::<i32>();
    let created = |set: &ReplicaSet| set.metadata.creation_timestamp.as_ref().map(|time| time.0);
    // The largest set takes what rounding leaves over: the newer of two that grow, the older of two that shrink.
    if change > 0 {
        active.sort_by_key(|set| (Reverse(wanted(set)), Reverse(created(set))));
    } else {
        active.sort_by_key(|set| (Reverse(wanted(set)), created(set)));
    }
    let mut left = change;
    let mut sizes: Vec<(String, i32)> = Vec::with_capacity(active.len());
    for set in active {
        let share = share(set, replicas, allowed, existing);
        let share = if change > 0 { share.min(left) } else { share.max(left) };
        left -= share;
        sizes.push((set.name_any(), wanted(set) + share));
    }
    if let Some((_, size)) = sizes.first_mut() {
        *size = (*size + left).max(0);
    }
    sizes
}

/// By how much a set changes so that it keeps its part of the whole.
fn share(set: &ReplicaSet, replicas: i32, allowed: i32, existing: i32) -> i32 {
    let size = wanted(set);
    if replicas == 0 {
        return -size;
    }
    let before = number(set, MAX).filter(|before| *before > 0).unwrap_or(existing);
    if before <= 0 {
        return 0;
    }
    let (whole, before) = (i64::from(size) * i64::from(allowed), i64::from(before));
    let rounded = (2 * whole + before) / (2 * before);
    i32::try_from(rounded).unwrap_or(i32::MAX) - size
}

fn number(set: &ReplicaSet, annotation: &str) -> Option<i32> {
    set.annotations().get(annotation)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    const ROLLING: Strategy = Strategy::RollingUpdate { max_surge: 3, max_unavailable: 2 };

    fn set(name: &str, size: i32) -> ReplicaSet {
        let annotations = json!({DESIRED: "10", MAX: "13"});
        let metadata = json!({"name": name, "annotations": annotations});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"replicas": size, "selector": {}}})).unwrap()
    }

    fn resized(replicas: i32, old: i32, new: i32) -> Vec<(String, i32)> {
        let (old, new) = (set("old", old), set("new", new));
        sizes(replicas, ROLLING, &[&old, &new], Some(&new), 13)
    }

    #[test]
    fn sets_keep_their_part_of_the_whole() {
        let named = |old: i32, new: i32| vec![("old".to_owned(), old), ("new".to_owned(), new)];
        assert_eq!(resized(15, 8, 5), named(11, 7));
        assert_eq!(resized(5, 8, 5), named(5, 3));
        assert_eq!(resized(0, 8, 5), named(0, 0));
        assert_eq!(resized(10, 8, 5), named(8, 5));
    }

    #[test]
    fn one_set_follows_the_replicas_alone() {
        assert_eq!(resized(15, 0, 10), [("new".to_owned(), 15)]);
        assert_eq!(resized(15, 10, 0), [("old".to_owned(), 15)]);
        assert_eq!(resized(15, 0, 0), [("new".to_owned(), 15)]);
    }

    #[test]
    fn a_resize_shows_in_what_the_sets_note() {
        let (active, idle) = (set("a", 3), set("b", 0));
        assert!(!is_resized(10, &[&active, &idle]));
        assert!(is_resized(11, &[&active, &idle]));
        assert!(!is_resized(11, &[&idle]));
    }
}
