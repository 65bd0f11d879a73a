//! Inputs that a call needs of its client, in rounds.

use serde_json::{Value, json};
use simulator::TokenRequest;

use super::client::Modern;
use crate::client::world;

const SERVER: &str = "http://mcp.example.com/mcp";
const WORLD: &str = "
servers:
  - url: http://mcp.example.com/mcp
    protocolVersions: [2026-07-28]
    tools:
      - name: book
        steps:
          - ask:
              who: {elicit: {message: Who?, requestedSchema: {type: object, properties: {name: {type: string}}, required: [name]}}}
          - ask:
              where: {roots: {}}
              greeting: {sample: {messages: [], maxTokens: 10}}
        answer: {text: '${who.content.name} in ${where.roots.0.uri}: ${greeting.content.text}, ${argument:n}'}
      - name: modest
        steps:
          - ask:
              asked: {sample: {messages: [], maxTokens: 10}, optional: true}
              left: {elicit: {message: Who?, requestedSchema: {type: object}}, optional: true}
        answer: {text: '${asked.content.text}|${left.action}'}
    prompts:
      - {name: ask, steps: [{ask: {context: {elicit: {message: Which?, requestedSchema: {type: object}}}}}], messages: [{role: user, content: {type: text, text: '${context.content.context}'}}]}
    resources:
      - {uri: 'test://asked', steps: [{ask: {who: {elicit: {message: Who?, requestedSchema: {type: object}}}}}], text: 'for ${who.action}'}
";

fn who() -> Value {
    json!({"action": "accept", "content": {"name": "Alice"}})
}

fn roots() -> Value {
    json!({"roots": [{"uri": "file:///home"}]})
}

fn greeting() -> Value {
    json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "hello"}})
}

/// A call of `book` that goes on with these inputs.
fn book(responses: &Value, state: &Value) -> Value {
    let mut params = json!({"name": "book", "arguments": {"n": 1}, "inputResponses": responses});
    if !state.is_null() {
        params["requestState"] = state.clone();
    }
    params
}

fn client(handle: &simulator::WorldHandle) -> Modern {
    let mut client = Modern::new(handle, SERVER);
    client.capabilities = json!({"elicitation": {}, "sampling": {}, "roots": {}});
    client
}

#[tokio::test]
async fn each_round_asks_and_the_last_answers() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle);
    let first = client.call_tool("book", json!({"n": 1})).await["result"].clone();
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(first["inputRequests"]["who"]["method"], "elicitation/create");
    assert_eq!(first["inputRequests"]["who"]["params"]["message"], "Who?");
    assert!(first["requestState"].is_string());
    assert!(first.get("ttlMs").is_none());

    let second =
        client.call("tools/call", book(&json!({"who": who()}), &first["requestState"])).await["result"].clone();
    assert_eq!(second["resultType"], "input_required");
    assert_eq!(second["inputRequests"]["where"], json!({"method": "roots/list", "params": {}}));
    assert_eq!(second["inputRequests"]["greeting"]["method"], "sampling/createMessage");
    assert_ne!(second["requestState"], first["requestState"]);

    let inputs = json!({"where": roots(), "greeting": greeting(), "unasked": 1});
    let last = client.call("tools/call", book(&inputs, &second["requestState"])).await["result"].clone();
    assert_eq!(last["resultType"], "complete");
    assert_eq!(last["content"][0]["text"], "Alice in file:///home: hello, 1");
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_asked_again() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle);
    let first = client.call_tool("book", json!({"n": 1})).await["result"].clone();
    for wrong in
        [json!({}), json!({"other": who()}), json!({"who": 12345}), json!({"who": {"action": "accept", "content": {}}})]
    {
        let again = client.call("tools/call", book(&wrong, &first["requestState"])).await["result"].clone();
        assert_eq!(again["inputRequests"], first["inputRequests"], "{wrong}");
    }
    let none = client.call("tools/call", book(&Value::Null, &first["requestState"])).await;
    assert_eq!(none["error"]["code"], -32602);

    // A round may be answered in parts: what came is remembered.
    let second =
        client.call("tools/call", book(&json!({"who": who()}), &first["requestState"])).await["result"].clone();
    let part =
        client.call("tools/call", book(&json!({"where": roots()}), &second["requestState"])).await["result"].clone();
    assert_eq!(part["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["greeting"]);
    let last = client.call("tools/call", book(&json!({"greeting": greeting()}), &part["requestState"])).await;
    assert_eq!(last["result"]["content"][0]["text"], "Alice in file:///home: hello, 1");
    // Before the first round there is nothing to remember, and answers to later rounds were not asked for.
    let all = json!({"who": who(), "where": roots(), "greeting": greeting()});
    let early = client.call("tools/call", book(&all, &Value::Null)).await["result"].clone();
    assert_eq!(early["inputRequests"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn a_state_that_was_changed_or_belongs_to_another_request_is_refused() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle);
    let state = client.call_tool("book", json!({"n": 1})).await["result"]["requestState"].clone();
    let changed = json!(format!("{}-TAMPERED", state.as_str().unwrap()));
    let mut other_arguments = book(&json!({"who": who()}), &state);
    other_arguments["arguments"] = json!({"n": 2});
    let mut other_tool = book(&json!({"who": who()}), &state);
    other_tool["name"] = json!("modest");
    for wrong in [book(&json!({"who": who()}), &changed), book(&json!({}), &json!(7)), other_arguments, other_tool] {
        let answer = client.call("tools/call", wrong.clone()).await;
        assert_eq!(answer["error"]["code"], -32602, "{wrong}");
        assert!(handle.journal().entries().last().unwrap().verdict.as_ref().unwrap().contains("requestState"));
    }
}

#[tokio::test]
async fn a_state_belongs_to_the_principal_who_got_it() {
    let (_simulator, handle) = world(
        "
authorizationServers: [{host: idp.example.com, users: [alice, bob]}]
servers:
  - url: http://mcp.example.com/mcp
    protocolVersions: [2026-07-28]
    accepts: {issuer: idp.example.com, audience: mcp}
    tools: [{name: ask, steps: [{ask: {where: {roots: {}}}}], answer: {text: '${subject}'}}]
",
    )
    .await;
    let mut client = client(&handle);
    let token = |name: &str| handle.token(&TokenRequest::new("idp.example.com", name, "mcp")).unwrap();
    client.token = Some(token("alice"));
    let state = client.call_tool("ask", json!({})).await["result"]["requestState"].clone();
    let params = json!({"name": "ask", "arguments": {}, "inputResponses": {"where": roots()}, "requestState": state});
    client.token = Some(token("bob"));
    assert_eq!(client.call("tools/call", params.clone()).await["error"]["code"], -32602);
    client.token = Some(token("alice"));
    assert_eq!(client.call("tools/call", params).await["result"]["content"][0]["text"], "alice");
}

#[tokio::test]
async fn a_client_is_not_asked_for_what_it_has_not_declared() {
    let (_simulator, handle) = world(WORLD).await;
    let mut client = client(&handle);
    client.capabilities = json!({"elicitation": {}});
    let (status, answer) = client.request(1, "tools/call", json!({"name": "book", "arguments": {}})).send().await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32021)));
    assert_eq!(answer["error"]["data"]["requiredCapabilities"], json!({"roots": {}, "sampling": {}}));

    // It is left alone where the question is optional.
    client.capabilities = json!({"sampling": {}});
    let first = client.call_tool("modest", json!({})).await["result"].clone();
    assert_eq!(first["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["asked"]);
    let inputs = json!({"name": "modest", "arguments": {}, "inputResponses": {"asked": greeting()}, "requestState": first["requestState"]});
    assert_eq!(client.call("tools/call", inputs).await["result"]["content"][0]["text"], "hello|");
}

#[tokio::test]
async fn prompts_and_resources_ask_too() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle);
    for (method, key, name, input, path, text) in [
        ("prompts/get", "name", "ask", "context", "/messages/0/content/text", "x"),
        ("resources/read", "uri", "test://asked", "who", "/contents/0/text", "for accept"),
    ] {
        let first = client.call(method, json!({ key: name })).await["result"].clone();
        assert_eq!(first["resultType"], "input_required", "{method}");
        let answer = json!({"action": "accept", "content": {"context": "x"}});
        let params = json!({key: name, "inputResponses": {input: answer}, "requestState": first["requestState"]});
        assert_eq!(client.call(method, params).await["result"].pointer(path), Some(&json!(text)), "{method}");
    }
}
