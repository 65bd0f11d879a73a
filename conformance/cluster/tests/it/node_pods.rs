//! Pods while they run: volumes that follow their sources, probes, and the way they end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded_cluster::cluster::{Cluster, ClusterOptions, Program};
use k8s_openapi::api::core::v1::{ConfigMap, ContainerStatus, Event, Pod, Secret};
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::node_support::{SHELL, api, bounded, cluster, create, wait};

fn pod(name: &str, container: Value, spec: Value) -> Value {
    let (mut container, mut spec) = (container, spec);
    container["name"] = "main".into();
    if container.get("image").is_none() {
        container["image"] = SHELL.into();
    }
    spec["containers"] = json!([container]);
    json!({"metadata": {"name": name}, "spec": spec})
}

fn status(pod: Option<&Pod>) -> Option<&ContainerStatus> {
    pod?.status.as_ref()?.container_statuses.as_ref()?.first()
}

fn is_ready(pod: Option<&Pod>) -> bool {
    status(pod).is_some_and(|status| status.ready)
}

/// Waits until the pod's log has the text.
async fn logged(cluster: &Cluster, pod: &str, text: &str) {
    bounded(async {
        loop {
            let log = api::<Pod>(cluster).logs(pod, &LogParams::default()).await;
            if log.is_ok_and(|log| log.contains(text)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn mounted_files_follow_their_sources_without_a_restart() {
    let cluster = cluster().await;
    create::<ConfigMap>(&cluster, json!({"metadata": {"name": "settings"}, "data": {"level": "one"}})).await;
    create::<Secret>(&cluster, json!({"metadata": {"name": "keys"}, "stringData": {"token": "old"}})).await;
    let script =
        "while :; do echo $(cat /etc/all/level)-$(cat /etc/all/token)-$(cat /etc/all/labels); sleep 0.02; done";
    let sources = json!([{"configMap": {"name": "settings"}}, {"secret": {"name": "keys"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels['color']"}}]}}]);
    let spec = json!({"terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "all", "projected": {"sources": sources}}]});
    let container = json!({"args": ["-c", script], "volumeMounts": [{"name": "all", "mountPath": "/etc/all"}]});
    create::<Pod>(&cluster, pod("web", container, spec)).await;
    logged(&cluster, "web", "one-old-\n").await;

    let params = PatchParams::default();
    let change = Patch::Merge(json!({"data": {"level": "two"}}));
    api::<ConfigMap>(&cluster).patch("settings", &params, &change).await.unwrap();
    logged(&cluster, "web", "two-old-\n").await;
    let change = Patch::Merge(json!({"stringData": {"token": "new"}}));
    api::<Secret>(&cluster).patch("keys", &params, &change).await.unwrap();
    logged(&cluster, "web", "two-new-\n").await;
    let change = Patch::Merge(json!({"metadata": {"labels": {"color": "blue"}}}));
    let pod = api::<Pod>(&cluster).patch("web", &params, &change).await.unwrap();
    logged(&cluster, "web", "two-new-blue\n").await;
    assert_eq!(status(Some(&pod)).unwrap().restart_count, 0);
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_missing_volume_source_delays_the_start_until_it_is_there() {
    let cluster = cluster().await;
    let spec = json!({"volumes": [{"name": "late", "configMap": {"name": "late"}}]});
    create::<Pod>(&cluster, pod("web", json!({"args": ["-c", "exec sleep 600"]}), spec)).await;
    let failed = async {
        loop {
            let events = api::<Event>(&cluster).list(&ListParams::default()).await.unwrap().items;
            let failed = events.into_iter().find(|event| event.reason.as_deref() == Some("FailedMount"));
            if let Some(event) = failed {
                return event.message.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let expected = "MountVolume.SetUp failed for volume \"late\" : configmap \"late\" not found";
    assert_eq!(bounded(failed).await, expected);
    let waiting = api::<Pod>(&cluster).get("web").await.unwrap();
    assert!(!is_ready(Some(&waiting)));
    create::<ConfigMap>(&cluster, json!({"metadata": {"name": "late"}, "data": {"a": "b"}})).await;
    wait(&cluster, "web", is_ready).await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_failed_liveness_probe_restarts_the_container() {
    let probe = |file: &str| json!({"exec": {"command": ["sh", "-c", format!("test ! -e /state/{file}")]}, "periodSeconds": 1, "failureThreshold": 1});
    let script = "trap 'rm -f /state/dead; exit 0' TERM; echo begun; while :; do sleep 0.02; done";
    let container = json!({"args": ["-c", script], "livenessProbe": probe("dead"), "readinessProbe": probe("busy"),
        "volumeMounts": [{"name": "state", "mountPath": "/state"}]});
    let spec = json!({"volumes": [{"name": "state", "emptyDir": {}}]});
    let state_dir = tempfile::tempdir().unwrap();
    let images = BTreeMap::from([(SHELL.to_owned(), Program::new("/bin/sh"))]);
    let options = ClusterOptions { images, state_dir: Some(state_dir.path().to_owned()), ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    let created: Pod = create(&cluster, pod("web", container, spec)).await;
    wait(&cluster, "web", is_ready).await;
    let folder = state_dir.path().canonicalize().unwrap().join("pods").join(created.metadata.uid.unwrap());
    std::fs::write(folder.join("volumes/state/busy"), "").unwrap();
    wait(&cluster, "web", |pod: Option<&Pod>| !is_ready(pod)).await;
    std::fs::remove_file(folder.join("volumes/state/busy")).unwrap();
    wait(&cluster, "web", is_ready).await;
    std::fs::write(folder.join("volumes/state/dead"), "").unwrap();
    wait(&cluster, "web", |pod: Option<&Pod>| status(pod).is_some_and(|status| status.restart_count == 1)).await;
    wait(&cluster, "web", is_ready).await;
    api::<Pod>(&cluster).delete("web", &DeleteParams::default()).await.unwrap();
    wait(&cluster, "web", |pod: Option<&Pod>| pod.is_none()).await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_program_that_ignores_the_signal_is_killed_after_its_grace() {
    let cluster = cluster().await;
    let container = json!({"args": ["-c", "trap '' TERM; echo deaf; while :; do sleep 0.02; done"]});
    let spec = json!({"terminationGracePeriodSeconds": 1});
    create::<Pod>(&cluster, pod("web", container, spec)).await;
    logged(&cluster, "web", "deaf").await;
    let begin = Instant::now();
    api::<Pod>(&cluster).delete("web", &DeleteParams::default()).await.unwrap();
    wait(&cluster, "web", |pod: Option<&Pod>| pod.is_none()).await;
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert!(cluster.logs("default", "web").await.contains("deaf"), "logs outlive the pod");
    cluster.shutdown().await;
}

#[tokio::test]
async fn the_environment_of_an_image_is_computed_for_each_pod() {
    let environment = |context: &embedded_cluster::cluster::PodContext| {
        vec![
            ("SEEN".to_owned(), format!("{}/{} {}", context.namespace, context.name, context.labels["color"])),
            ("RESOLVER".to_owned(), context.dns.to_string()),
            ("PLACE".to_owned(), "/state/outside".to_owned()),
            ("OVERRIDDEN".to_owned(), "image".to_owned()),
        ]
    };
    let program = Program { environment: Arc::new(environment), ..Program::new("/bin/sh") };
    let images = BTreeMap::from([(SHELL.to_owned(), program)]);
    let cluster = Cluster::start(ClusterOptions { images, ..ClusterOptions::default() }).await.unwrap();
    let script = "echo $SEEN $RESOLVER $PLACE $OVERRIDDEN $TMPDIR; exec sleep 600";
    let container = json!({"args": ["-c", script], "env": [{"name": "OVERRIDDEN", "value": "pod"}],
        "volumeMounts": [{"name": "state", "mountPath": "/state"}]});
    let mut object = pod("web", container, json!({"volumes": [{"name": "state", "emptyDir": {}}]}));
    object["metadata"]["labels"] = json!({"color": "blue"});
    create::<Pod>(&cluster, object).await;
    let resolver = cluster.dns().view("default").unwrap();
    logged(&cluster, "web", &format!("default/web blue {resolver} /state/outside pod\n")).await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn an_image_may_stand_for_a_program_in_one_namespace_alone() {
    const OWN: &str = "registry.example.com/own";
    let cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
    let program = Program::new("/bin/sh").with_arguments(["-c", "echo entrypoint $0; exec sleep 600"]);
    cluster.surroundings().set_images("default", BTreeMap::from([(OWN.to_owned(), program)]));
    create::<Pod>(&cluster, pod("own", json!({"image": OWN, "args": ["argument"]}), json!({}))).await;
    logged(&cluster, "own", "entrypoint argument\n").await;
    cluster.shutdown().await;
}
