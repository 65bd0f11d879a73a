#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::*;

const BASE: Duration = Duration::from_secs(10);

fn job(spec: Value, status: Value) -> Job {
    let mut full =
        json!({"parallelism": 1, "completions": 1, "template": {"spec": {"containers": [], "restartPolicy": "Never"}}});
    for (field, value) in spec.as_object().unwrap() {
        full[field] = value.clone();
    }
    serde_json::from_value(json!({"metadata": {"name": "j", "uid": "j"}, "spec": full, "status": status})).unwrap()
}

fn pod(uid: &str, phase: &str) -> Value {
    json!({"metadata": {"name": uid, "uid": uid, "finalizers": ["batch.kubernetes.io/job-tracking"],
                        "creationTimestamp": "1970-01-01T00:00:00Z"}, "status": {"phase": phase}})
}

fn indexed(uid: &str, phase: &str, index: &str) -> Value {
    let mut pod = pod(uid, phase);
    pod["metadata"]["annotations"] = json!({"batch.kubernetes.io/job-completion-index": index});
    pod
}

fn at(job: &Job, pods: &[Value], second: i64) -> Plan {
    let pods: Vec<Pod> = pods.iter().map(|pod| serde_json::from_value(pod.clone()).unwrap()).collect();
    plan(job, &pods, Timestamp::from_second(second).unwrap(), BASE)
}

/// Applies a plan's status to the Job.
fn with(job: &Job, plan: &Plan) -> Job {
    Job { status: Some(plan.status.clone()), ..job.clone() }
}

fn conditions(plan: &Plan) -> Vec<String> {
    let list = plan.status.conditions.iter().flatten();
    list.map(|c| format!("{} {} {}", c.type_, c.status, c.reason.clone().unwrap())).collect()
}

#[test]
fn pods_are_made_up_to_the_parallelism_and_what_is_left_to_complete() {
    for (spec, status, pods, created) in [
        (json!({}), json!({}), vec![], 1),
        (json!({"completions": 5, "parallelism": 3}), json!({}), vec![], 3),
        (json!({"completions": 5, "parallelism": 3}), json!({"succeeded": 4}), vec![], 1),
        (json!({"completions": 5, "parallelism": 3}), json!({}), vec![pod("a", "Running")], 2),
        (json!({"completions": null, "parallelism": 2}), json!({}), vec![], 2),
        // One of a work queue has succeeded: no new ones.
        (json!({"completions": null, "parallelism": 2}), json!({"succeeded": 1}), vec![pod("a", "Running")], 0),
        (json!({"parallelism": 0}), json!({}), vec![], 0),
        (json!({"suspend": true}), json!({}), vec![], 0),
    ] {
        assert_eq!(at(&job(spec.clone(), status), &pods, 1000).create.len(), created, "{spec}");
    }
}

#[test]
fn a_finished_pod_is_noted_then_released_then_counted() {
    let first = job(json!({}), json!({}));
    let noted = at(&first, &[pod("a", "Succeeded")], 0);
    assert_eq!(noted.release, ["a"]);
    assert_eq!(noted.status.succeeded, None);
    assert_eq!(noted.status.uncounted_terminated_pods.clone().unwrap().succeeded, Some(vec!["a".to_owned()]));
    assert_eq!(conditions(&noted), ["SuccessCriteriaMet True CompletionsReached"]);
    // The controller stopped before it took the finalizer off.
    let again = at(&with(&first, &noted), &[pod("a", "Succeeded")], 1);
    assert_eq!((again.release.len(), again.status.succeeded), (1, None));
    let mut released = pod("a", "Succeeded");
    released["metadata"]["finalizers"] = json!([]);
    let counted = at(&with(&first, &noted), &[released], 1);
    assert_eq!(counted.status.succeeded, Some(1));
    assert_eq!(conditions(&counted)[1], "Complete True CompletionsReached");
    assert!(counted.status.completion_time.is_some());
    assert_eq!(counted.events, [(EventType::Normal, "Completed", "Job completed")]);
    assert_eq!(serde_json::to_value(counted.status.uncounted_terminated_pods).unwrap(), json!({}));
}

#[test]
fn a_job_fails_when_more_pods_failed_than_its_limit() {
    let begun = job(json!({"backoffLimit": 1, "parallelism": 2, "completions": 2}), json!({"failed": 1}));
    let failing = at(&begun, &[pod("a", "Failed"), pod("b", "Running")], 0);
    assert_eq!(conditions(&failing), ["FailureTarget True BackoffLimitExceeded"]);
    assert_eq!(failing.delete.len(), 1);
    // The end is told when the last pod is gone.
    let mut ending = pod("b", "Running");
    ending["metadata"]["deletionTimestamp"] = json!("1970-01-01T00:00:01Z");
    ending["metadata"]["finalizers"] = json!([]);
    let waiting = at(&with(&begun, &failing), &[ending], 1);
    assert_eq!((conditions(&waiting).len(), waiting.status.terminating), (1, Some(1)));
    let failed = at(&with(&begun, &waiting), &[], 2);
    assert_eq!(conditions(&failed)[1], "Failed True BackoffLimitExceeded");
    assert_eq!(failed.status.failed, Some(2));
    assert!(failed.status.completion_time.is_none() && failed.create.is_empty());
}

#[test]
fn restarts_in_a_pod_count_against_the_limit() {
    let template = json!({"spec": {"containers": [], "restartPolicy": "OnFailure"}});
    let begun = job(json!({"backoffLimit": 2, "template": template}), json!({}));
    let running = |restarts: i32| {
        let mut pod = pod("a", "Running");
        pod["status"]["containerStatuses"] =
            json!([{"name": "c", "image": "", "imageID": "", "ready": true, "restartCount": restarts}]);
        pod
    };
    assert!(conditions(&at(&begun, &[running(1)], 0)).is_empty());
    assert_eq!(conditions(&at(&begun, &[running(2)], 0)), ["FailureTarget True BackoffLimitExceeded"]);
}

#[test]
fn a_job_has_until_its_deadline() {
    let begun = job(json!({"activeDeadlineSeconds": 60}), json!({"startTime": "1970-01-01T00:00:00Z"}));
    let running = at(&begun, &[pod("a", "Running")], 50);
    assert_eq!(running.next, Some(Duration::from_secs(10)));
    let late = at(&begun, &[pod("a", "Running")], 60);
    assert_eq!(conditions(&late), ["FailureTarget True DeadlineExceeded"]);
    assert_eq!(late.delete.len(), 1);
}

#[test]
fn an_indexed_job_completes_each_index_once() {
    let begun = job(
        json!({"completionMode": "Indexed", "completions": 5, "parallelism": 3}),
        json!({"completedIndexes": "1", "succeeded": 1}),
    );
    let pods = [indexed("a", "Succeeded", "0"), indexed("b", "Running", "2"), indexed("c", "Succeeded", "0")];
    let plan = at(&begun, &pods, 0);
    assert_eq!(plan.status.completed_indexes.as_deref(), Some("0,1"));
    assert_eq!(plan.status.succeeded, Some(2));
    assert_eq!(plan.create, [Some(3), Some(4)]);
}

#[test]
fn a_suspended_job_ends_its_pods_and_begins_its_time_anew() {
    let begun = job(json!({"suspend": true}), json!({"startTime": "1970-01-01T00:00:00Z"}));
    let suspended = at(&begun, &[pod("a", "Running")], 5);
    assert_eq!(conditions(&suspended), ["Suspended True JobSuspended"]);
    assert_eq!((suspended.delete.len(), &suspended.status.start_time), (1, &None));
    let resumed = at(&job(json!({}), serde_json::to_value(&suspended.status).unwrap()), &[], 9);
    assert_eq!(conditions(&resumed), ["Suspended False JobResumed"]);
    assert_eq!(resumed.status.start_time, Some(Time(Timestamp::from_second(9).unwrap())));
    assert_eq!(resumed.create.len(), 1);
}

#[test]
fn surplus_pods_go_and_failed_ones_are_replaced_after_a_delay() {
    let begun = job(json!({"completions": 4, "parallelism": 1}), json!({}));
    assert_eq!(
        at(&begun, &[pod("a", "Running"), pod("b", "Pending")], 0).delete[0].metadata.name.as_deref(),
        Some("b")
    );
    let failed = at(&begun, &[pod("a", "Failed")], 4);
    assert_eq!((failed.create.len(), failed.next), (0, Some(Duration::from_secs(6))));
    assert_eq!(at(&begun, &[pod("a", "Failed")], 10).create.len(), 1);
}
