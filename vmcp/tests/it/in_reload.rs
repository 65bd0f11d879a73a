//! A configuration file that changes while a gateway serves.

use crate::in_backend::Backend;
use crate::in_support::{File, PATIENCE, Running, config, following, status};
use http::StatusCode;
use serde_json::{Value, json};

/// The tools of backend `a`, selected like this.
fn tools(selection: &Value) -> String {
    let mut tools = json!({"workload": "a"});
    tools.as_object_mut().unwrap().extend(selection.as_object().unwrap().clone());
    format!(
        "aggregation: {}\n",
        json!({"conflictResolution": "prefix",
        "conflictResolutionConfig": {"prefixFormat": "{workload}_"}, "tools": [tools]})
    )
}

/// Waits until `/status` says this.
async fn until_status(gateway: &Running, key: &str, expected: &str) {
    status(gateway, expected, |status| status[key] == expected).await;
}

/// Waits until `/status` says this of the file.
async fn until_configuration(gateway: &Running, expected: &str) {
    until_status(gateway, "configuration", expected).await;
}

#[tokio::test]
async fn a_session_hears_of_new_names_and_goes_on_with_them() {
    let backend = Backend::start(&["echo", "other"]).await;
    backend.offer(json!({"prompts": {}}));
    let file = File::new(&config(&[("a", &backend)], ""));
    let gateway = following(&file, None, &[]).await;
    let client = gateway.connected().await;
    assert_eq!(client.tool_names().await, ["a_echo", "a_other"]);
    client.request("prompts/list", json!({})).await;
    let mut told = client.listen().await;
    let asked = (backend.count("initialize"), backend.count("tools/list"));

    file.write(&config(
        &[("a", &backend)],
        &tools(&json!({"filter": ["say"], "overrides": {"echo": {"name": "say", "description": "Says it."}}})),
    ));
    assert_eq!(told.next().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(client.tool_names().await, ["a_say"]);
    assert!(client.call("a_say", json!({})).await.json()["result"].is_object());
    for gone in ["a_echo", "a_other"] {
        assert_eq!(client.call(gone, json!({})).await.error_code(), -32602, "{gone}");
    }
    let call = backend.journal().into_iter().rfind(|entry| entry.method == "tools/call").unwrap();
    assert!(call.body.contains(r#""name":"echo""#), "{}", call.body);
    let now = (backend.count("initialize"), backend.count("tools/list"));
    assert_eq!(now, asked, "the backend is the same, and so are its session and its list");

    // What shows nobody anything else is told to nobody: the next news are those of the change after it.
    let same = json!({"filter": ["say", "none"], "overrides": {"echo": {"name": "say", "description": "Says it."}}});
    file.write(&config(&[("a", &backend)], &tools(&same)).replace("engineering-tools", "others"));
    until_status(&gateway, "group_ref", "others").await;
    file.write(&config(&[], ""));
    let mut methods = [told.next().await.unwrap()["method"].clone(), told.next().await.unwrap()["method"].clone()];
    methods.sort_by_key(ToString::to_string);
    assert_eq!(methods, ["notifications/prompts/list_changed", "notifications/tools/list_changed"]);
    client.sees(&[]).await;
}

#[tokio::test]
async fn backends_come_and_go_and_the_others_keep_their_sessions() {
    let (one, two) = (Backend::start(&["echo"]).await, Backend::start(&["echo"]).await);
    let file = File::new(&config(&[("a", &one)], ""));
    let gateway = following(&file, None, &[]).await;
    let client = gateway.connected().await;
    assert!(client.call("a_echo", json!({})).await.json()["result"].is_object());
    file.write(&config(&[("a", &one), ("b", &two)], ""));
    client.sees(&["a_echo", "b_echo"]).await;
    assert!(client.call("b_echo", json!({})).await.json()["result"].is_object());
    assert!(client.call("a_echo", json!({})).await.json()["result"].is_object());
    file.write(&config(&[("b", &two)], ""));
    client.sees(&["b_echo"]).await;
    assert_eq!(client.call("a_echo", json!({})).await.error_code(), -32602);
    assert_eq!(
        (one.count("initialize"), two.count("initialize")),
        (2, 2),
        "one session of the client, one of the probe"
    );
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_changes_nothing() {
    let backend = Backend::start(&["echo"]).await;
    let good = config(&[("a", &backend)], "");
    let file = File::new(&good);
    let gateway = following(&file, None, &[]).await;
    let client = gateway.connected().await;
    until_configuration(&gateway, "current").await;
    let refused = [
        format!("{good}agregation: {{}}\n"),
        good.replace("http://127", "ftp://127"),
        format!("{good}telemetry: {{endpoint: 'http://otlp:4318'}}\n"),
        good.replace("{source: inline}", "{source: inline, default: {type: header_injection, headerInjection: {headerName: X, headerValueEnv: NOT_SET}}}"),
        String::new(),
    ];
    for text in refused {
        file.write(&text);
        until_configuration(&gateway, "refused").await;
        assert_eq!(client.tool_names().await, ["a_echo"], "{text}");
        file.write(&good);
        until_configuration(&gateway, "current").await;
    }
}

#[tokio::test]
async fn what_takes_a_restart_changes_nothing_until_then() {
    let backend = Backend::start(&["echo"]).await;
    let good = config(&[("a", &backend)], "");
    let file = File::new(&good);
    let gateway = following(&file, None, &[]).await;
    let client = gateway.connected().await;
    let hidden = tools(&json!({"excludeAll": true}));
    file.write(&format!("{}{hidden}", good.replace("name: engineering", "name: other")));
    until_configuration(&gateway, "restart_needed").await;
    assert_eq!(client.tool_names().await, ["a_echo"]);
    file.write(&format!("{good}{hidden}"));
    client.sees(&[]).await;
    until_configuration(&gateway, "current").await;
}

#[tokio::test]
async fn other_time_outs_and_failure_handling_count_for_new_calls() {
    let backend = Backend::start(&["echo", "hang"]).await;
    let file = File::new(&config(&[("a", &backend)], "operational: {timeouts: {default: 60s}}"));
    let gateway = following(&file, None, &[]).await;
    let client = gateway.connected().await;
    client.tool_names().await;
    let slow = gateway.connected().await;
    let under_way = tokio::spawn(async move { slow.call("a_hang", json!({})).await.json() });
    backend.saw("tools/call").await;
    let breaker = "circuitBreaker: {enabled: true, failureThreshold: 1, timeout: 3600s}";
    let handling = format!("{{healthCheckInterval: 3600s, unhealthyThreshold: 1, {breaker}}}");
    let timeouts = "{default: 60s, perWorkload: {a: 200ms}}";
    let changed =
        config(&[("a", &backend)], &format!("operational: {{timeouts: {timeouts}, failureHandling: {handling}}}\n"));
    file.write(&changed.replace("engineering-tools", "changed"));
    until_status(&gateway, "group_ref", "changed").await;
    let late = client.call("a_hang", json!({})).await;
    assert!(late.text.contains("200ms"), "{late:?}");
    backend.release();
    assert!(under_way.await.unwrap()["result"].is_object(), "a call goes by the time that it started with");
    backend.break_with(Some(StatusCode::BAD_GATEWAY));
    assert!(client.call("a_echo", json!({})).await.json()["error"].is_object());
    let shut = client.call("a_echo", json!({})).await;
    assert!(shut.text.contains("circuit_open"), "{shut:?}");
    // Another change leaves the backend's record as it is.
    file.write(&changed.replace("engineering-tools", "again"));
    until_status(&gateway, "group_ref", "again").await;
    let requests = backend.journal().len();
    assert!(client.call("a_echo", json!({})).await.text.contains("circuit_open"));
    assert_eq!(backend.journal().len(), requests);
}

#[tokio::test]
async fn headers_are_passed_on_as_soon_as_they_are_named() {
    let backend = Backend::start(&["echo"]).await;
    let file = File::new(&config(&[("a", &backend)], ""));
    let gateway = following(&file, None, &[]).await;
    let client = gateway.connected().await.with("x-tenant", "first");
    client.call("a_echo", json!({})).await;
    file.write(&config(&[("a", &backend)], "passthroughHeaders: [X-Tenant]"));
    let passed =
        || backend.journal().iter().any(|entry| entry.method == "tools/call" && entry.headers.contains_key("x-tenant"));
    let arrives = async {
        while !passed() {
            assert!(client.call("a_echo", json!({})).await.json()["result"].is_object());
        }
    };
    tokio::time::timeout(PATIENCE, arrives).await.unwrap();
}
