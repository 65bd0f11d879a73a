//! Changes of everything that a gateway follows, while it is called: no call is lost.

use crate::in_backend::Backend;
use crate::in_support::{ANONYMOUS, Client, File, PATIENCE, Running, discovering, following};
use crate::out_api::{Api, bundle, entry, secret};
use crate::out_support::{Authority, Recorded, Server, event_stream, json_body, result, text};
use axum::body::Body;
use axum::response::Response;
use futures::future::BoxFuture;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const REACHABLE: &[&str] = &["--egress-allow", "127.0.0.0/8"];

/// The sessions of a server, each with what ends its requests, and what lets calls of `hang` answer.
#[derive(Clone, Default)]
struct Sessions {
    open: Arc<Mutex<HashMap<String, CancellationToken>>>,
    release: CancellationToken,
}

impl Sessions {
    fn start(&self, recorded: &Recorded) -> Response {
        let mut open = self.open.lock().unwrap();
        let id = format!("session-{}", open.len());
        open.insert(id.clone(), CancellationToken::new());
        let answer = json!({
            "protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "test", "version": "1"},
        });
        let mut response = json_body(result(recorded, &answer.to_string()));
        response.headers_mut().insert("mcp-session-id", id.parse().unwrap());
        response
    }

    /// Answers like servers that end the streams of a session with it.
    fn script(&self) -> impl Fn(Recorded) -> BoxFuture<'static, Response> + Send + Sync + 'static {
        let sessions = self.clone();
        move |recorded| {
            let sessions = sessions.clone();
            Box::pin(async move {
                if recorded.what() == "initialize" {
                    return sessions.start(&recorded);
                }
                let id = recorded.header("mcp-session-id").unwrap_or_default();
                let session = sessions.open.lock().unwrap().get(id).filter(|session| !session.is_cancelled()).cloned();
                let Some(session) = session else { return text(StatusCode::NOT_FOUND, "") };
                let tool = recorded.json()["params"]["name"].as_str().unwrap_or_default().to_owned();
                match recorded.what().as_str() {
                    "DELETE" => {
                        session.cancel();
                        text(StatusCode::OK, "")
                    }
                    "GET" => text(StatusCode::METHOD_NOT_ALLOWED, ""),
                    "tools/list" => json_body(result(
                        &recorded,
                        r#"{"tools":[{"name":"echo","inputSchema":{}},{"name":"hang","inputSchema":{}}]}"#,
                    )),
                    "tools/call" if tool == "hang" => tokio::select! {
                        () = sessions.release.cancelled() => json_body(result(&recorded, "{}")),
                        () = session.cancelled() => event_stream(Body::empty()),
                    },
                    method if method.starts_with("notifications/") => text(StatusCode::ACCEPTED, ""),
                    _ => json_body(result(&recorded, "{}")),
                }
            })
        }
    }
}

/// Calls a tool again and again until it is stopped, and returns how often that went well, and what went wrong.
pub(crate) fn call_until(
    client: Client,
    tool: &'static str,
    stop: &CancellationToken,
) -> JoinHandle<(usize, Vec<String>)> {
    let stop = stop.clone();
    tokio::spawn(async move {
        let (mut answered, mut errors) = (0, Vec::new());
        while !stop.is_cancelled() {
            let answer = client.call(tool, json!({})).await;
            if answer.json()["result"].is_object() {
                answered += 1;
            } else {
                errors.push(answer.text);
            }
        }
        (answered, errors)
    })
}

/// A session with a call that is under way at the server.
struct Held {
    client: Client,
    call: JoinHandle<Value>,
}

impl Held {
    async fn start(gateway: &Running, server: &Server) -> Self {
        let hanging =
            |journal: &[Recorded]| journal.iter().filter(|call| call.json()["params"]["name"] == "hang").count();
        let before = hanging(&server.journal());
        let client = gateway.connected().await;
        let call = tokio::spawn({
            let client = client.clone();
            let message = json!({"jsonrpc": "2.0", "id": "held", "method": "tools/call",
                "params": {"name": "a_hang", "arguments": {}}});
            async move { client.post(message.to_string()).await.json() }
        });
        server.until(|journal| hanging(journal) > before).await;
        Self { client, call }
    }

    /// The session goes on with the next settings while its call is under way.
    async fn goes_on(self, calls: &mut Vec<JoinHandle<Value>>) {
        let answer = self.client.call("a_echo", json!({})).await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        calls.push(self.call);
    }
}

fn auth_config(generation: i64, header: &str) -> Value {
    json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "MCPExternalAuthConfig",
        "metadata": {"name": "auth", "namespace": "ns", "uid": "auth", "generation": generation},
        "spec": {"type": "headerInjection",
            "headerInjection": {"headerName": header, "valueSecretRef": {"name": "keys", "key": "key"}}},
        "status": {"observedGeneration": generation, "conditions": [{"type": "Valid", "status": "True",
            "reason": "Ok", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    })
}

#[tokio::test]
async fn no_call_is_lost_while_everything_changes() {
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    let sessions = Sessions::default();
    let server = Server::tls(one.server("127.0.0.1", &["h2", "http/1.1"]), sessions.script()).await;
    let moved = Server::tls(two.server("127.0.0.1", &["http/1.1"]), sessions.script()).await;
    let url = |server: &Server| format!("https://{}/mcp", server.address);
    let api = Api::default();
    let spec = |more: Value| {
        let mut spec = json!({
            "remoteUrl": url(&server), "caBundleRef": {"configMapRef": {"name": "bundle", "key": "ca.crt"}},
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    api.put("configmaps", bundle(&one.pem()));
    api.put("mcpserverentries", entry("a", 1, &spec(json!({}))));
    let configured = ANONYMOUS.replace("engineering-tools", "tools").replace("inline", "discovered");
    let file = File::new(&configured);
    let gateway = following(&file, Some(&api), REACHABLE).await;
    let watching = gateway.connected().await;
    watching.sees(&["a_echo", "a_hang"]).await;

    let stop = CancellationToken::new();
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(call_until(gateway.connected().await, "a_echo", &stop));
    }
    let mut calls = Vec::new();
    let arrives = |name: &'static str, value: &'static str| {
        let called = move |call: &Recorded| call.what() == "tools/call" && call.header(name) == Some(value);
        server.wait_for(called)
    };

    let call = Held::start(&gateway, &server).await;
    api.put(
        "mcpserverentries",
        entry("a", 2, &spec(json!({"headerForward": {"addPlaintextHeaders": {"X-Step": "1"}}}))),
    );
    arrives("x-step", "1").await;
    call.goes_on(&mut calls).await;

    let call = Held::start(&gateway, &server).await;
    api.put("secrets", secret("keys", "key", "b25l"));
    api.put("mcpexternalauthconfigs", auth_config(1, "X-Key"));
    api.put("mcpserverentries", entry("a", 3, &spec(json!({"externalAuthConfigRef": {"name": "auth"}}))));
    arrives("x-key", "one").await;
    call.goes_on(&mut calls).await;

    let call = Held::start(&gateway, &server).await;
    api.put("secrets", secret("keys", "key", "dHdv"));
    arrives("x-key", "two").await;
    call.goes_on(&mut calls).await;

    let call = Held::start(&gateway, &server).await;
    api.put("mcpexternalauthconfigs", auth_config(2, "X-Other"));
    arrives("x-other", "two").await;
    call.goes_on(&mut calls).await;

    let call = Held::start(&gateway, &server).await;
    let connections = server.connections();
    api.put("configmaps", bundle(&format!("{}{}", two.pem(), one.pem())));
    server.connected_beyond(connections).await;
    call.goes_on(&mut calls).await;

    // A tool configuration, which the operator writes into the file, and the rest of the file.
    let call = Held::start(&gateway, &server).await;
    let renamed = r#"[{"workload": "a", "overrides": {"hang": {"name": "wait"}, "echo": {"description": "Echoes."}}}]"#;
    file.write(&format!("{configured}aggregation: {{tools: {renamed}}}\n"));
    watching.sees(&["a_echo", "a_wait"]).await;
    call.goes_on(&mut calls).await;
    file.write(&configured);
    watching.sees(&["a_echo", "a_hang"]).await;

    let call = Held::start(&gateway, &server).await;
    let other = Backend::start(&["echo"]).await;
    let rest = json!({
        "backends": [{"name": "c", "url": other.url, "transport": "streamable-http"}],
        "outgoingAuth": {"source": "discovered", "backends": {"a": {"type": "external_auth_config",
            "externalAuthConfig": {"name": "auth"}}}},
        "operational": {"timeouts": {"default": "50s"}, "failureHandling": {"unhealthyThreshold": 7,
            "circuitBreaker": {"enabled": true}}},
        "passthroughHeaders": ["X-Tenant"],
    });
    let rest: Vec<_> = rest.as_object().unwrap().iter().map(|(key, value)| format!("{key}: {value}")).collect();
    file.write(&(configured.replace("outgoingAuth: {source: discovered}", "") + &rest.join("\n")));
    watching.sees(&["a_echo", "a_hang", "c_echo"]).await;
    call.goes_on(&mut calls).await;
    file.write(&configured);
    watching.sees(&["a_echo", "a_hang"]).await;

    let other = Backend::start(&["echo"]).await;
    api.put("mcpserverentries", entry("b", 1, &json!({"remoteUrl": other.url})));
    watching.sees(&["a_echo", "a_hang", "b_echo"]).await;
    api.delete("mcpserverentries/b");
    watching.sees(&["a_echo", "a_hang"]).await;

    // The new place is trusted by the new bundle alone.
    let there = json!({"remoteUrl": url(&moved), "externalAuthConfigRef": {"name": "auth"}});
    let call = Held::start(&gateway, &server).await;
    api.put("mcpserverentries", entry("a", 4, &spec(there)));
    moved.wait_for(|call| call.what() == "tools/call").await;
    call.goes_on(&mut calls).await;

    sessions.release.cancel();
    for call in calls {
        let answer = tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
        assert_eq!(answer["result"], json!({}), "a call that was under way: {answer}");
    }
    stop.cancel();
    for caller in callers {
        let (answered, errors) = tokio::time::timeout(PATIENCE, caller).await.unwrap().unwrap();
        assert!(answered > 20, "only {answered} calls");
        assert_eq!(errors, Vec::<String>::new(), "beside {answered} answers");
    }
    // Sessions with earlier settings end when their last call has.
    server.wait_for(|request| request.what() == "DELETE").await;
}

#[tokio::test]
async fn a_subscription_outlives_a_change_of_its_backend() {
    let backend = Backend::start(&["echo"]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.set_items("resources/list", vec![json!({"uri": "x:a"}).to_string()]);
    backend.reply("resources/subscribe", r#""result":{}"#);
    let api = Api::default();
    let spec =
        |value: &str| json!({"remoteUrl": backend.url, "headerForward": {"addPlaintextHeaders": {"X-Step": value}}});
    api.put("mcpserverentries", entry("a", 1, &spec("1")));
    let gateway = discovering(&api, REACHABLE).await;
    let client = gateway.connected().await;
    client.sees(&["a_echo"]).await;
    let answer = client.request("resources/subscribe", json!({"uri": "x:a"})).await.json();
    assert_eq!(answer["result"], json!({}), "{answer}");
    api.put("mcpserverentries", entry("a", 2, &spec("2")));
    let subscribed = || {
        let journal = backend.journal();
        let subscriptions = journal.iter().filter(|entry| entry.method == "resources/subscribe");
        subscriptions.map(|entry| entry.headers["x-step"].to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let again = async {
        while subscribed() != ["1", "2"] {
            assert!(client.call("a_echo", json!({})).await.json()["result"].is_object());
        }
    };
    assert!(tokio::time::timeout(PATIENCE, again).await.is_ok(), "{:?}", subscribed());
}
