//! Calls that backends answer with a task (extension `io.modelcontextprotocol/tasks`), behind clients without sessions.

use crate::in_backend::Backend;
use crate::in_oidc::{self, Issuer};
use crate::in_support::{ANONYMOUS, Client, File, PATIENCE, Running, following, gateway, health};
use crate::in_world::{BACKENDS, World};
use crate::modern_support::meta;
use http::StatusCode;
use serde_json::{Value, json};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const SERVER: &str = "http://mcp.example.com/mcp";
const WORLD: &str = "
servers:
  - url: http://mcp.example.com/mcp
    protocolVersions: [2026-07-28]
    tools:
      - {name: slow, steps: [{task: {ttl: 1h, poll: 250ms}}, {wait: 5m}], answer: {text: 'for ${argument:who}'}}
      - {name: fails, steps: [{task: {required: true}}], answer: {error: {code: -31999, message: no, data: {why: x}}}}
      - name: asks
        steps: [{task: {}}, {ask: {who: {elicit: {message: Who?, requestedSchema: {type: object}}}}}]
        answer: {text: '${who.action}'}
      - {name: later, steps: [{ask: {who: {elicit: {message: Who?, requestedSchema: {type: object}}}}}, {task: {}}], answer: {text: '${who.action}'}}
      - {name: plain, answer: {text: plain}}
";

fn knowing() -> Value {
    json!({"elicitation": {}, "extensions": {EXTENSION: {}}})
}

/// A client that knows tasks.
struct Knowing(Client);

impl Knowing {
    async fn ask(&self, method: &str, mut params: Value) -> Value {
        params["_meta"] = meta(&knowing());
        self.0.ask(method, params).await.json()
    }

    async fn begin(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await;
        assert_eq!(answer["result"]["resultType"], "task", "{answer}");
        answer["result"].clone()
    }

    async fn get(&self, id: &Value) -> Value {
        self.ask("tasks/get", json!({"taskId": id})).await["result"].clone()
    }
}

async fn started() -> (World, Running) {
    let world = World::start(WORLD).await;
    let gateway = world.gateway("").await;
    health(&gateway, "b", "healthy").await;
    (world, gateway)
}

#[tokio::test]
async fn a_task_is_its_clients_under_a_name_of_the_gateways() {
    let (world, gateway) = started().await;
    let client = Knowing(gateway.client());
    let begun = client.begin("b_slow", json!({"who": "alice"})).await;
    assert_eq!((&begun["status"], &begun["ttlMs"]), (&json!("working"), &json!(3_600_000)));
    let id = &begun["taskId"];
    let working = client.get(id).await;
    assert_eq!((&working["taskId"], &working["status"]), (id, &json!("working")));
    assert_eq!(working["resultType"], "complete");
    world.change("advanceClock: 5m").await;
    let done = client.get(id).await;
    assert_eq!((&done["taskId"], &done["status"]), (id, &json!("completed")));
    assert_eq!(done["result"]["content"][0]["text"], "for alice");
    let asked = world.of("tasks/get");
    let params = asked[0].body.params().unwrap();
    let own = params["taskId"].as_str().unwrap();
    assert_eq!(asked[0].headers["mcp-name"], own);
    assert!(own != id.as_str().unwrap() && asked.len() == 2, "{own}");
    assert_eq!(params["_meta"]["io.modelcontextprotocol/clientCapabilities"], knowing());
    // The backend's own name is nobody's here.
    assert_eq!(client.ask("tasks/get", json!({"taskId": own})).await["error"]["code"], -32602);
    assert_eq!(world.count("tasks/get"), 2);
    world.change("advanceClock: 1h").await;
    assert_eq!(client.ask("tasks/get", json!({"taskId": id})).await["error"]["code"], -32602, "it has expired");
    assert!(world.refusals().iter().all(|refusal| refusal[0] == "tasks/get"), "{:?}", world.refusals());
}

#[tokio::test]
async fn a_task_is_answered_cancelled_and_fails() {
    let (_world, gateway) = started().await;
    let client = Knowing(gateway.client());
    let asks = client.begin("b_asks", json!({})).await["taskId"].clone();
    let asking = client.get(&asks).await;
    assert_eq!(asking["status"], "input_required", "{asking}");
    assert_eq!(asking["inputRequests"]["who"]["method"], "elicitation/create");
    let inputs = json!({"taskId": asks, "inputResponses": {"who": {"action": "decline"}}});
    assert_eq!(client.ask("tasks/update", inputs).await["result"]["resultType"], "complete");
    assert_eq!(client.get(&asks).await["result"]["content"][0]["text"], "decline");

    let fails = client.begin("b_fails", json!({})).await["taskId"].clone();
    let failed = client.get(&fails).await;
    assert_eq!(failed["error"], json!({"code": -31999, "message": "no", "data": {"why": "x"}}), "{failed}");

    let slow = client.begin("b_slow", json!({})).await["taskId"].clone();
    let acknowledged = client.ask("tasks/cancel", json!({"taskId": slow})).await["result"].clone();
    assert_eq!((&acknowledged["resultType"], acknowledged.get("taskId")), (&json!("complete"), None));
    assert_eq!(client.get(&slow).await["status"], "cancelled");

    let first = client.ask("tools/call", json!({"name": "b_later", "arguments": {}})).await["result"].clone();
    assert_eq!(first["resultType"], "input_required");
    let inputs = json!({"who": {"action": "cancel"}});
    let again =
        json!({"name": "b_later", "arguments": {}, "inputResponses": inputs, "requestState": first["requestState"]});
    let begun = client.ask("tools/call", again).await["result"].clone();
    assert_eq!(begun["resultType"], "task", "{begun}");
    assert_eq!(client.get(&begun["taskId"]).await["result"]["content"][0]["text"], "cancel");
}

#[tokio::test]
async fn tasks_are_for_clients_that_declare_them() {
    let (world, gateway) = started().await;
    let client = gateway.client();
    let discovered = client.ask("server/discover", json!({})).await.json()["result"]["capabilities"].clone();
    assert_eq!(discovered["extensions"], json!({EXTENSION: {}}), "{discovered}");
    // Whoever has not declared them gets the result, or is told why there is none.
    let plain = client.ask_tool("b_asks", json!({})).await;
    assert_eq!((plain.status, plain.error_code()), (StatusCode::BAD_REQUEST, -32021), "it needs inputs");
    let required = client.ask_tool("b_fails", json!({})).await;
    assert_eq!((required.status, required.error_code()), (StatusCode::BAD_REQUEST, -32021));
    let needed = json!({"extensions": {EXTENSION: {}}});
    assert_eq!(required.json()["error"]["data"]["requiredCapabilities"], needed);
    let id = Knowing(gateway.client()).begin("b_slow", json!({})).await["taskId"].clone();
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let refused = client.ask(method, json!({"taskId": id})).await;
        assert_eq!((refused.status, refused.error_code()), (StatusCode::BAD_REQUEST, -32021), "{method}");
        assert_eq!(refused.json()["error"]["data"]["requiredCapabilities"], needed);
        assert_eq!(world.count(method), 0);
    }
    let listen = client.ask("subscriptions/listen", json!({"notifications": {"taskIds": [id]}})).await;
    assert_eq!((listen.status, listen.error_code()), (StatusCode::BAD_REQUEST, -32021));
    for method in ["tasks/result", "tasks/list"] {
        let unknown = client.ask(method, json!({"taskId": id, "_meta": meta(&knowing())})).await;
        assert_eq!((unknown.status, unknown.error_code()), (StatusCode::NOT_FOUND, -32601), "{method}");
    }
    let params = json!({"taskId": id, "_meta": meta(&knowing())});
    let misnamed = client.mirroring("tasks/get", &params).with("mcp-name", "other").request("tasks/get", params).await;
    assert_eq!((misnamed.status, misnamed.error_code()), (StatusCode::BAD_REQUEST, -32020));
}

#[tokio::test]
async fn a_task_that_may_not_be_is_no_result() {
    let backend = Backend::start(&["begins"]).await;
    backend.offer(json!({"prompts": {}}));
    backend.set_items("prompts/list", vec![r#"{"name":"begins"}"#.to_owned()]);
    backend.reply("prompts/get", r#""result":{"resultType":"task","taskId":"t"}"#);
    let gateway = gateway(&[("b", &backend)], "").await;
    let params = |declared: Value| json!({"name": "b_begins", "arguments": {}, "_meta": meta(&declared)});
    for (method, declared, result) in [
        ("tools/call", json!({"extensions": {"x/y": {}}}), r#""result":{"resultType":"task","taskId":"t"}"#),
        ("tools/call", knowing(), r#""result":{"resultType":"task"}"#),
        ("prompts/get", knowing(), "not asked for"),
    ] {
        backend.script("begins", result);
        let error = gateway.client().ask(method, params(declared)).await.json()["error"].clone();
        assert_eq!((&error["code"], &error["data"]["cause"]), (&json!(-32603), &json!("protocol")), "{method} {error}");
    }
}

#[tokio::test]
async fn where_no_backend_has_tasks_nobody_knows_them() {
    let world = World::start(&WORLD.replace("2026-07-28", "2025-11-25")).await;
    let gateway = world.gateway("").await;
    health(&gateway, "b", "healthy").await;
    let client = Knowing(gateway.client());
    let discovered = client.ask("server/discover", json!({})).await["result"]["capabilities"].clone();
    assert_eq!(discovered.get("extensions"), None, "{discovered}");
    let answer = client.0.ask("tasks/get", json!({"taskId": "x", "_meta": meta(&knowing())})).await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::NOT_FOUND, -32601));
    let plain = client.ask("tools/call", json!({"name": "b_plain", "arguments": {}})).await;
    assert_eq!(plain["result"]["content"][0]["text"], "plain", "{plain}");
}

#[tokio::test]
async fn to_anyone_else_a_task_does_not_exist() {
    let (issuer, world) = (Issuer::start().await, World::start(WORLD).await);
    let gateway = world.gateway_of(&format!("{}{BACKENDS}", in_oidc::config(&issuer)), &[]).await;
    let user = |name: &str| {
        let mut client = gateway.client();
        client.set("authorization", &format!("Bearer {}", issuer.token(name)));
        Knowing(client)
    };
    let (alice, bob) = (user("alice"), user("bob"));
    let id = alice.begin("b_slow", json!({})).await["taskId"].clone();
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let refused = bob.ask(method, json!({"taskId": id, "inputResponses": {}})).await;
        assert_eq!(refused["error"]["code"], -32602, "{method} {refused}");
        assert_eq!(world.count(method), 0);
    }
    assert_eq!(alice.get(&id).await["status"], "working");
}

#[tokio::test]
async fn whoever_has_the_key_finds_the_task() {
    let world = World::start(WORLD).await;
    let key = File::new(&"k".repeat(32));
    let flag = format!("--seal-key-file={}", key.path.display());
    let (config, flags) = (format!("{ANONYMOUS}{BACKENDS}"), [flag.as_str()]);
    let (one, two) = tokio::join!(world.gateway_of(&config, &flags), world.gateway_of(&config, &flags));
    let id = Knowing(one.client()).begin("b_slow", json!({})).await["taskId"].clone();
    drop(one);
    assert_eq!(Knowing(two.client()).get(&id).await["status"], "working");
    let other = world.gateway("").await;
    assert_eq!(Knowing(other.client()).ask("tasks/get", json!({"taskId": id})).await["error"]["code"], -32602);
}

#[tokio::test]
async fn the_task_of_a_backend_that_is_gone_is_gone_with_it() {
    let world = World::start(WORLD).await;
    let file = File::new(&format!("{ANONYMOUS}{BACKENDS}"));
    let flags = world.flags();
    let gateway = following(&file, None, &flags.each_ref().map(String::as_str)).await;
    let client = Knowing(gateway.client());
    let id = client.begin("b_slow", json!({})).await["taskId"].clone();
    let moved = BACKENDS.replace("mcp.example.com", "other.example.com");
    for backends in ["\nbackends: []\n", &moved] {
        file.write(&format!("{ANONYMOUS}{BACKENDS}"));
        let known = async { while client.get(&id).await["status"] != "working" {} };
        tokio::time::timeout(PATIENCE, known).await.unwrap();
        file.write(&format!("{ANONYMOUS}{backends}"));
        let gone = async {
            loop {
                let answer = client.ask("tasks/get", json!({"taskId": id})).await;
                if answer["error"].is_object() {
                    return answer["error"].clone();
                }
            }
        };
        let gone = tokio::time::timeout(PATIENCE, gone).await.unwrap();
        assert_eq!((&gone["code"], &gone["data"]["backend"]), (&json!(-32602), &json!("b")), "{gone}");
    }
}

#[tokio::test]
async fn how_tasks_fare_is_told_to_whoever_listens() {
    let (world, gateway) = started().await;
    let client = Knowing(gateway.client());
    let slow = client.begin("b_slow", json!({"who": "alice"})).await["taskId"].clone();
    let asks = client.begin("b_asks", json!({})).await["taskId"].clone();
    let unheard = client.begin("b_asks", json!({})).await["taskId"].clone();
    let listen = json!({
        "notifications": {"taskIds": [slow, asks, "unknown"], "toolsListChanged": true},
        "_meta": meta(&knowing()),
    });
    let mut events = client.0.ask_streamed(json!("l"), "subscriptions/listen", listen).await;
    let acknowledged = events.next().await.unwrap()["params"]["notifications"].clone();
    let mut agreed = acknowledged["taskIds"].as_array().unwrap().clone();
    agreed.sort_by_key(|id| *id != slow);
    assert_eq!((json!(agreed), &acknowledged["toolsListChanged"]), (json!([slow, asks]), &json!(true)));
    for id in [&unheard, &asks] {
        client.ask("tasks/cancel", json!({"taskId": id})).await;
    }
    let cancelled = events.next().await.unwrap();
    assert_eq!(cancelled["method"], "notifications/tasks");
    assert_eq!((&cancelled["params"]["taskId"], &cancelled["params"]["status"]), (&asks, &json!("cancelled")));
    assert_eq!(cancelled["params"]["_meta"], json!({"io.modelcontextprotocol/subscriptionId": "l"}));
    world.change("advanceClock: 5m").await;
    let completed = events.next().await.unwrap()["params"].clone();
    assert_eq!((&completed["taskId"], &completed["status"]), (&slow, &json!("completed")));
    assert_eq!(completed["result"]["content"][0]["text"], "for alice");
    world.change(&format!("announce: {{server: '{SERVER}', about: tools}}")).await;
    assert_eq!(events.next().await.unwrap()["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn a_proxy_passes_tasks_as_they_are() {
    let world = World::start(WORLD).await;
    let proxy = world.proxy(json!({})).await;
    let client = Knowing(proxy.client());
    let id = client.begin("slow", json!({})).await["taskId"].clone();
    assert_eq!(client.get(&id).await["status"], "working");
    assert_eq!(world.of("tasks/get")[0].body.params().unwrap()["taskId"], id);
    assert!(world.refusals().is_empty(), "{:?}", world.refusals());
}
