//! Prompts, resources and templates of many backends through one endpoint.

use crate::in_backend::Backend;
use crate::in_support::{Client, Running, eventually, gateway};
use http::StatusCode;
use serde_json::{Value, json};

/// A backend with prompts and resources of these names.
async fn library(prompts: &[&str], resources: &[&str], templates: &[&str]) -> Backend {
    let backend = Backend::start(&[]).await;
    backend.offer(json!({"prompts": {}, "resources": {"subscribe": true}, "completions": {}}));
    let items = |key: &str, names: &[&str]| names.iter().map(|name| json!({ key: name }).to_string()).collect();
    backend.set_items("prompts/list", items("name", prompts));
    backend.set_items("resources/list", items("uri", resources));
    backend.set_items("resources/templates/list", items("uriTemplate", templates));
    for method in ["prompts/get", "resources/read", "resources/subscribe", "resources/unsubscribe"] {
        backend.reply(method, &format!(r#""result":{{"from":"{}"}}"#, backend.url));
    }
    backend.reply("completion/complete", r#""result":{"completion":{"values":["a"]}}"#);
    backend
}

async fn listed(client: &Client, method: &str, member: &str, key: &str) -> Vec<String> {
    let answer = client.request(method, json!({})).await.json();
    let items = answer["result"][member].as_array().unwrap_or_else(|| panic!("no {member} in {answer}"));
    items.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

async fn prompts(client: &Client) -> Vec<String> {
    listed(client, "prompts/list", "prompts", "name").await
}

/// Who answered, or the code of the error.
async fn answered(client: &Client, method: &str, params: Value) -> Value {
    let answer = client.request(method, params).await.json();
    if answer["error"].is_null() { answer["result"]["from"].clone() } else { answer["error"]["code"].clone() }
}

/// Starts sessions until one is told this: what backends offer is known a moment after the start.
async fn introduced(gateway: &Running, member: &str, expected: Value) {
    let what = format!("{member} {expected}");
    eventually(&what, async || gateway.client().initialize().await[member] == expected).await;
}

#[tokio::test]
async fn capabilities_are_what_one_of_the_backends_offers() {
    let (tools, library) = (Backend::start(&["echo"]).await, library(&[], &[], &[]).await);
    let list_changed = json!({"listChanged": true});
    introduced(&gateway(&[("a", &tools)], "").await, "capabilities", json!({ "tools": list_changed })).await;
    let expected = json!({
        "tools": list_changed, "prompts": list_changed, "completions": {},
        "resources": {"subscribe": true, "listChanged": true},
    });
    introduced(&gateway(&[("a", &tools), ("b", &library)], "").await, "capabilities", expected).await;
}

#[tokio::test]
async fn instructions_of_backends_come_in_order_and_under_their_names() {
    let (one, two, mute) = (Backend::start(&[]).await, Backend::start(&[]).await, Backend::start(&[]).await);
    one.introduce(json!({"instructions": "First list, then read.\n"}));
    two.introduce(json!({"instructions": "  Ask \"nicely\"."}));
    mute.introduce(json!({"instructions": {"not": "a text"}}));
    let backends = [("two", &two), ("mute", &mute), ("one", &one)];
    let merged = json!("# one\n\nFirst list, then read.\n\n# two\n\nAsk \"nicely\".");
    introduced(&gateway(&backends, "").await, "instructions", merged).await;
    introduced(&gateway(&[("one", &one)], "").await, "instructions", json!("First list, then read.\n")).await;
    let mute = gateway(&[("mute", &mute)], "").await;
    crate::in_support::health(&mute, "mute", "healthy").await;
    assert_eq!(mute.client().initialize().await["instructions"], Value::Null);
}

#[tokio::test]
async fn prompts_are_named_like_tools_and_found_by_their_names() {
    let (one, two) = (library(&["ask", "tell"], &[], &[]).await, library(&["ask"], &[], &[]).await);
    let backends = [("one", &one), ("two", &two)];
    let prefixed = gateway(&backends, "").await;
    let client = prefixed.connected().await;
    assert_eq!(prompts(&client).await, ["one_ask", "one_tell", "two_ask"]);
    assert_eq!(answered(&client, "prompts/get", json!({"name": "two_ask"})).await, two.url);
    assert_eq!(answered(&client, "prompts/get", json!({"name": "ask"})).await, -32602);
    assert_eq!(answered(&client, "prompts/get", json!({})).await, -32602);
    let priority = "aggregation: {conflictResolution: priority, conflictResolutionConfig: {priorityOrder: [two, one]}}";
    let ordered = gateway(&backends, priority).await;
    let client = ordered.connected().await;
    assert_eq!(prompts(&client).await, ["ask", "tell"]);
    assert_eq!(answered(&client, "prompts/get", json!({"name": "ask"})).await, two.url);
    assert_eq!(answered(&client, "prompts/get", json!({"name": "tell"})).await, one.url);
}

#[tokio::test]
async fn a_resource_is_its_first_backends_and_a_template_finds_the_rest() {
    let one = library(&[], &["x:shared", "x:one"], &["x:one/{id}"]).await;
    let two = library(&[], &["x:shared", "x:two"], &["x:{+any}"]).await;
    let gateway = gateway(&[("two", &two), ("one", &one)], "").await;
    let client = gateway.connected().await;
    assert_eq!(listed(&client, "resources/list", "resources", "uri").await, ["x:shared", "x:one", "x:two"]);
    let templates = listed(&client, "resources/templates/list", "resourceTemplates", "uriTemplate").await;
    assert_eq!(templates, ["x:one/{id}", "x:{+any}"]);
    for (uri, owner) in [
        ("x:shared", json!(one.url)),
        ("x:two", json!(two.url)),
        ("x:one/7", json!(one.url)),
        ("x:one/7/8", json!(two.url)),
        ("y:unknown", json!(-32002)),
    ] {
        assert_eq!(answered(&client, "resources/read", json!({"uri": uri})).await, owner, "{uri}");
    }
    let error = client.request("resources/read", json!({"uri": "y:unknown"})).await.json()["error"].clone();
    assert_eq!(error["data"], json!({"uri": "y:unknown"}));
}

#[tokio::test]
async fn a_list_that_does_not_come_is_waited_for_once() {
    let (hanging, library) = (library(&[], &["x:a"], &[]).await, library(&[], &["x:b"], &["x:{id}"]).await);
    hanging.hang_on("resources/templates/list");
    let timeouts = "operational: {timeouts: {default: 200ms}}";
    let gateway = gateway(&[("a", &hanging), ("b", &library)], timeouts).await;
    let client = gateway.connected().await;
    assert_eq!(answered(&client, "resources/read", json!({"uri": "x:7"})).await, library.url);
    assert_eq!(hanging.count("resources/templates/list"), 1);
}

#[tokio::test]
async fn where_one_backend_alone_has_resources_it_is_asked_for_all() {
    let (tools, library) = (Backend::start(&["echo"]).await, library(&[], &[], &[]).await);
    let gateway = gateway(&[("a", &tools), ("b", &library)], "").await;
    let client = gateway.connected().await;
    // The lists tell what each backend offers.
    client.request("resources/list", json!({})).await;
    client.request("tools/list", json!({})).await;
    assert_eq!(answered(&client, "resources/read", json!({"uri": "x:linked"})).await, library.url);
    assert_eq!(tools.count("resources/list"), 0, "nothing is asked of a backend that it does not offer");
}

#[tokio::test]
async fn completion_asks_the_owner_of_the_prompt_or_template() {
    let (one, two) = (library(&["ask"], &[], &[]).await, library(&[], &["x:y"], &["x:{id}"]).await);
    let gateway = gateway(&[("one", &one), ("two", &two)], "").await;
    let client = gateway.connected().await;
    let complete = async |reference: &str| {
        let params = format!(r#"{{"argument":{{"name":"n","value":"v","x":1.0}},"ref":{reference},"context":{{}}}}"#);
        client.post(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{params}}}"#)).await
    };
    let answer = complete(r#"{"x":1.0,"type":"ref/prompt","name":"one_ask"}"#).await;
    assert_eq!(answer.json()["result"]["completion"]["values"], json!(["a"]));
    let sent = one.saw("completion/complete").await.body;
    assert!(sent.contains(r#""ref":{"x":1.0,"type":"ref/prompt","name":"ask"},"context":{}"#), "{sent}");
    for uri in ["x:{id}", "x:y", "x:z"] {
        complete(&json!({"type": "ref/resource", "uri": uri}).to_string()).await;
    }
    assert_eq!((one.count("completion/complete"), two.count("completion/complete")), (1, 3));
    for (reference, code) in [
        (r#"{"type":"ref/prompt","name":"ask"}"#, -32602),
        (r#"{"type":"ref/other","name":"one_ask"}"#, -32602),
        (r#"{"type":"ref/prompt","name":"one_ask","name":"x"}"#, -32602),
        (r#"{"type":"ref/prompt","name":"one_ask","Name":"x"}"#, -32602),
        (r#"{"type":"ref/resource","uri":"x:y","URI":"x"}"#, -32602),
    ] {
        assert_eq!(complete(reference).await.error_code(), code, "{reference}");
    }
}

#[tokio::test]
async fn a_backend_without_completions_has_no_values() {
    let backend = library(&["ask"], &[], &[]).await;
    backend.offer(json!({"prompts": {}}));
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    let params = json!({"ref": {"type": "ref/prompt", "name": "b_ask"}, "argument": {"name": "n", "value": "v"}});
    let answer = client.request("completion/complete", params).await.json();
    assert_eq!(answer["result"], json!({"completion": {"values": [], "hasMore": false}}));
    assert_eq!(backend.count("completion/complete"), 0);
}

#[tokio::test]
async fn long_lists_have_pages() {
    let backend = Backend::start(&[]).await;
    backend.set_tools(
        &(0..2_500)
            .map(|number| format!("t{number}"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    );
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    let (mut names, mut params, mut pages) = (Vec::new(), json!({}), 0);
    loop {
        let result = client.request("tools/list", params).await.json()["result"].clone();
        names.extend(result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = result["nextCursor"].as_str() else { break };
        params = json!({ "cursor": next });
    }
    assert_eq!(pages, 3);
    assert_eq!(names, (0..2_500).map(|number| format!("b_t{number}")).collect::<Vec<_>>());
    assert_eq!(backend.count("tools/list"), 1);
    let answer = client.request("tools/list", json!({"cursor": "1000-0"})).await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::OK, -32602));
}

#[tokio::test]
async fn only_who_knows_a_list_is_told_that_it_changed() {
    let backend = library(&["ask"], &["x:y"], &[]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let (of_prompts, of_resources) = (gateway.connected().await, gateway.connected().await);
    let (mut prompts_changed, mut resources_changed) = (of_prompts.listen().await, of_resources.listen().await);
    prompts(&of_prompts).await;
    of_resources.request("resources/list", json!({})).await;
    backend.set_items("prompts/list", vec![json!({"name": "new"}).to_string()]);
    backend.tell("notifications/prompts/list_changed", &json!({})).await;
    let told = prompts_changed.next().await.unwrap();
    assert_eq!(told["method"], "notifications/prompts/list_changed");
    assert_eq!(prompts(&of_prompts).await, ["b_new"]);
    backend.tell("notifications/resources/list_changed", &json!({})).await;
    let told = resources_changed.next().await.unwrap();
    assert_eq!(told["method"], "notifications/resources/list_changed", "and nothing of prompts before it");
}

#[tokio::test]
async fn no_key_that_the_gateway_reads_is_taken_twice() {
    let backend = library(&["ask"], &["x:y"], &[]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    for (method, params) in [
        ("prompts/get", r#""name":"b_ask","name":"x""#),
        ("prompts/get", r#""name":"b_ask","NAME":"x""#),
        ("prompts/get", r#""name":"b_ask","arguments":{},"Arguments":{}"#),
        ("resources/read", r#""uri":"x:y","uri":"x:z""#),
        ("resources/read", r#""uri":"x:y","Uri":"x:z""#),
        ("resources/subscribe", r#""uri":"x:y","URI":"x:z""#),
        ("resources/unsubscribe", r#""uri":"x:y","uri":"x:z""#),
        ("completion/complete", r#""ref":{},"Ref":{}"#),
        ("completion/complete", r#""argument":{},"argument":{}"#),
        ("completion/complete", r#""context":{},"Context":{}"#),
        ("resources/list", r#""cursor":"a","Cursor":"b""#),
        ("resources/templates/list", r#""cursor":"a","cursor":"b""#),
        ("prompts/list", r#""_meta":{},"_META":{}"#),
        ("logging/setLevel", r#""level":"info","Level":"debug""#),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
        let answer = client.post(body).await;
        assert_eq!((answer.status, answer.error_code()), (StatusCode::BAD_REQUEST, -32602), "{method} {params}");
    }
}
