//! Hooks, deadlines and last words of containers.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Event, Pod};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::node_support::{SHELL, api, bounded, cluster, create, wait};

fn pod(container: Value, spec: Value) -> Value {
    let (mut container, mut spec) = (container, spec);
    container["name"] = "main".into();
    if container.get("image").is_none() {
        container["image"] = SHELL.into();
    }
    spec["containers"] = json!([container]);
    spec["terminationGracePeriodSeconds"] = 1.into();
    json!({"metadata": {"name": "web"}, "spec": spec})
}

fn status(pod: Option<&Pod>) -> Option<&ContainerStatus> {
    pod?.status.as_ref()?.container_statuses.as_ref()?.first()
}

fn ended(pod: Option<&Pod>) -> Option<ContainerStateTerminated> {
    status(pod)?.state.as_ref()?.terminated.clone()
}

async fn has_event(cluster: &embedded_cluster::cluster::Cluster, reason: &str) {
    bounded(async {
        loop {
            let events = api::<Event>(cluster).list(&ListParams::default()).await.unwrap().items;
            if events.iter().any(|event| event.reason.as_deref() == Some(reason)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_container_runs_when_its_post_start_hook_has_succeeded() {
    let cluster = cluster().await;
    let hook = json!({"exec": {"command": ["sh", "-c", "echo hooked > /state/hook; while ! test -e /state/go; do sleep 0.02; done"]}});
    let stop = json!({"exec": {"command": ["sh", "-c", "echo stopping > /state/stop"]}});
    let script = "trap 'cat /state/hook /state/stop; exit 0' TERM; while :; do sleep 0.02; done";
    let container = json!({"args": ["-c", script], "lifecycle": {"postStart": hook, "preStop": stop},
        "volumeMounts": [{"name": "state", "mountPath": "/state"}]});
    let created: Pod = create(&cluster, pod(container, json!({"volumes": [{"name": "state", "emptyDir": {}}]}))).await;
    has_event(&cluster, "Started").await;
    let now = api::<Pod>(&cluster).get("web").await.unwrap();
    assert!(status(Some(&now)).is_none_or(|status| !status.ready), "not before the hook has ended");
    assert_eq!(created.metadata.name.as_deref(), Some("web"));
    let params = kube::api::AttachParams::default();
    // A command lives no longer than its caller.
    let mut go = bounded(api::<Pod>(&cluster).exec("web", ["sh", "-c", "echo > /state/go"], &params)).await.unwrap();
    bounded(go.take_status().unwrap()).await.unwrap();
    wait(&cluster, "web", |pod: Option<&Pod>| status(pod).is_some_and(|status| status.ready)).await;
    api::<Pod>(&cluster).delete("web", &DeleteParams::default()).await.unwrap();
    wait(&cluster, "web", |pod: Option<&Pod>| pod.is_none()).await;
    assert_eq!(cluster.logs("default", "web").await, "[main] hooked\n[main] stopping\n");
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_container_whose_post_start_hook_fails_is_ended() {
    let cluster = cluster().await;
    let hook = json!({"exec": {"command": ["sh", "-c", "echo no; exit 1"]}});
    let container = json!({"args": ["-c", "exec sleep 600"], "lifecycle": {"postStart": hook}});
    create::<Pod>(&cluster, pod(container, json!({"restartPolicy": "Never"}))).await;
    let failed = wait(&cluster, "web", |pod: Option<&Pod>| ended(pod).is_some()).await.unwrap();
    assert_eq!(ended(Some(&failed)).unwrap().exit_code, 143);
    has_event(&cluster, "FailedPostStartHook").await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_pod_fails_when_its_deadline_has_passed() {
    let cluster = cluster().await;
    create::<Pod>(&cluster, pod(json!({"args": ["-c", "exec sleep 600"]}), json!({"activeDeadlineSeconds": 1}))).await;
    let phase = |pod: Option<&Pod>| pod.and_then(|pod| pod.status.as_ref()?.phase.clone());
    let failed = wait(&cluster, "web", move |pod: Option<&Pod>| phase(pod).as_deref() == Some("Failed")).await.unwrap();
    let status = failed.status.unwrap();
    assert_eq!(status.reason.as_deref(), Some("DeadlineExceeded"));
    assert_eq!(status.message.as_deref(), Some("Pod was active on the node longer than the specified deadline"));
    wait(&cluster, "web", |pod: Option<&Pod>| ended(pod).is_some()).await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn the_last_words_of_a_container_are_in_its_status() {
    let cluster = cluster().await;
    let never = json!({"restartPolicy": "Never"});
    let file = json!({"args": ["-c", "echo disk full > /dev/termination-log; exit 1"]});
    create::<Pod>(&cluster, pod(file, never.clone())).await;
    let first = wait(&cluster, "web", |pod: Option<&Pod>| ended(pod).is_some()).await.unwrap();
    assert_eq!(ended(Some(&first)).unwrap().message.as_deref(), Some("disk full\n"));
    api::<Pod>(&cluster).delete("web", &DeleteParams::default()).await.unwrap();
    wait(&cluster, "web", |pod: Option<&Pod>| pod.is_none()).await;
    let log = json!({"args": ["-c", "echo to the log; exit 1"], "terminationMessagePolicy": "FallbackToLogsOnError"});
    create::<Pod>(&cluster, pod(log, never)).await;
    let second = wait(&cluster, "web", |pod: Option<&Pod>| ended(pod).is_some()).await.unwrap();
    assert_eq!(ended(Some(&second)).unwrap().message.as_deref(), Some("to the log\n"));
    cluster.shutdown().await;
}

#[tokio::test]
async fn an_image_without_a_program_names_the_option() {
    let cluster = cluster().await;
    let reason = |pod: Option<&Pod>| status(pod)?.state.as_ref()?.waiting.as_ref()?.reason.clone();
    for (policy, expected) in [("Never", "ErrImageNeverPull"), ("IfNotPresent", "ImagePullBackOff")] {
        let container = json!({"image": "example.com/unknown:1", "imagePullPolicy": policy});
        create::<Pod>(&cluster, pod(container, json!({}))).await;
        let waiting = wait(&cluster, "web", move |pod: Option<&Pod>| reason(pod).as_deref() == Some(expected)).await;
        let waiting = waiting.unwrap();
        let state = status(Some(&waiting)).unwrap().state.clone().unwrap().waiting.unwrap();
        assert!(state.message.unwrap().contains("--image NAME=PROGRAM"));
        api::<Pod>(&cluster).delete("web", &DeleteParams::default()).await.unwrap();
        wait(&cluster, "web", |pod: Option<&Pod>| pod.is_none()).await;
    }
    cluster.shutdown().await;
}
