//! Objects that others own, and what becomes of them with their owners.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Resource, ResourceExt};
use serde_json::json;

use crate::case::cases;
use crate::documents::Document;
use crate::refusal::refusal;
use crate::world::World;

cases! { "ownership":
    what_an_owner_leaves_is_collected_in_the_background needs ControllerManager,
    a_foreground_deletion_waits_for_what_blocks_it needs ControllerManager,
    orphans_stay_and_lose_their_owner needs ControllerManager,
    an_object_of_an_owner_that_never_was_is_collected needs ControllerManager,
    a_namespace_goes_after_what_it_holds needs ControllerManager,
    an_object_has_one_controller_at_most,
}

fn reference(world: &World, owner: &Document, blocks: bool) -> OwnerReference {
    let mut reference = owner.owner_ref(world.resource()).unwrap();
    reference.block_owner_deletion = Some(blocks);
    reference
}

async fn owned(world: &World, owner: &Document, name: &str, finalizers: &[&str]) -> ConfigMap {
    let references = [reference(world, owner, true)];
    world.create(json!({"metadata": {"name": name, "ownerReferences": references, "finalizers": finalizers}})).await
}

async fn gone(world: &World, map: &ConfigMap) {
    await_condition(world.api::<ConfigMap>(), &map.name_any(), conditions::is_deleted(&map.uid().unwrap()))
        .await
        .unwrap();
}

async fn what_an_owner_leaves_is_collected_in_the_background(world: Arc<World>) {
    let owner = world.create_document("owner", 1).await;
    let (first, second) = (owned(&world, &owner, "first", &[]).await, owned(&world, &owner, "second", &[]).await);
    world.documents().delete("owner", &DeleteParams::background()).await.unwrap();
    assert!(world.documents().get_opt("owner").await.unwrap().is_none(), "the owner goes at once");
    gone(&world, &first).await;
    gone(&world, &second).await;
}

async fn a_foreground_deletion_waits_for_what_blocks_it(world: Arc<World>) {
    let owner = world.create_document("owner", 1).await;
    let held = owned(&world, &owner, "held", &["parity.example.com/hold"]).await;
    world.documents().delete("owner", &DeleteParams::foreground()).await.unwrap();
    let dying = |map: Option<&ConfigMap>| map.is_some_and(|map| map.metadata.deletion_timestamp.is_some());
    await_condition(world.api::<ConfigMap>(), "held", dying).await.unwrap();
    let waiting = world.documents().get("owner").await.unwrap();
    assert_eq!(waiting.finalizers(), ["foregroundDeletion"]);
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world.api::<ConfigMap>().patch("held", &PatchParams::default(), &none).await.unwrap();
    gone(&world, &held).await;
    await_condition(world.documents(), "owner", conditions::is_deleted(&owner.uid().unwrap())).await.unwrap();
}

async fn orphans_stay_and_lose_their_owner(world: Arc<World>) {
    let owner = world.create_document("owner", 1).await;
    owned(&world, &owner, "orphan", &[]).await;
    // The collector has to know the orphan before it is asked to keep it.
    let sentinel = world.create_document("sentinel", 1).await;
    let seen = owned(&world, &sentinel, "seen", &[]).await;
    world.documents().delete("sentinel", &DeleteParams::background()).await.unwrap();
    gone(&world, &seen).await;
    world.documents().delete("owner", &DeleteParams::orphan()).await.unwrap();
    await_condition(world.documents(), "owner", conditions::is_deleted(&owner.uid().unwrap())).await.unwrap();
    let orphan = world.api::<ConfigMap>().get("orphan").await.unwrap();
    assert!(orphan.owner_references().is_empty() && orphan.metadata.deletion_timestamp.is_none());
}

async fn an_object_of_an_owner_that_never_was_is_collected(world: Arc<World>) {
    let owner = world.create_document("owner", 1).await;
    let mut stranger = reference(&world, &owner, false);
    stranger.uid = "00000000-0000-4000-8000-000000000000".into();
    let map: ConfigMap = world.create(json!({"metadata": {"name": "stray", "ownerReferences": [stranger]}})).await;
    gone(&world, &map).await;
}

async fn a_namespace_goes_after_what_it_holds(world: Arc<World>) {
    let name = world.create_namespace().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(world.client(), &name);
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "held"}})).unwrap();
    let revision = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(world.client());
    let uid = namespaces.get(&name).await.unwrap().uid().unwrap();
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    await_condition(namespaces, &name, conditions::is_deleted(&uid)).await.unwrap();
    let told = maps.watch(&WatchParams::default().fields("metadata.name=held"), &revision).await.unwrap();
    let told: Vec<_> = told.take(2).try_collect().await.unwrap();
    assert!(matches!(&told[..], [WatchEvent::Added(_), WatchEvent::Deleted(_)]), "{told:?}");
}

async fn an_object_has_one_controller_at_most(world: Arc<World>) {
    let owners = [world.create_document("one", 1).await, world.create_document("two", 1).await];
    let references: Vec<_> = owners.iter().map(|owner| owner.controller_owner_ref(world.resource()).unwrap()).collect();
    let map: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "m", "ownerReferences": references}})).unwrap();
    let (code, _, message) = refusal(world.api::<ConfigMap>().create(&PostParams::default(), &map).await);
    assert_eq!(code, 422);
    assert!(message.contains("Only one reference can have Controller set to true"), "{message}");
}
