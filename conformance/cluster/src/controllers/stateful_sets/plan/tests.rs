#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::*;

fn set(spec: Value) -> StatefulSet {
    let mut full = json!({"replicas": 3, "selector": {}, "serviceName": "db", "template": {}});
    for (field, value) in spec.as_object().unwrap() {
        full[field] = value.clone();
    }
    serde_json::from_value(json!({"metadata": {"name": "db", "generation": 1}, "spec": full})).unwrap()
}

/// A pod as `ORDINAL REVISION STATE`.
fn pod(text: &str) -> Pod {
    let [ordinal, revision, state] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let ready = if state == "ready" { "True" } else { "False" };
    let phase = match state {
        "failed" => "Failed",
        "done" => "Succeeded",
        _ => "Running",
    };
    let deleted = (state == "ending").then_some("1970-01-01T00:00:00Z");
    let condition = json!({"type": "Ready", "status": ready, "lastTransitionTime": "1970-01-01T00:00:00Z"});
    serde_json::from_value(json!({
        "metadata": {"name": format!("db-{ordinal}"), "deletionTimestamp": deleted,
                     "labels": {"controller-revision-hash": revision}},
        "status": {"phase": phase, "conditions": [condition]}}))
    .unwrap()
}

/// What is done, in words.
fn done(spec: Value, pods: &[&str]) -> Vec<String> {
    let pods: Vec<Pod> = pods.iter().map(|text| pod(text)).collect();
    let plan = plan(&set(spec), &pods, "new", Timestamp::from_second(5).unwrap());
    let name = |pod: &Pod| pod.metadata.name.clone().unwrap();
    let recreated = plan.recreate.iter().map(|(pod, failed)| format!("recreate {} {failed}", name(pod)));
    let created = plan.create.iter().map(|(ordinal, which)| format!("create {ordinal} {which:?}"));
    recreated.chain(created).chain(plan.delete.iter().map(|pod| format!("delete {}", name(pod)))).collect()
}

#[test]
fn ordered_pods_come_one_by_one_and_go_in_reverse() {
    for (spec, pods, expected) in [
        (json!({}), &[][..], &["create 0 Update"][..]),
        (json!({}), &["0 new unready"], &[]),
        (json!({}), &["0 new ready"], &["create 1 Update"]),
        (json!({}), &["0 new ready", "2 new ready"], &["create 1 Update"]),
        (json!({}), &["0 new failed"], &["recreate db-0 true"]),
        (json!({}), &["0 new done"], &["recreate db-0 false"]),
        (json!({}), &["0 new ending", "1 new ready"], &[]),
        (json!({"replicas": 1}), &["0 new ready", "1 new ready", "2 new ready"], &["delete db-2"]),
        (json!({"replicas": 1}), &["0 new ready", "1 new ready", "2 new ending"], &[]),
        // The unhealthy pod with the lowest ordinal may go; another waits for it.
        (json!({"replicas": 1}), &["0 new ready", "1 new ready", "2 new unready"], &["delete db-2"]),
        (json!({"replicas": 1}), &["0 new ready", "1 new unready", "2 new unready"], &[]),
        (json!({"replicas": 1}), &["0 new unready", "1 new ready"], &[]),
        (json!({"replicas": 1, "ordinals": {"start": 5}}), &[], &["create 5 Update"]),
        (json!({"minReadySeconds": 10}), &["0 new ready"], &[]),
        (json!({"minReadySeconds": 5}), &["0 new ready"], &["create 1 Update"]),
    ] {
        assert_eq!(done(spec.clone(), pods), expected, "{spec} {pods:?}");
    }
}

#[test]
fn parallel_pods_wait_for_nobody() {
    let parallel = |replicas: i32| json!({"podManagementPolicy": "Parallel", "replicas": replicas});
    assert_eq!(done(parallel(3), &["1 new unready"]), ["create 0 Update", "create 2 Update"]);
    assert_eq!(done(parallel(1), &["0 new unready", "1 new unready", "2 new ready"]), ["delete db-2", "delete db-1"]);
}

#[test]
fn updates_go_from_the_highest_ordinal_to_the_partition() {
    let rolling = |rolling: Value| json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}});
    let old = ["0 old ready", "1 old ready", "2 old ready"];
    assert_eq!(done(rolling(json!({"partition": 0})), &old), ["delete db-2"]);
    assert_eq!(done(rolling(json!({"partition": 3})), &old), Vec::<String>::new());
    assert_eq!(
        done(rolling(json!({"partition": 2})), &["0 old ready", "1 old ready", "2 new ready"]),
        Vec::<String>::new()
    );
    assert_eq!(done(rolling(json!({"maxUnavailable": 2})), &old), ["delete db-2", "delete db-1"]);
    assert_eq!(done(json!({"updateStrategy": {"type": "OnDelete"}}), &old), Vec::<String>::new());
    assert_eq!(done(json!({}), &["0 old ready", "1 old ready", "2 new ready"]), ["delete db-1"]);
    // A pod below the partition comes back as it was.
    assert_eq!(done(rolling(json!({"partition": 1})), &["1 old ready", "2 old ready"]), ["create 0 Current"]);
}

#[test]
fn parallel_updates_wait_for_the_pod_updated_last() {
    let spec = json!({"podManagementPolicy": "Parallel"});
    assert_eq!(done(spec.clone(), &["0 old ready", "1 old ready", "2 new unready"]), Vec::<String>::new());
    assert_eq!(done(spec, &["0 old ready", "1 old unready", "2 new ready"]), ["delete db-1"]);
}

#[test]
fn the_status_counts_by_revision_and_ends_the_rollout() {
    let now = Timestamp::from_second(5).unwrap();
    let pods = |texts: &[&str]| texts.iter().map(|text| pod(text)).collect::<Vec<_>>();
    let half = pods(&["0 old ready", "1 old ready", "2 new unready"]);
    let status_of = |set: &StatefulSet, pods: &[Pod]| status(set, pods, ("old", "new"), 0, now);
    let rolling = status_of(&set(json!({})), &half);
    assert_eq!((rolling.current_replicas, rolling.updated_replicas), (Some(2), Some(1)));
    assert_eq!((rolling.replicas, rolling.ready_replicas, rolling.available_replicas), (3, Some(2), Some(2)));
    assert_eq!(rolling.current_revision.as_deref(), Some("old"));
    let all = pods(&["0 new ready", "1 new ready", "2 new ready"]);
    let complete = status_of(&set(json!({})), &all);
    assert_eq!((complete.current_revision.as_deref(), complete.current_replicas), (Some("new"), Some(3)));
    let strict = status_of(&set(json!({"minReadySeconds": 60})), &all);
    assert_eq!((strict.ready_replicas, strict.available_replicas), (Some(3), Some(0)));
}
