//! The control of faults over HTTP.

use embedded_cluster::ApiServer;
use http::Request;
use kube::Client;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::api_support::refusal;

async fn send(client: &Client, method: &str, path: &str, body: Value) -> kube::Result<Value> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    client.request(Request::builder().method(method).uri(path).body(body).unwrap()).await
}

#[tokio::test]
async fn faults_are_added_listed_and_cleared() {
    let server = ApiServer::default();
    let client = server.client("default");
    let all = json!({"fault": "status=500"});
    assert_eq!(send(&client, "POST", "/embedded/faults", all).await.unwrap(), json!({"id": 1}));
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::default_namespaced(client.clone());
    assert_eq!(refusal(maps.list(&ListParams::default()).await).0, 500);
    // The control itself does not fail.
    let list = send(&client, "GET", "/embedded/faults", Value::Null).await.unwrap();
    assert_eq!(list, json!({"faults": [{"id": 1, "fault": "status=500", "met": 1}], "controllers": []}));
    assert_eq!(refusal(send(&client, "DELETE", "/embedded/faults/2", Value::Null).await).0, 404);
    assert_eq!(send(&client, "DELETE", "/embedded/faults/1", Value::Null).await.unwrap(), json!({"cleared": 1}));
    maps.list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let server = ApiServer::default();
    let client = server.client("default");
    let wrong = [
        ("POST", "/embedded/faults", json!({"fault": "status=1"}), 400, "status=1 is not an HTTP code"),
        ("POST", "/embedded/faults", json!({"faults": []}), 400, "the body is not as expected: unknown field"),
        ("POST", "/embedded/drop-watches", json!({"resource": "nothing"}), 404, "the server serves no resource"),
        ("POST", "/embedded/controllers/x/pause", Value::Null, 404, "no controller is called \"x\"; none run here"),
        ("POST", "/embedded/pods/a/b/kill", Value::Null, 404, "no process of a/b runs; no container runs"),
        ("POST", "/embedded/nothing", Value::Null, 404, ""),
    ];
    for (method, path, body, code, begin) in wrong {
        let (got, _, message) = refusal(send(&client, method, path, body).await);
        assert!(got == code && message.starts_with(begin), "{path}: {got} {message}");
    }
}

#[tokio::test]
async fn nobody_but_administrators_controls_faults() {
    let server = ApiServer::default();
    let client = server.client_with_token(&server.issue_token("default", "default"), "default");
    let (code, ..) = refusal(send(&client, "POST", "/embedded/compact", Value::Null).await);
    assert!(code == 401 || code == 403, "{code}");
}
