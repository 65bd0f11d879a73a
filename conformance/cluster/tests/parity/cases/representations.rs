//! What clients see beside the objects: tables, partial metadata, discovery and schemas; and events in two groups.

use std::sync::Arc;

use http::Method;
use kube::Discovery;
use kube::discovery::{Scope, verbs};
use serde_json::{Value, json};

use crate::case::cases;
use crate::world::World;

cases! { "representations":
    a_table_has_the_columns_of_the_definition,
    partial_metadata_is_of_objects_and_lists,
    discovery_lists_the_kinds_in_both_forms,
    schemas_are_published_with_their_kinds,
    an_event_of_either_group_is_one_object,
    a_body_of_unknown_format_is_refused,
}

const TABLE: [(&str, &str); 1] = [("accept", "application/json;as=Table;g=meta.k8s.io;v=v1")];

async fn a_table_has_the_columns_of_the_definition(world: Arc<World>) {
    world.create_document("a", 3).await;
    let table = world.send(Method::GET, &world.documents_path(""), &TABLE, &Value::Null).await.body;
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    let columns: Vec<&str> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(columns, ["Name", "Copies"]);
    assert_eq!(table["rows"][0]["cells"], json!(["a", 3]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let bare = world.send(Method::GET, &world.documents_path("/a?includeObject=None"), &TABLE, &Value::Null).await.body;
    assert!(bare["rows"][0]["object"].is_null(), "{bare}");
    let told = world.send(Method::GET, &world.documents_path("?watch=1&timeoutSeconds=1"), &TABLE, &Value::Null).await;
    let event = &told.events()[0];
    assert_eq!((&event["type"], &event["object"]["rows"][0]["cells"]), (&json!("ADDED"), &json!(["a", 3])));
}

async fn partial_metadata_is_of_objects_and_lists(world: Arc<World>) {
    world.create_document("a", 3).await;
    let accept = |kind: &str| format!("application/json;as={kind};g=meta.k8s.io;v=v1");
    let (one, list) = (accept("PartialObjectMetadata"), accept("PartialObjectMetadataList"));
    let object = world.send(Method::GET, &world.documents_path("/a"), &[("accept", &one)], &Value::Null).await.body;
    assert_eq!((&object["kind"], &object["metadata"]["name"]), (&json!("PartialObjectMetadata"), &json!("a")));
    assert!(object["spec"].is_null());
    let all = world.send(Method::GET, &world.documents_path(""), &[("accept", &list)], &Value::Null).await.body;
    assert_eq!(all["kind"], "PartialObjectMetadataList");
    assert_eq!(all["items"][0]["metadata"]["name"], "a");
    let wrong = world.send(Method::GET, &world.documents_path("/a"), &[("accept", "text/plain")], &Value::Null).await;
    assert_eq!((wrong.code, &wrong.body["reason"]), (406, &json!("NotAcceptable")));
}

async fn discovery_lists_the_kinds_in_both_forms(world: Arc<World>) {
    let group = world.resource().group.as_str();
    let plain = Discovery::new(world.client()).filter(&[group, "apps"]).run().await.unwrap();
    let aggregated = Discovery::new(world.client()).filter(&[group, "apps"]).run_aggregated().await.unwrap();
    for discovery in [plain, aggregated] {
        let (resource, capabilities) = discovery.get(group).unwrap().recommended_kind("Document").unwrap();
        assert_eq!((resource.plural.as_str(), resource.version.as_str()), ("documents", "v1"));
        assert_eq!(capabilities.scope, Scope::Namespaced);
        assert!([verbs::LIST, verbs::WATCH, verbs::PATCH].iter().all(|verb| capabilities.supports_operation(verb)));
        assert_eq!(capabilities.subresources.len(), 2);
        let (_, capabilities) = discovery.get("apps").unwrap().recommended_kind("Deployment").unwrap();
        let subresources: Vec<&str> =
            capabilities.subresources.iter().map(|(resource, _)| resource.plural.as_str()).collect();
        assert!(subresources.iter().any(|name| name.ends_with("scale")), "{subresources:?}");
    }
    assert_eq!(world.get("/apis/absent.parity.example.com/v1").await.code, 404);
}

async fn schemas_are_published_with_their_kinds(world: Arc<World>) {
    let path = format!("apis/{}", world.resource().api_version);
    // A real server publishes the schema of a new kind a moment after it serves it.
    let published = async {
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(100));
        loop {
            interval.tick().await;
            let index = world.get("/openapi/v3").await.body;
            if let Some(url) = index["paths"][&path]["serverRelativeURL"].as_str() {
                return url.to_owned();
            }
        }
    };
    let url = tokio::time::timeout(std::time::Duration::from_mins(1), published).await.unwrap();
    let document = world.get(&url).await.body;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let ours = |schema: &&Value| schema["x-kubernetes-group-version-kind"][0]["kind"] == "Document";
    let schema = schemas.values().find(ours).unwrap();
    assert_eq!(schema["properties"]["spec"]["properties"]["copies"]["description"], "How many copies are wanted.");
}

async fn an_event_of_either_group_is_one_object(world: Arc<World>) {
    let namespace = world.namespace();
    let (core, new) = (world.core_path("events"), format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events"));
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "printed"},
        "eventTime": "2026-01-02T03:04:05.000006Z", "reason": "Printed", "action": "Print", "type": "Normal",
        "note": "three copies", "reportingController": "parity.example.com/printer", "reportingInstance": "printer-1",
        "regarding": {"apiVersion": "v1", "kind": "ConfigMap", "name": "m", "namespace": namespace},
    });
    let created = world.send(Method::POST, &new, &[], &event).await;
    assert_eq!(created.code, 201, "{}", created.message());
    let old = world.get(&format!("{core}/printed")).await.body;
    assert_eq!((&old["apiVersion"], &old["message"]), (&json!("v1"), &json!("three copies")));
    assert_eq!(
        (&old["involvedObject"]["name"], &old["metadata"]["uid"]),
        (&json!("m"), &created.body["metadata"]["uid"])
    );
    let chosen = world.get(&format!("{core}?fieldSelector=involvedObject.name%3Dm,reason%3DPrinted")).await.body;
    assert_eq!(chosen["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.send(Method::DELETE, &format!("{core}/printed"), &[], &Value::Null).await.code, 200);
    assert_eq!(world.get(&format!("{new}/printed")).await.code, 404);
}

async fn a_body_of_unknown_format_is_refused(world: Arc<World>) {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = world.send(Method::POST, &world.documents_path(""), &headers, &json!({})).await;
    assert_eq!((answer.code, &answer.body["reason"]), (415, &json!("UnsupportedMediaType")));
}
