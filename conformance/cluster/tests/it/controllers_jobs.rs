//! Jobs: without a node under paused time, and with processes.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::api_support::refusal;
use crate::controllers_support::World;
use crate::node_support::{self, SHELL, api, cluster};

#[allow(clippy::needless_pass_by_value)] // Called with literals.
fn job(name: &str, script: &str, spec: Value) -> Value {
    let container = json!({"name": "main", "image": SHELL, "args": ["-c", script]});
    let pod = json!({"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 1});
    let mut job = json!({"metadata": {"name": name}, "spec": {"template": {"spec": pod}}});
    for (field, value) in spec.as_object().unwrap() {
        job["spec"][field] = value.clone();
    }
    job
}

/// Whether the Job has this condition.
fn has(kind: &'static str) -> impl Fn(Option<&Job>) -> bool {
    move |job: Option<&Job>| {
        let conditions = job.and_then(|job| job.status.as_ref()?.conditions.as_ref());
        conditions.into_iter().flatten().any(|condition| condition.type_ == kind && condition.status == "True")
    }
}

#[tokio::test]
async fn indexed_pods_run_as_processes_and_are_counted_once() {
    let cluster = cluster().await;
    let script = "echo index=$JOB_COMPLETION_INDEX host=$HOSTNAME";
    let spec = json!({"completions": 3, "parallelism": 2, "completionMode": "Indexed"});
    let created: Job = node_support::create(&cluster, job("count", script, spec)).await;
    let uid = created.uid().unwrap();
    let selector = created.spec.unwrap().selector.unwrap().match_labels.unwrap();
    assert_eq!(selector["batch.kubernetes.io/controller-uid"], uid);
    let done = node_support::wait(&cluster, "count", has("Complete")).await.unwrap();
    let status = serde_json::to_value(done.status.unwrap()).unwrap();
    assert_eq!(status["succeeded"], 3);
    assert_eq!((status["completedIndexes"].as_str(), &status["ready"]), (Some("0-2"), &json!(0)));
    assert_eq!(status["uncountedTerminatedPods"], json!({}));
    let pods = api::<Pod>(&cluster).list(&ListParams::default().labels("job-name=count")).await.unwrap().items;
    assert_eq!(pods.len(), 3);
    for pod in pods {
        assert!(pod.finalizers().is_empty());
        assert_eq!(pod.labels()["batch.kubernetes.io/job-name"], "count");
        let index = &pod.labels()["batch.kubernetes.io/job-completion-index"];
        assert!(pod.name_any().starts_with(&format!("count-{index}-")));
        let log = cluster.logs("default", &pod.name_any()).await;
        assert!(log.contains(&format!("index={index} host=count-{index}")), "{log}");
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn failing_pods_end_a_job_and_restarting_ones_may_still_succeed() {
    let cluster = cluster().await;
    node_support::create::<Job>(&cluster, job("bad", "exit 3", json!({"backoffLimit": 1}))).await;
    let mut again = job("again", "test -e /data/seen || { touch /data/seen; exit 1; }", json!({}));
    let pod = &mut again["spec"]["template"]["spec"];
    pod["restartPolicy"] = json!("OnFailure");
    pod["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    node_support::create::<Job>(&cluster, again).await;
    let bad = node_support::wait(&cluster, "bad", has("Failed")).await.unwrap().status.unwrap();
    assert_eq!((bad.failed, bad.succeeded), (Some(2), None));
    node_support::wait(&cluster, "again", has("Complete")).await;

    // A running pod is ended with its Job, although the Job can no longer count it.
    node_support::create::<Job>(&cluster, job("long", "exec sleep 600", json!({}))).await;
    node_support::wait(&cluster, "long", |job: Option<&Job>| {
        job.is_some_and(|job| job.status.as_ref().is_some_and(|status| status.ready == Some(1)))
    })
    .await;
    let pod = api::<Pod>(&cluster).list(&ListParams::default().labels("job-name=long")).await.unwrap().items.remove(0);
    api::<Job>(&cluster).delete("long", &DeleteParams::background()).await.unwrap();
    node_support::wait(&cluster, &pod.name_any(), |pod: Option<&Pod>| pod.is_none()).await;
    cluster.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_ends_at_its_deadline_and_goes_after_its_time_to_live() {
    let world = World::start().await;
    let spec = json!({"activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 600});
    world.create::<Job>(job("slow", "", spec)).await;
    let [pod] = &world.wait_for_pods("job-name=slow", 1).await[..] else { panic!("one pod") };
    world.set_phase(&pod.name_any(), "Running").await;
    let begin = tokio::time::Instant::now();
    let failed = world.wait("slow", has("Failed")).await.unwrap();
    let waited = begin.elapsed().as_secs();
    assert!((58..=63).contains(&waited), "{waited} s");
    assert_eq!(failed.status.unwrap().failed, Some(1));
    world.wait_for_event("slow", "DeadlineExceeded: Job was active longer than specified deadline").await;
    world.wait("slow", |job: Option<&Job>| job.is_none()).await;
    let lived = begin.elapsed().as_secs();
    assert!((655..=670).contains(&lived), "{lived} s");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_pod_is_replaced_after_a_doubling_delay() {
    let world = World::start().await;
    world.create::<Job>(job("flaky", "", json!({"backoffLimit": 3}))).await;
    let mut delays = Vec::new();
    for _ in 0..3 {
        let running = || async {
            let pods = world.pods("job-name=flaky").await;
            pods.into_iter().find(|pod| pod.status.as_ref().unwrap().phase.as_deref() == Some("Pending"))
        };
        let begin = tokio::time::Instant::now();
        let pod = loop {
            match running().await {
                Some(pod) => break pod,
                None => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        };
        delays.push(begin.elapsed().as_secs());
        world.set_phase(&pod.name_any(), "Failed").await;
    }
    assert!(delays[0] == 0 && (8..=11).contains(&delays[1]) && (17..=21).contains(&delays[2]), "{delays:?}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_job_cannot_have_is_refused_or_told() {
    let world = World::start().await;
    let policy = json!({"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}]}});
    world.create::<Job>(job("policy", "", policy)).await;
    world.wait_for_event("policy", "Unsupported: spec.podFailurePolicy is not supported").await;
    assert!(world.pods("job-name=policy").await.is_empty());

    let create = |spec: Value| {
        let object: Job = serde_json::from_value(job("x", "", spec)).unwrap();
        let jobs = world.api::<Job>();
        async move { refusal(jobs.create(&kube::api::PostParams::default(), &object).await) }
    };
    let (code, _, message) = create(json!({"completionMode": "Indexed", "completions": null, "parallelism": 2})).await;
    assert_eq!(code, 422);
    assert!(message.contains("spec.completions: Required value: when completion mode is Indexed"), "{message}");
    let (_, _, message) = create(json!({"parallelism": -1})).await;
    assert!(message.contains("spec.parallelism: Invalid value: -1: must be greater than or equal to 0"), "{message}");
    let (_, _, message) = create(json!({"selector": {"matchLabels": {"a": "b"}}})).await;
    assert!(message.contains("`selector` not auto-generated"), "{message}");
    world.stop().await;
}
