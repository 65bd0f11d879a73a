//! What a modern server does wrong, as it is on the wire.

use serde_json::{Value, json};

use super::client::Modern;
use crate::client::world;

const SERVER: &str = "http://mcp.example.com/mcp";

/// A modern server with this fault.
fn yaml(fault: &str) -> String {
    format!(
        "
servers:
  - url: {SERVER}
    protocolVersions: [2026-07-28]
    tools:
      - {{name: ask, steps: [{{ask: {{where: {{roots: {{}}}}}}}}], answer: {{text: done}}}}
      - name: marked
        inputSchema: {{type: object, properties: {{a: {{type: string, x-mcp-header: Same}}, b: {{type: string, x-mcp-header: same}}, c: {{type: number, x-mcp-header: bad name}}}}}}
    faults: [{fault}]
"
    )
}

#[tokio::test]
async fn a_result_is_not_what_the_revision_asks_for() {
    for (fault, path, expected) in [
        ("{does: {merge: {result: {resultType: null}}}}", "/result/resultType", None),
        ("{does: {merge: {result: {resultType: mystery}}}}", "/result/resultType", Some(json!("mystery"))),
        ("{does: {merge: {result: {ttlMs: -1}}}}", "/result/ttlMs", Some(json!(-1))),
        ("{does: {merge: {result: {cacheScope: null}}}}", "/result/cacheScope", None),
        ("{does: {merge: {result: {_meta: null}}}}", "/result/_meta", None),
    ] {
        let (_simulator, handle) = world(&yaml(fault)).await;
        let answer = Modern::new(&handle, SERVER).call("tools/list", json!({})).await;
        assert_eq!(answer.pointer(path), expected.as_ref(), "{fault}");
    }
}

#[tokio::test]
async fn a_state_that_a_fault_changed_comes_back_in_vain() {
    let (_simulator, handle) =
        world(&yaml("{on: {tool: ask}, times: 1, does: {merge: {result: {requestState: changed}}}}")).await;
    let mut client = Modern::new(&handle, SERVER);
    client.capabilities = json!({"roots": {}});
    let state = client.call_tool("ask", json!({})).await["result"]["requestState"].clone();
    assert_eq!(state, "changed");
    let inputs = json!({"where": {"roots": []}});
    let again = json!({"name": "ask", "arguments": {}, "inputResponses": inputs, "requestState": state});
    assert_eq!(client.call("tools/call", again).await["error"]["code"], -32602);
}

#[tokio::test]
async fn a_server_denies_a_revision_that_it_tells_of() {
    let refusal = r#"'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32022, "message": "no", "data": {"supported": ["2099-01-01"], "requested": "2026-07-28"}}}'"#;
    let respond = format!("{{status: 400, headers: {{Content-Type: application/json}}, body: {refusal}}}");
    let (_simulator, handle) = world(&yaml(&format!("{{skip: 1, does: {{respond: {respond}}}}}"))).await;
    let client = Modern::new(&handle, SERVER);
    let discovered = client.call("server/discover", json!({})).await;
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28"]));
    let (status, answer) = client.request(1, "tools/list", json!({})).send().await;
    assert_eq!((status, &answer["error"]["data"]["supported"]), (400, &json!(["2099-01-01"])));
}

#[tokio::test]
async fn marks_of_headers_that_break_the_rules_are_listed_and_not_asked_for() {
    let (_simulator, handle) = world(&yaml("{on: {http: NONE}, does: hang}")).await;
    let client = Modern::new(&handle, SERVER);
    let tools = client.call("tools/list", json!({})).await["result"]["tools"].clone();
    let marks: Vec<&Value> =
        ["a", "b", "c"].iter().map(|name| &tools[1]["inputSchema"]["properties"][name]["x-mcp-header"]).collect();
    assert_eq!(marks, ["Same", "same", "bad name"]);
    // Clients must drop such a tool. Who calls it all the same is held to the marks that can be headers.
    let call = client.request(1, "tools/call", json!({"name": "marked", "arguments": {"c": 1}}));
    assert_eq!(call.refused().await, (200, None));
}
