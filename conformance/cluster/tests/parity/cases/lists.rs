//! Lists: pages, their tokens, and the modes of the resource version.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, VersionMatch};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;

use crate::case::cases;
use crate::refusal::refusal;
use crate::world::World;

cases! { "lists":
    pages_show_one_revision,
    a_page_token_expires_and_the_answer_has_one_to_go_on_with needs Compaction,
    a_page_token_that_is_none_is_refused,
    a_page_token_goes_with_no_revision,
    a_reflector_reads_a_large_list_in_pages,
    an_exact_list_shows_the_past,
    a_revision_that_is_not_reached_is_asked_for_again_later,
    modes_that_make_no_sense_are_refused,
    selectors_choose_by_labels_and_fields,
    a_field_that_selectors_do_not_know_is_refused,
}

fn page(token: Option<String>) -> ListParams {
    ListParams { continue_token: token, ..ListParams::default().limit(2) }
}

async fn four_documents(world: &World) {
    for name in ["a", "b", "c", "d"] {
        world.create_document(name, 1).await;
    }
}

async fn pages_show_one_revision(world: Arc<World>) {
    let documents = world.documents();
    four_documents(&world).await;
    let first = documents.list(&page(None)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(2));
    documents.delete("c", &DeleteParams::default()).await.unwrap();
    let second = documents.list(&page(first.metadata.continue_)).await.unwrap();
    let names: Vec<String> = second.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["c", "d"], "the second page is of the same moment as the first");
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
    assert_eq!(second.metadata.continue_.unwrap_or_default(), "");
}

async fn a_page_token_expires_and_the_answer_has_one_to_go_on_with(world: Arc<World>) {
    four_documents(&world).await;
    let first = world.documents().list(&page(None)).await.unwrap();
    world.documents().delete("c", &DeleteParams::default()).await.unwrap();
    world.compact();
    let token = first.metadata.continue_.unwrap();
    let expired = world.get(&world.documents_path(&format!("?limit=2&continue={token}"))).await;
    assert_eq!((expired.code, &expired.body["reason"]), (410, &json!("Expired")));
    assert!(expired.message().starts_with("The provided continue parameter is too old"), "{}", expired.message());
    let token = expired.body["metadata"]["continue"].as_str().unwrap().to_owned();
    let rest = world.documents().list(&page(Some(token))).await.unwrap();
    let names: Vec<String> = rest.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["d"], "the rest is of the present moment");
}

async fn a_page_token_that_is_none_is_refused(world: Arc<World>) {
    let (code, reason, message) = refusal(world.documents().list(&page(Some("zzz".to_owned()))).await);
    assert_eq!((code, reason.as_str()), (400, "BadRequest"));
    assert!(message.starts_with("invalid continue token: continue key is not valid"), "{message}");
}

async fn a_page_token_goes_with_no_revision(world: Arc<World>) {
    four_documents(&world).await;
    let first = world.documents().list(&page(None)).await.unwrap();
    let (revision, token) = (first.metadata.resource_version.unwrap(), first.metadata.continue_.unwrap());
    let path = world.documents_path(&format!("?limit=2&continue={token}&resourceVersion={revision}"));
    let answer = world.get(&path).await;
    let expected = "specifying resource version is not allowed when using continue";
    assert_eq!((answer.code, answer.message()), (400, expected));
}

async fn a_reflector_reads_a_large_list_in_pages(world: Arc<World>) {
    let maps = world.api::<ConfigMap>();
    for index in 0..1200 {
        world
            .create::<ConfigMap>(json!({"metadata": {"name": format!("m{index:04}"), "labels": {"large": "list"}}}))
            .await;
    }
    let config = watcher::Config::default().page_size(500).labels("large=list");
    let names: Vec<String> =
        watcher(maps, config).applied_objects().take(1200).map_ok(|map| map.name_any()).try_collect().await.unwrap();
    assert!(names.is_sorted() && names.len() == 1200);
}

async fn an_exact_list_shows_the_past(world: Arc<World>) {
    let documents = world.documents();
    let before = world.create_document("a", 1).await.resource_version().unwrap();
    world.create_document("b", 1).await;
    let names = async |params: &ListParams| -> Vec<String> {
        documents.list(params).await.unwrap().iter().map(ResourceExt::name_any).collect()
    };
    let at = ListParams::default().at(&before);
    assert_eq!(names(&at.clone().matching(VersionMatch::Exact)).await, ["a"]);
    assert_eq!(names(&at.matching(VersionMatch::NotOlderThan)).await, ["a", "b"]);
    assert_eq!(names(&ListParams::default()).await, ["a", "b"]);
}

async fn a_revision_that_is_not_reached_is_asked_for_again_later(world: Arc<World>) {
    world.create_document("a", 1).await;
    let answer = world.get(&world.documents_path("?resourceVersion=999999999999&timeoutSeconds=1")).await;
    assert_eq!((answer.code, &answer.body["reason"]), (504, &json!("Timeout")));
    assert_eq!(answer.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    assert_eq!(answer.body["details"]["retryAfterSeconds"], 1);
}

async fn modes_that_make_no_sense_are_refused(world: Arc<World>) {
    let refused = [
        ("resourceVersionMatch=Exact", vec!["resourceVersionMatch"]),
        ("resourceVersion=0&resourceVersionMatch=Exact", vec!["resourceVersionMatch"]),
        ("resourceVersion=1&resourceVersionMatch=Newest", vec!["resourceVersionMatch"]),
        ("sendInitialEvents=true", vec!["sendInitialEvents"]),
        ("sendInitialEvents=false&resourceVersionMatch=Exact", vec!["resourceVersionMatch", "sendInitialEvents"]),
        ("watch=1&resourceVersionMatch=NotOlderThan", vec!["resourceVersionMatch"]),
        ("watch=1&sendInitialEvents=true", vec!["resourceVersionMatch"]),
        (
            "watch=1&sendInitialEvents=true&resourceVersionMatch=Newest",
            vec!["resourceVersionMatch", "resourceVersionMatch"],
        ),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x", vec!["resourceVersionMatch"]),
    ];
    for (query, fields) in refused {
        let answer = world.get(&world.documents_path(&format!("?{query}&timeoutSeconds=1"))).await;
        assert_eq!((answer.code, answer.fields()), (422, fields), "{query}");
        assert!(answer.message().starts_with("ListOptions.meta.k8s.io \"\" is invalid: "), "{}", answer.message());
    }
}

async fn selectors_choose_by_labels_and_fields(world: Arc<World>) {
    let documents = world.documents();
    four_documents(&world).await;
    for (name, team) in [("a", "red"), ("b", "blue")] {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"team": team}}, "spec": {"paper": "A3"}}));
        documents.patch(name, &PatchParams::default(), &patch).await.unwrap();
    }
    let names = async |params: ListParams| -> Vec<String> {
        documents.list(&params).await.unwrap().iter().map(ResourceExt::name_any).collect()
    };
    let labels = |selector: &str| ListParams::default().labels(selector);
    let fields = |selector: &str| ListParams::default().fields(selector);
    assert_eq!(names(labels("team in (red,green)")).await, ["a"]);
    assert_eq!(names(labels("team notin (red)")).await, ["b", "c", "d"]);
    assert_eq!(names(labels("team,team!=red")).await, ["b"]);
    assert_eq!(names(labels("!team")).await, ["c", "d"]);
    assert_eq!(names(fields("spec.paper=A3,metadata.name!=a")).await, ["b"]);
    assert_eq!(refusal(documents.list(&labels("team in red")).await).0, 400);
}

async fn a_field_that_selectors_do_not_know_is_refused(world: Arc<World>) {
    let (code, _, message) = refusal(world.documents().list(&ListParams::default().fields("spec.copies=1")).await);
    assert_eq!((code, message.as_str()), (400, "field label not supported: spec.copies"));
}
