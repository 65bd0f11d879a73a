//! Which tools clients of a proxy see, and under which names.

use crate::in_support::File;
use crate::out_support::{Server, json_body, mcp, result};
use crate::proxy_support::{config, following, start};
use http::StatusCode;
use serde_json::json;

const TOOLS: &str = concat!(
    r#"{"tools":[{"name":"get_x","description":"Old.","inputSchema":{"b":1, "a":2}},{"name":"drop_all"},"#,
    r#"{"name":"keep"}],"nextCursor":"2"}"#
);

async fn server() -> Server {
    Server::plain(mcp(|recorded| {
        let answer =
            if recorded.what() == "tools/list" { TOOLS.to_owned() } else { recorded.json()["params"].to_string() };
        json_body(result(recorded, &answer))
    }))
    .await
}

#[tokio::test]
async fn tools_are_filtered_and_renamed_in_lists_and_calls() {
    let server = server().await;
    let tools = json!({
        "filter": ["lookup", "keep"],
        "overrides": {"get_x": {"name": "lookup", "description": "Looks X up."}}
    });
    let proxy = start(&config(&server, json!({ "tools": tools }))).await;
    let client = proxy.connected().await;
    let listed = client.request("tools/list", json!({"cursor": "1"})).await;
    let expected = concat!(
        r#"{"tools":[{"name":"lookup","description":"Looks X up.","inputSchema":{"b":1, "a":2}},{"name":"keep"}],"#,
        r#""nextCursor":"2"}"#
    );
    assert_eq!(listed.text, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{expected}}}"#));
    let asked = server.wait_for(|recorded| recorded.what() == "tools/list").await;
    assert_eq!(asked.json()["params"]["cursor"], "1", "pages are the server's own");
    let called = client.call("lookup", json!({"k": 1})).await;
    assert_eq!(called.json()["result"], json!({"name": "get_x", "arguments": {"k": 1}}));
    assert_eq!(client.call("keep", json!({})).await.json()["result"]["name"], "keep");
    for unknown in ["get_x", "drop_all", "nothing"] {
        let refused = client.call(unknown, json!({})).await;
        assert_eq!((refused.status, refused.error_code()), (StatusCode::OK, -32602), "{unknown}");
        assert_eq!(refused.json()["error"]["message"], format!("Unknown tool: {unknown}"));
    }
    let calls = server.methods().iter().filter(|method| *method == "tools/call").count();
    assert_eq!(calls, 2, "the server has not heard of the others");
}

#[tokio::test]
async fn without_a_selection_lists_go_through_as_they_are() {
    let server = server().await;
    let proxy = start(&config(&server, json!({}))).await;
    let listed = proxy.connected().await.request("tools/list", json!({})).await;
    assert_eq!(listed.text, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{TOOLS}}}"#));
}

#[tokio::test]
async fn another_selection_is_told_to_the_session_that_goes_on_with_it() {
    let server = server().await;
    let with = |tools: serde_json::Value| config(&server, json!({ "tools": tools })).to_string();
    let file = File::new(&with(json!({"filter": ["keep"]})));
    let proxy = following(&file, None).await;
    let client = proxy.connected().await;
    assert_eq!(client.tool_names().await, ["keep"]);
    let mut told = client.listen().await;
    file.write(&with(json!({"filter": ["lookup"], "overrides": {"get_x": {"name": "lookup"}}})));
    assert_eq!(told.next().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(client.tool_names().await, ["lookup"]);
    assert_eq!(client.call("lookup", json!({})).await.json()["result"]["name"], "get_x");
    assert_eq!(client.call("keep", json!({})).await.error_code(), -32602);
    let sessions = server.methods().iter().filter(|method| *method == "initialize").count();
    assert_eq!(sessions, 1);
}
