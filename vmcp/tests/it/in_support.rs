//! A gateway in this process, and an HTTP client that says exactly what a test wants to say.

use crate::in_backend::Backend;
use crate::out_api::Api;
use bytes::Bytes;
use clap::Parser;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vmcp::cli::{Cli, Command, Serve};
use vmcp::gateway::{Gateway, Options, StartError};
use vmcp::reload::ConfigFile;

/// No step of a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The part of a configuration that every test needs.
pub(crate) const ANONYMOUS: &str = "
name: engineering
groupRef: engineering-tools
incomingAuth: {type: anonymous}
outgoingAuth: {source: inline}
";

/// A gateway that serves.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

/// The flags of `vmcp serve` on a free port, and these.
pub(crate) fn flags(more: &[&str]) -> Serve {
    let all = ["vmcp", "serve", "--config", "unused", "--port", "0"];
    match Cli::try_parse_from(all.iter().chain(more)).unwrap().command {
        Command::Serve(serve) => *serve,
        _ => panic!("not serve"),
    }
}

/// Starts a gateway with this configuration and these flags.
pub(crate) async fn try_start(config: &str, more: &[&str]) -> Result<Running, StartError> {
    let config = vmcp_config::parse(config, "test.yaml").unwrap();
    Ok(serving(Gateway::bind(Options { config, serve: flags(more) }).await?))
}

/// The same, and it must start.
pub(crate) async fn start(config: &str, more: &[&str]) -> Running {
    try_start(config, more).await.unwrap()
}

/// Starts a gateway of the backends that `api` has in the group `tools`, with these flags.
pub(crate) async fn discovering(api: &Api, more: &[&str]) -> Running {
    let config = ANONYMOUS.replace("engineering-tools", "tools").replace("inline", "discovered");
    let config = vmcp_config::parse(&config, "test.yaml").unwrap();
    let gateway = Gateway::bind_with(Options { config, serve: flags(more) }, api.client(), "ns").await.unwrap();
    serving(gateway)
}

/// Starts a gateway of a configuration file, which it follows while it serves; `api` has the members of its group, if there is one.
pub(crate) async fn following(file: &File, api: Option<&Api>, more: &[&str]) -> Running {
    let (followed, config) = ConfigFile::open(&file.path).unwrap();
    let options = Options { config, serve: flags(more) };
    let gateway = match api {
        Some(api) => Gateway::bind_with(options, api.client(), "ns").await.unwrap(),
        None => Gateway::bind(options).await.unwrap(),
    };
    serving(gateway.following(followed, Box::new(|_| {})))
}

/// A configuration file in a folder of its own.
pub(crate) struct File {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl File {
    pub(crate) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = Self { path: folder.path().join("config.yaml"), _folder: folder };
        file.write(text);
        file
    }

    /// Replaces the text in one step, as volumes of ConfigMaps do.
    pub(crate) fn write(&self, text: &str) {
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(&beside, &self.path).unwrap();
    }
}

fn serving(gateway: Gateway) -> Running {
    let url = format!("http://{}", gateway.address());
    let stop = CancellationToken::new();
    let task = tokio::spawn(gateway.serve(stop.clone()));
    Running { url, stop, task }
}

/// The configuration of a gateway of these backends, with these blocks.
pub(crate) fn config(backends: &[(&str, &Backend)], more: &str) -> String {
    let backends: Vec<_> = backends
        .iter()
        .map(|(name, backend)| json!({"name": name, "url": backend.url, "transport": "streamable-http"}))
        .collect();
    format!("{ANONYMOUS}\nbackends: {}\n{more}", Value::from(backends))
}

/// Starts a gateway of these backends, configured with these blocks.
pub(crate) async fn gateway(backends: &[(&str, &Backend)], more: &str) -> Running {
    start(&config(backends, more), &[]).await
}

/// Waits until something holds that nobody tells of; `what` tells people what was awaited.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let held = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.unwrap_or_else(|_| panic!("never {what}"));
}

/// Waits until `/status` is such; `what` tells people what was awaited.
pub(crate) async fn status(gateway: &Running, what: &str, is_such: impl Fn(&Value) -> bool) {
    let client = gateway.client();
    eventually(what, async || is_such(&client.get("/status").await.json())).await;
}

/// Waits until `/status` shows this health of a backend.
pub(crate) async fn health(gateway: &Running, backend: &str, expected: &str) {
    let is_so = |row: &Value| row["name"] == backend && row["health"] == expected;
    let what = format!("{backend} {expected}");
    status(gateway, &what, |status| status["backends"].as_array().unwrap().iter().any(is_so)).await;
}

impl Running {
    /// A client without a session.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// A client with a session.
    pub(crate) async fn connected(&self) -> Client {
        let mut client = self.client();
        client.initialize().await;
        client
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A client of one MCP endpoint.
#[derive(Clone)]
pub(crate) struct Client {
    http: HyperClient<HttpConnector, Full<Bytes>>,
    base: String,
    /// What every request carries; tests change it to misbehave.
    pub(crate) headers: HeaderMap,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The JSON document, or the data of the last event of a stream.
    pub(crate) fn json(&self) -> Value {
        let event = self.text.rsplit("data: ").next().unwrap_or_default();
        serde_json::from_str(event).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The code of the JSON-RPC error.
    pub(crate) fn error_code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error in {self:?}"))
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

impl Client {
    fn new(base: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut client = Self {
            http: HyperClient::builder(TokioExecutor::new()).build(connector),
            base: base.to_owned(),
            headers: HeaderMap::new(),
        };
        client.set("accept", "application/json, text/event-stream");
        client.set("content-type", "application/json");
        client
    }

    /// Sets a header for all requests; an empty value removes it.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        if value.is_empty() {
            self.headers.remove(name);
        } else {
            self.headers.insert(name, value.parse().unwrap());
        }
    }

    /// The same client with one header set otherwise.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.set(name, value);
        client
    }

    /// The same client, over HTTP/2, which takes the heads of answers and nothing of their bodies.
    pub(crate) fn reading_nothing(&self) -> Self {
        let http = HyperClient::builder(TokioExecutor::new())
            .http2_only(true)
            .http2_initial_stream_window_size(0)
            .build(HttpConnector::new());
        Self { http, ..self.clone() }
    }

    /// Sends a request and returns the head of its answer.
    pub(crate) async fn open(&self, method: Method, path: &str, body: impl Into<Bytes>) -> http::Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        *request.headers_mut().unwrap() = self.headers.clone();
        let request = request.body(Full::new(body.into())).unwrap();
        tokio::time::timeout(PATIENCE, self.http.request(request)).await.unwrap().unwrap()
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        let (head, body) = self.open(method, path, body).await.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Reads a document.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    /// Posts a text to the MCP endpoint.
    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, "/mcp", body).await
    }

    /// Sends a JSON-RPC request.
    pub(crate) async fn request(&self, method: &str, params: Value) -> Answer {
        self.post(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()).await
    }

    /// Sends a notification.
    pub(crate) async fn notify(&self, method: &str, params: Value) -> Answer {
        self.post(json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()).await
    }

    /// Starts a session and returns the result of `initialize`.
    pub(crate) async fn initialize(&mut self) -> Value {
        self.initialize_with(initialize_params("2025-11-25")).await
    }

    /// The same with these params.
    pub(crate) async fn initialize_with(&mut self, params: Value) -> Value {
        let answer = self.request("initialize", params).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        self.set("mcp-session-id", answer.header("mcp-session-id"));
        self.set("mcp-protocol-version", answer.json()["result"]["protocolVersion"].as_str().unwrap());
        assert_eq!(self.notify("notifications/initialized", json!({})).await.status, StatusCode::ACCEPTED);
        answer.json()["result"].clone()
    }

    /// The names of all tools.
    pub(crate) async fn tool_names(&self) -> Vec<String> {
        let answer = self.request("tools/list", json!({})).await.json();
        let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("no tools in {answer}"));
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the client sees these tools.
    pub(crate) async fn sees(&self, expected: &[&str]) {
        eventually(&format!("{expected:?}"), async || self.tool_names().await == expected).await;
    }

    /// Calls a tool.
    pub(crate) async fn call(&self, name: &str, arguments: Value) -> Answer {
        self.request("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// Calls a tool in a task of its own.
    pub(crate) fn calling(&self, name: &'static str) -> JoinHandle<Answer> {
        let client = self.clone();
        tokio::spawn(async move { client.call(name, json!({})).await })
    }

    /// Calls a tool and returns the stream of what comes before its answer, and the answer.
    pub(crate) async fn call_streamed(&self, id: u64, name: &str, meta: Value) -> Events {
        let params = json!({"name": name, "arguments": {}, "_meta": meta});
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        Events::of(self.open(Method::POST, "/mcp", message.to_string()).await)
    }

    /// Opens a stream again after the event with this id.
    pub(crate) async fn listen_after(&self, id: &str) -> Events {
        let mut client = self.clone();
        client.headers.insert("last-event-id", id.parse().unwrap());
        client.listen().await
    }

    /// Opens the stream of messages outside of requests.
    pub(crate) async fn listen(&self) -> Events {
        let response = self.open(Method::GET, "/mcp", "").await;
        assert_eq!(response.status(), StatusCode::OK);
        Events::of(response)
    }
}

/// Params of `initialize`.
pub(crate) fn initialize_params(version: &str) -> Value {
    json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}})
}

/// An event stream.
pub(crate) struct Events {
    body: Incoming,
    text: String,
    /// The id of the last event that had one.
    pub(crate) last_id: String,
}

impl Events {
    /// The events of an answer.
    pub(crate) fn of(response: http::Response<Incoming>) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new(), last_id: String::new() }
    }

    /// The next message; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        Some(serde_json::from_str(&self.next_data().await?).unwrap())
    }

    /// The data of the next event that has any; `None` at the end of the stream.
    pub(crate) async fn next_data(&mut self) -> Option<String> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                if let Some(id) = event.lines().find_map(|line| line.strip_prefix("id: ")) {
                    id.clone_into(&mut self.last_id);
                }
                let data: Vec<_> = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
                let data = data.join("\n");
                if !data.is_empty() {
                    return Some(data);
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.unwrap()?.ok()?;
            self.text.push_str(std::str::from_utf8(frame.data_ref()?).unwrap());
        }
    }
}
