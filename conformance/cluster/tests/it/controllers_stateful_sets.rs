//! `StatefulSets`: without a node under paused time, and with processes and their names in the DNS.

use std::net::IpAddr;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::api_support::refusal;
use crate::controllers_support::World;
use crate::node_support::{self, SHELL, api, bounded, cluster};

fn set(replicas: i32, image: &str) -> Value {
    let container = json!({"name": "c", "image": image, "args": ["-c", "exec sleep 600"]});
    let spec = json!({"containers": [container], "terminationGracePeriodSeconds": 1});
    json!({"metadata": {"name": "db"}, "spec": {"replicas": replicas, "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": {"metadata": {"labels": {"app": "db"}}, "spec": spec}}})
}

/// The names of the pods, and the image of each.
async fn images(world: &World) -> Vec<String> {
    let pods = world.pods("app=db").await.into_iter();
    let image = |pod: &Pod| pod.spec.as_ref().unwrap().containers[0].image.clone().unwrap();
    pods.map(|pod| format!("{} {}", pod.name_any(), image(&pod))).collect()
}

#[tokio::test(start_paused = true)]
async fn pods_come_in_order_and_are_updated_down_to_the_partition() {
    let world = World::start().await;
    world.create::<StatefulSet>(set(3, "old")).await;
    for count in 1..=3_usize {
        let pods = world.wait_for_pods("app=db", count).await;
        world.set_phase(&pods[count - 1].name_any(), "Running").await;
    }
    let is_ready = |set: Option<&StatefulSet>| {
        set.and_then(|set| set.status.as_ref()).is_some_and(|status| status.available_replicas == Some(3))
    };
    let ready = world.wait("db", is_ready).await.unwrap().status.unwrap();
    assert_eq!((ready.replicas, ready.current_replicas, ready.collision_count), (3, Some(3), Some(0)));
    assert_eq!(ready.current_revision, ready.update_revision);
    let pods = world.pods("app=db").await;
    let last = &pods[2];
    assert_eq!(last.labels()["statefulset.kubernetes.io/pod-name"], "db-2");
    assert_eq!(last.labels()["apps.kubernetes.io/pod-index"], "2");
    assert_eq!(Some(&last.labels()["controller-revision-hash"]), ready.current_revision.as_ref());
    let spec = last.spec.as_ref().unwrap();
    assert_eq!((spec.hostname.as_deref(), spec.subdomain.as_deref()), (Some("db-2"), Some("db")));
    world.wait_for_event("db", "SuccessfulCreate: create Pod db-2 in StatefulSet db successful").await;

    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    let template = set(3, "new")["spec"]["template"].clone();
    world.merge::<StatefulSet>("db", json!({"spec": {"template": template, "updateStrategy": rolling}})).await;
    for name in ["db-2", "db-1"] {
        let is_new = move |pod: Option<&Pod>| {
            pod.is_some_and(|pod| pod.spec.as_ref().unwrap().containers[0].image.as_deref() == Some("new"))
        };
        world.wait(name, is_new).await;
        world.set_phase(name, "Running").await;
    }
    let is_half = |set: Option<&StatefulSet>| {
        let status = set.and_then(|set| set.status.as_ref());
        status.is_some_and(|status| status.updated_replicas == Some(2) && status.ready_replicas == Some(3))
    };
    let half = world.wait("db", is_half).await.unwrap().status.unwrap();
    assert_ne!(half.current_revision, half.update_revision);
    assert_eq!(images(&world).await, ["db-0 old", "db-1 new", "db-2 new"]);
    let revisions = world.api::<ControllerRevision>().list(&ListParams::default()).await.unwrap().items;
    let mut numbers: Vec<i64> = revisions.iter().map(|revision| revision.revision).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);

    // Fewer pods, by the scale: the highest goes.
    let scale = Patch::Merge(json!({"spec": {"replicas": 2}}));
    world.api::<StatefulSet>().patch_scale("db", &PatchParams::default(), &scale).await.unwrap();
    world.wait_for_pods("app=db", 2).await;
    assert_eq!(images(&world).await, ["db-0 old", "db-1 new"]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_stateful_set_cannot_have_is_refused_or_told() {
    let world = World::start().await;
    world.create::<StatefulSet>(set(0, "i")).await;
    let change = Patch::Merge(json!({"spec": {"serviceName": "other"}}));
    let changed = world.api::<StatefulSet>().patch("db", &PatchParams::default(), &change).await;
    let message = "StatefulSet.apps \"db\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than \
                   'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
                   'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
    assert_eq!(refusal(changed), (422, "Invalid".into(), message.into()));

    let mut stored = set(1, "i");
    stored["metadata"]["name"] = json!("stored");
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    stored["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": claim}]);
    world.create::<StatefulSet>(stored).await;
    world.wait_for_event("stored", "Unsupported: spec.volumeClaimTemplates is not supported").await;
    world.stop().await;
}

#[tokio::test]
async fn pods_are_found_by_their_names_in_a_headless_service() {
    let cluster = cluster().await;
    let service = json!({"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "selector": {"app": "db"}}});
    node_support::create::<Service>(&cluster, service).await;
    node_support::create::<StatefulSet>(&cluster, set(2, SHELL)).await;
    node_support::wait(&cluster, "db", |set: Option<&StatefulSet>| {
        set.and_then(|set| set.status.as_ref()).is_some_and(|status| status.ready_replicas == Some(2))
    })
    .await;
    let pod = api::<Pod>(&cluster).get("db-1").await.unwrap();
    let address: IpAddr = pod.status.unwrap().pod_ip.unwrap().parse().unwrap();
    bounded(async {
        while cluster.dns().lookup("default", "db-1.db.default.svc.cluster.local") != Some(address) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.shutdown().await;
}
