//! The control API, with an HTTP client that knows nothing of the library.

use futures::StreamExt as _;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use simulator::control::{Control, ControlError, ControlTls};
use simulator::{AuthorityRoot, Simulator, SimulatorOptions};
use tokio_util::task::AbortOnDropHandle;

use crate::client::{LIMIT, http_client};

/// A control API that ends with this.
struct Api {
    url: String,
    client: Client,
    _task: AbortOnDropHandle<()>,
}

impl Api {
    async fn start() -> Self {
        let client = http_client();
        let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
        let control = Control::listen(simulator, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("http://{}", control.address().unwrap());
        let task = tokio::spawn(async move { control.serve().await.unwrap() });
        Self { url, client, _task: AbortOnDropHandle::new(task) }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn make(&self, name: &str) -> Value {
        let (status, state) = self.send(Method::PUT, &format!("/worlds/{name}"), Some(world())).await;
        assert_eq!(status, StatusCode::CREATED, "{state}");
        state
    }
}

fn world() -> Value {
    json!({
        "authorities": ["partner-ca"],
        "authorizationServers": [{"host": "idp.example.com", "users": ["alice"]}],
        "servers": [{"url": "http://mcp.example.com/mcp", "tools": [{"name": "echo"}]}],
    })
}

/// The address that listens for a host and port.
fn address(state: &Value, host: &str, port: &str) -> String {
    let name = state["names"].as_array().unwrap().iter().find(|name| name["host"] == host).unwrap();
    name["ports"][port].as_str().unwrap().to_owned()
}

/// Sends a ping to the world's MCP server.
async fn ping(api: &Api, state: &Value, id: u64) -> StatusCode {
    let url = format!("http://{}/mcp", address(state, "mcp.example.com", "80"));
    let message = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let request =
        api.client.post(url).header("host", "mcp.example.com").header("accept", "application/json, text/event-stream");
    request.json(&message).send().await.unwrap().status()
}

#[tokio::test]
async fn a_world_is_made_read_changed_and_ended() {
    let api = Api::start().await;
    let state = api.make("one").await;
    assert_eq!(state["authorities"][0]["name"], "public");
    assert_eq!(state["authorities"][1]["name"], "partner-ca");
    assert_eq!(api.send(Method::GET, "/worlds", None).await.1, json!({"worlds": ["one"]}));
    // Another with the same names lives beside it.
    let other = api.make("two").await;
    assert_ne!(address(&state, "mcp.example.com", "80"), address(&other, "mcp.example.com", "80"));

    ping(&api, &state, 1).await;
    let (status, journal) = api.send(Method::GET, "/worlds/one/journal", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((journal["position"].clone(), journal["entries"][0]["method"].clone()), (json!(1), json!("ping")));
    let later = api.send(Method::GET, "/worlds/one/journal?since=1", None).await.1;
    assert_eq!(later, json!({"position": 1, "entries": []}));
    assert_eq!(api.send(Method::GET, "/worlds/two", None).await.1["position"], 0);

    let change = json!({"rotateAuthority": "partner-ca"});
    let (status, rotated) = api.send(Method::POST, "/worlds/one/changes", Some(change)).await;
    assert_eq!(status, StatusCode::OK, "{rotated}");
    assert_ne!(rotated["authorities"][1]["certificate"], state["authorities"][1]["certificate"]);
    assert_eq!(rotated["authorities"][0], state["authorities"][0]);

    let request = json!({"issuer": "idp.example.com", "subject": "alice", "audience": "a", "lifetime": "5m"});
    let (status, token) = api.send(Method::POST, "/worlds/one/tokens", Some(request)).await;
    assert_eq!((status, token["token"].as_str().unwrap().split('.').count()), (StatusCode::OK, 3));

    assert_eq!(api.send(Method::DELETE, "/worlds/one/journal", None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(api.send(Method::GET, "/worlds/one/journal", None).await.1, json!({"position": 1, "entries": []}));
    assert_eq!(api.send(Method::DELETE, "/worlds/one", None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(api.send(Method::GET, "/worlds", None).await.1, json!({"worlds": ["two"]}));
}

#[tokio::test]
async fn root_certificates_are_files_and_config_maps() {
    let api = Api::start().await;
    let state = api.make("one").await;
    let read = async |path: &str| {
        let answer = api.client.get(format!("{}{path}", api.url)).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    };
    let (status, kind, pem) = read("/worlds/one/authorities/partner-ca.pem").await;
    assert_eq!(
        (status, &*kind, &*pem),
        (200, "application/x-pem-file", state["authorities"][1]["certificate"].as_str().unwrap())
    );
    let path = "/worlds/one/authorities/partner-ca/configmap";
    let (status, kind, manifest) = read(&format!("{path}?name=partner-ca&namespace=tools&key=bundle.pem")).await;
    assert_eq!((status, &*kind), (200, "application/yaml"));
    let manifest: Value = serde_saphyr::from_str(&manifest).unwrap();
    assert_eq!(
        manifest,
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "partner-ca", "namespace": "tools"},
            "data": {"bundle.pem": pem},
        })
    );
    let (_, _, manifest) = read(&format!("{path}?name=trusted")).await;
    let manifest: Value = serde_saphyr::from_str(&manifest).unwrap();
    assert_eq!((&manifest["metadata"], &manifest["data"]["ca.crt"]), (&json!({"name": "trusted"}), &json!(pem)));
    for (path, status, reason) in [
        (format!("{path}?name=Partner"), 400, "`Partner` is not a name of Kubernetes"),
        (format!("{path}?name=a&namespace=b.c"), 400, "`b.c` is not a namespace of Kubernetes"),
        (format!("{path}?name=a&key=a/b"), 400, "`a/b` is not a key of Kubernetes"),
        (format!("{path}?nam=a"), 400, "nam"),
        ("/worlds/one/authorities/nobody.pem".to_owned(), 404, "there are public, partner-ca"),
        ("/worlds/one/authorities/public".to_owned(), 404, "expected AUTHORITY.pem"),
        ("/worlds/two/authorities/public.pem".to_owned(), 404, "there is no world `two`"),
    ] {
        let (got, _, body) = read(&path).await;
        assert_eq!(got, status, "{path}: {body}");
        assert!(body.contains(reason), "{path}: {body}");
    }
    let request = json!({"issuer": "partner-ca", "subject": "gateway"});
    let (status, issued) = api.send(Method::POST, "/worlds/one/certificates", Some(request)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(issued["certificate"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(issued["key"].as_str().unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    let request = json!({"issuer": "nobody", "subject": ""});
    let (status, refused) = api.send(Method::POST, "/worlds/one/certificates", Some(request)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused["error"].as_str().unwrap().contains("a subject has 1 to 64 bytes"), "{refused}");
}

#[tokio::test]
async fn a_journal_is_followed_until_its_world_ends() {
    let api = Api::start().await;
    let state = api.make("one").await;
    ping(&api, &state, 1).await;
    let url = format!("{}/worlds/one/journal?follow=true", api.url);
    let mut lines = api.client.get(url).send().await.unwrap().bytes_stream();
    let mut seen = Vec::new();
    for id in 1..=3 {
        let line = lines.next().await.unwrap().unwrap();
        let entry: Value = serde_json::from_slice(&line).unwrap();
        seen.push((entry["sequence"].as_u64().unwrap(), entry["message"]["id"].as_u64().unwrap()));
        if id < 3 {
            ping(&api, &state, id + 1).await;
        }
    }
    assert_eq!(seen, [(0, 1), (1, 2), (2, 3)]);
    api.send(Method::DELETE, "/worlds/one", None).await;
    assert!(lines.next().await.is_none());
}

#[tokio::test]
async fn entries_are_chosen_and_waited_for() {
    let api = Api::start().await;
    let state = api.make("one").await;
    for id in 1..=3 {
        ping(&api, &state, id).await;
    }
    let numbers = async |query: &str| {
        let (status, page) = api.send(Method::GET, &format!("/worlds/one/journal?{query}"), None).await;
        let entries = page["entries"].as_array().cloned().unwrap_or_default();
        (status.as_u16(), entries.iter().map(|entry| entry["message"]["id"].clone()).collect::<Vec<_>>())
    };
    assert_eq!(numbers("where=method=ping&where=message.id=2").await, (200, vec![json!(2)]));
    assert_eq!(numbers("where=message.id!=2&since=1").await, (200, vec![json!(3)]));
    assert_eq!(numbers("where=method=tools/list").await, (200, vec![]));
    assert_eq!(numbers("where=method=ping&wait=10s&count=2").await, (200, vec![json!(1), json!(2)]));
    assert_eq!(numbers("where=method=tools/list&wait=50ms").await, (404, vec![]));
    let (coming, ()) = tokio::join!(numbers("since=3&where=message.id=5&wait=10s"), async {
        for id in 4..=5 {
            ping(&api, &state, id).await;
        }
    });
    assert_eq!(coming, (200, vec![json!(5)]));
    // What is waited for does not come any more.
    let (gone, _) = tokio::join!(numbers("where=message.id=9&wait=10m"), api.send(Method::DELETE, "/worlds/one", None));
    assert_eq!(gone, (404, vec![]));
}

#[tokio::test]
async fn what_the_api_describes_is_what_it_serves() {
    let api = Api::start().await;
    api.make("one").await;
    let (status, description) = api.send(Method::GET, "/openapi.json", None).await;
    assert_eq!((status, &description), (StatusCode::OK, &simulator::control::openapi()));
    let mut served = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete", "patch"] {
            let method_there = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let (status, answer) = api.send(method_there, &path.replace("{name}", "none"), Some(json!({}))).await;
            let described = operations.get(method).is_some();
            assert_eq!(described, status != StatusCode::METHOD_NOT_ALLOWED, "{method} {path}: {answer}");
            assert!(!answer["error"].as_str().unwrap_or_default().contains("there is nothing at"), "{path}");
            if let Some(operation) = operations.get(method) {
                served += 1;
                assert!(operation["responses"].get(status.as_str()).is_some(), "{method} {path}: {status} {answer}");
            }
        }
    }
    assert!(served >= 9, "{served}");
    // Whatever is referred to is there.
    let text = description.to_string();
    for name in text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(description["components"]["schemas"].get(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_whole_with_all_reasons() {
    let api = Api::start().await;
    api.make("one").await;
    let unknown = json!({"servers": [{"url": "http://a/mcp", "certificate": {"issuer": "x"}}, {"url": "http://b/mcp", "accepts": {"issuer": "y", "audience": "z"}}]});
    for (method, path, body, status, reasons) in [
        (Method::PUT, "/worlds/two", Some(unknown), 422, &["`x`", "`y`"][..]),
        (Method::PUT, "/worlds/two", Some(json!({"server": []})), 422, &["did you mean `servers`?"]),
        (Method::PUT, "/worlds/one", Some(world()), 409, &["there is a world `one` already"]),
        (Method::GET, "/worlds/two", None, 404, &["there is no world `two`: there are one"]),
        (
            Method::POST,
            "/worlds/one/changes",
            Some(json!({"takeDown": "http://a/"})),
            422,
            &["http://mcp.example.com/mcp"],
        ),
        (
            Method::POST,
            "/worlds/one/changes",
            Some(json!({"takedown": "http://a/"})),
            400,
            &["did you mean `takeDown`?"],
        ),
        (
            Method::POST,
            "/worlds/one/tokens",
            Some(json!({"issuer": "idp.example.com", "subject": "eve"})),
            422,
            &["has no user `eve`"],
        ),
        (Method::GET, "/worlds/one/journal?until=3", None, 400, &["until"]),
        (Method::GET, "/worlds/one/journal?where=status=1", None, 400, &["no `status`", "response"]),
        (Method::GET, "/worlds/one/journal?wait=1h", None, 400, &["ten minutes"]),
        (Method::GET, "/worlds/one/journal?count=2", None, 400, &["say how long"]),
        (Method::POST, "/worlds/one", None, 405, &["POST does nothing at /worlds/one"]),
        (Method::GET, "/journal", None, 404, &["expected /worlds"]),
    ] {
        let (got, answer) = api.send(method.clone(), path, body).await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert_eq!(got.as_u16(), status, "{method} {path}: {answer}");
        assert!(reasons.iter().all(|reason| error.contains(reason)), "{method} {path}: {error}");
    }
    assert_eq!(api.send(Method::GET, "/worlds", None).await.1, json!({"worlds": ["one"]}));
}

#[tokio::test]
async fn web_pages_and_other_machines_are_kept_out() {
    let api = Api::start().await;
    api.make("one").await;
    let led_here = api.client.get(format!("{}/worlds", api.url)).header("host", "evil.example.com:80");
    assert_eq!(led_here.send().await.unwrap().status(), StatusCode::MISDIRECTED_REQUEST);
    let form = api.client.post(format!("{}/worlds/one/changes", api.url)).header("content-type", "text/plain");
    let form = form.body(json!({"rotateAuthority": "partner-ca"}).to_string());
    assert_eq!(form.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);

    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let refused = Control::listen(simulator, "0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(refused, ControlError::NotLoopback(_)), "{refused}");
}

#[tokio::test]
async fn with_tls_it_may_listen_anywhere_and_clients_trust_its_certificate() {
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let root = AuthorityRoot::generate(&"control".into()).unwrap();
    let tls = ControlTls::signed_by(&root, vec!["127.0.0.1".to_owned(), "sim.example.com".to_owned()]).unwrap();
    let control = Control::listen_tls(simulator, "0.0.0.0:0".parse().unwrap(), tls).await.unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], control.address().unwrap().port()));
    let _task = AbortOnDropHandle::new(tokio::spawn(async move { control.serve().await.unwrap() }));
    // Who does not shake hands keeps nobody waiting.
    let _silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let trusting = || {
        let root = reqwest::Certificate::from_pem(root.certificate.as_bytes()).unwrap();
        Client::builder().tls_certs_only([root]).no_proxy().timeout(LIMIT).resolve("sim.example.com", address)
    };
    let _ = http_client();
    for host in ["127.0.0.1", "sim.example.com"] {
        let url = format!("https://{host}:{}/worlds", address.port());
        let answer = trusting().build().unwrap().get(&url).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({"worlds": []}), "{host}");
        assert!(http_client().get(&url).send().await.is_err(), "its authority is nobody's");
    }
    let other = trusting().resolve("other.example.com", address).build().unwrap();
    let url = format!("https://other.example.com:{}/worlds", address.port());
    assert!(other.get(url).send().await.is_err(), "the certificate is not for that name");
    assert!(http_client().get(format!("http://{address}/worlds")).send().await.is_err(), "it speaks nothing but TLS");

    let foreign = AuthorityRoot::generate(&"control".into()).unwrap();
    let mixed = ControlTls::from_pem(root.certificate.as_bytes(), foreign.key.as_bytes());
    assert!(mixed.unwrap_err().to_string().contains("failed to use the certificate"));
    let no_certificate = ControlTls::from_pem(b"", root.key.as_bytes());
    assert!(no_certificate.is_err());
    let no_key = ControlTls::from_pem(root.certificate.as_bytes(), b"").unwrap_err();
    assert!(no_key.to_string().contains("failed to read the key"), "{no_key}");
}
