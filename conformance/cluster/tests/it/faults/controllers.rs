//! Controllers that are paused.

use std::time::Duration;

use embedded_cluster::ApiServer;
use embedded_cluster::controllers::{ControllerOptions, Controllers};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::json;

fn start() -> (ApiServer, Client, Controllers) {
    let server = ApiServer::default();
    let client = server.client("default");
    let controllers = Controllers::start(&client, ControllerOptions::default());
    (server, client, controllers)
}

async fn deploy(client: &Client, name: &str, replicas: i32) {
    let labels = json!({"app": name});
    let deployment = json!({"metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "example.com/a"}]}},
    }});
    let deployment: Deployment = serde_json::from_value(deployment).unwrap();
    Api::default_namespaced(client.clone()).create(&PostParams::default(), &deployment).await.unwrap();
}

/// The name of the one replica set, once the deployment controller has made it.
async fn replica_set(client: &Client) -> String {
    let sets: Api<ReplicaSet> = Api::default_namespaced(client.clone());
    loop {
        if let Some(set) = sets.list(&ListParams::default()).await.unwrap().items.pop() {
            return set.metadata.name.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn has_replicas(count: i32) -> impl Fn(Option<&ReplicaSet>) -> bool {
    move |set: Option<&ReplicaSet>| {
        set.and_then(|set| set.status.as_ref()).is_some_and(|status| status.replicas == count)
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_controller_does_nothing_and_catches_up_when_it_resumes() {
    let (server, client, controllers) = start();
    controllers.pauses().pause("replicaset-controller").unwrap();
    deploy(&client, "web", 2).await;
    // The others work on.
    let name = replica_set(&client).await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 0);
    // Even if what it missed is forgotten.
    server.faults().compact();
    controllers.pauses().resume("replicaset-controller").unwrap();
    await_condition(Api::default_namespaced(client), &name, has_replicas(2)).await.unwrap();
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 2);
    controllers.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_controller_is_paused_in_the_middle_of_its_work() {
    let (_server, client, controllers) = start();
    deploy(&client, "web", 1).await;
    let name = replica_set(&client).await;
    let sets: Api<ReplicaSet> = Api::default_namespaced(client.clone());
    await_condition(sets.clone(), &name, has_replicas(1)).await.unwrap();
    controllers.pauses().pause("replicaset-controller").unwrap();
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let pod = pods.list(&ListParams::default()).await.unwrap().items.pop().unwrap().metadata.name.unwrap();
    pods.delete(&pod, &kube::api::DeleteParams::default().grace_period(0)).await.unwrap();
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 0);
    controllers.pauses().resume_all();
    loop {
        if let Some(new) = pods.list(&ListParams::default()).await.unwrap().items.pop() {
            assert_ne!(new.metadata.name.unwrap(), pod);
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    controllers.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_controller_is_refused_with_the_names_of_those_that_run() {
    let (_server, _client, controllers) = start();
    let error = controllers.pauses().pause("deployments").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no controller is called \"deployments\"; those that run are deployment-controller, disruption-controller, \
         endpointslice-controller, garbage-collector-controller, job-controller, kube-scheduler, namespace-controller, \
         replicaset-controller, serviceaccount-controller, statefulset-controller, unserved-kinds"
    );
    assert_eq!(controllers.pauses().resume("").unwrap_err().names.len(), 11);
    controllers.pauses().pause("kube-scheduler").unwrap();
    let paused: Vec<_> = controllers.pauses().controllers().into_iter().filter(|(_, paused)| *paused).collect();
    assert_eq!(paused, [("kube-scheduler", true)]);
    // Neither a paused controller nor one that has not begun keeps them from ending.
    controllers.stop().await;
}
