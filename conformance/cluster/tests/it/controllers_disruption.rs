//! Disruption budgets, eviction, adoption, and kinds that nobody acts on, without a node under paused time.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{EvictParams, PostParams};
use serde_json::{Value, json};

use crate::api_support::refusal;
use crate::controllers_support::World;

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

async fn allowed(world: &World, expected: i32) -> PodDisruptionBudget {
    let is_so = move |budget: Option<&PodDisruptionBudget>| {
        let status = budget.and_then(|budget| budget.status.as_ref());
        status
            .is_some_and(|status| status.disruptions_allowed == Some(expected) && status.observed_generation == Some(1))
    };
    world.wait("web", is_so).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_budget_counts_healthy_pods_and_evictions_spend_it() {
    let world = World::start().await;
    let spec = json!({"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template()});
    world.create::<Deployment>(json!({"metadata": {"name": "web"}, "spec": spec})).await;
    let budget = json!({"metadata": {"name": "web"},
        "spec": {"maxUnavailable": "34%", "selector": {"matchLabels": {"app": "web"}}}});
    world.create::<PodDisruptionBudget>(budget).await;
    let pods = world.wait_for_pods("app=web", 3).await;
    for pod in &pods[..2] {
        world.set_phase(&pod.name_any(), "Running").await;
    }
    world.set_phase(&pods[2].name_any(), "Running").await;
    // 34 % of three, rounded up, are two.
    let status = allowed(&world, 2).await.status.unwrap();
    assert_eq!((status.expected_pods, status.desired_healthy, status.current_healthy), (Some(3), Some(1), Some(3)));

    let api = world.api::<Pod>();
    let dry =
        EvictParams { post_options: PostParams { dry_run: true, ..PostParams::default() }, ..EvictParams::default() };
    api.evict(&pods[0].name_any(), &dry).await.unwrap();
    assert_eq!(world.wait_for_pods("app=web", 3).await.len(), 3);
    for pod in &pods[..2] {
        api.evict(&pod.name_any(), &EvictParams::default()).await.unwrap();
    }
    let refused = refusal(api.evict(&pods[2].name_any(), &EvictParams::default()).await);
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    assert_eq!(refused, (429, "TooManyRequests".into(), message.into()));
    // The Deployment replaces them, and the budget has room again.
    for pod in world.wait_for_pods("app=web", 3).await {
        world.set_phase(&pod.name_any(), "Running").await;
    }
    let status = allowed(&world, 2).await.status.unwrap();
    assert_eq!(status.disrupted_pods, None);
    assert_eq!(status.conditions.unwrap()[0].reason, "SufficientPods");

    let other = json!({"metadata": {"name": "other"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    world.create::<PodDisruptionBudget>(other).await;
    let (code, _, message) = refusal(api.evict(&pods[2].name_any(), &EvictParams::default()).await);
    assert_eq!(code, 500);
    assert!(message.starts_with("This pod has more than one PodDisruptionBudget"), "{message}");
    let missing = refusal(api.evict("missing", &EvictParams::default()).await);
    assert_eq!((missing.0, missing.2.as_str()), (404, "pods \"missing\" not found"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pods_are_adopted_and_released_by_the_selector() {
    let world = World::start().await;
    let adopted = json!({"metadata": {"name": "stray", "labels": {"app": "web"}}, "spec": template()["spec"]});
    world.create::<Pod>(adopted).await;
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template()});
    let set: ReplicaSet = world.create(json!({"metadata": {"name": "web"}, "spec": spec})).await;
    let pods = world.wait_for_pods("app=web", 2).await;
    assert!(pods.iter().any(|pod| pod.name_any() == "stray"));
    assert!(pods.iter().all(|pod| pod.owner_references()[0].uid == set.uid().unwrap()));
    // A pod that is no longer selected is let go, and replaced.
    world.merge::<Pod>("stray", json!({"metadata": {"labels": {"app": "debug"}}})).await;
    world.wait("stray", |pod: Option<&Pod>| pod.is_some_and(|pod| pod.owner_references().is_empty())).await;
    assert_eq!(world.wait_for_pods("app=web", 2).await.len(), 2);
    // Selected again it is one too many: adopted first, then one goes.
    world.merge::<Pod>("stray", json!({"metadata": {"labels": {"app": "web"}}})).await;
    world.wait_for_event("web", "SuccessfulDelete: Deleted pod: ").await;
    assert_eq!(world.wait_for_pods("app=web", 2).await.len(), 2);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn kinds_that_no_controller_acts_on_say_so() {
    let world = World::start().await;
    let spec = json!({"selector": {"matchLabels": {"app": "web"}}, "template": template()});
    world.create::<DaemonSet>(json!({"metadata": {"name": "agents"}, "spec": spec})).await;
    world.wait_for_event("agents", "Unsupported: daemon sets are not run by the embedded controllers").await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_deployment_is_resized_without_a_new_set() {
    let world = World::start().await;
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template()});
    world.create::<Deployment>(json!({"metadata": {"name": "web"}, "spec": spec})).await;
    world.wait_for_pods("app=web", 2).await;
    world.merge::<Deployment>("web", json!({"spec": {"paused": true}})).await;
    let mut changed = template();
    changed["spec"]["containers"][0]["image"] = json!("other");
    world.merge::<Deployment>("web", json!({"spec": {"replicas": 5, "template": changed}})).await;
    world.wait_for_pods("app=web", 5).await;
    assert_eq!(world.api::<ReplicaSet>().list(&kube::api::ListParams::default()).await.unwrap().items.len(), 1);
    world.stop().await;
}
