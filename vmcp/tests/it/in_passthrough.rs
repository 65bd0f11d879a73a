//! Headers of clients that are passed on to every backend.

use crate::in_backend::{Backend, Entry};
use crate::in_support::{ANONYMOUS, Running, start};
use serde_json::json;

/// A gateway in front of `one` and `two`, of which the second has a header of its own.
async fn gateway(one: &Backend, two: &Backend) -> Running {
    let backends = json!([
        {"name": "one", "url": one.url, "transport": "streamable-http"},
        {"name": "two", "url": two.url, "transport": "streamable-http", "headers": {"X-Tenant": "configured"}},
    ]);
    start(&format!("{ANONYMOUS}\nbackends: {backends}\npassthroughHeaders: [x-tenant]"), &[]).await
}

/// The values of a header in the calls that arrived.
fn sent(backend: &Backend, header: &str) -> Vec<Option<String>> {
    let calls = backend.journal().into_iter().filter(|entry| entry.method == "tools/call");
    let value = |entry: Entry| entry.headers.get(header).map(|value| value.to_str().unwrap().to_owned());
    calls.map(value).collect()
}

#[tokio::test]
async fn each_call_passes_on_the_named_headers_that_it_came_with() {
    let (one, two) = (Backend::start(&["echo"]).await, Backend::start(&["echo"]).await);
    let gateway = gateway(&one, &two).await;
    let client = gateway.connected().await.with("x-other", "other");
    for tenant in ["first", "second", ""] {
        let client = client.with("x-tenant", tenant);
        client.call("one_echo", json!({})).await;
        client.call("two_echo", json!({})).await;
    }
    let values = |values: [Option<&str>; 3]| values.map(|value| value.map(str::to_owned)).to_vec();
    assert_eq!(sent(&one, "x-tenant"), values([Some("first"), Some("second"), None]));
    assert_eq!(sent(&two, "x-tenant"), values([Some("configured"); 3]), "a client does not replace it");
    assert_eq!(sent(&one, "x-other"), values([None; 3]));
}

#[tokio::test]
async fn lists_are_asked_for_with_the_headers_of_each_client() {
    let (one, two) = (Backend::start(&["echo"]).await, Backend::start(&["echo"]).await);
    let gateway = gateway(&one, &two).await;
    let client = gateway.connected().await;
    for tenant in ["first", "first", "second"] {
        client.with("x-tenant", tenant).tool_names().await;
    }
    let lists = one.journal().into_iter().filter(|entry| entry.method == "tools/list");
    let tenants: Vec<_> = lists.filter_map(|entry| entry.headers.get("x-tenant").cloned()).collect();
    assert_eq!(tenants, ["first", "second"], "clients with the same headers share a list");
}
