//! A client of simulated worlds: reqwest with the world's names, trusting what a test says.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Response, StatusCode};
use serde_json::{Value, json};
use simulator::{Simulator, SimulatorOptions, World, WorldHandle};

pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A world from YAML and the simulator that serves it.
pub(crate) async fn world(yaml: &str) -> (Simulator, WorldHandle) {
    let world = World::from_yaml("world.yaml", yaml).unwrap_or_else(|error| panic!("{error}"));
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let handle = simulator.add_world(world).await.unwrap();
    (simulator, handle)
}

/// A client that resolves the world's names and trusts the authorities. URLs must be made with [`url`].
pub(crate) fn client(handle: &WorldHandle, authorities: &[&str]) -> Client {
    builder(handle, authorities).build().unwrap()
}

/// A client that follows no redirections, as a gateway which sends users to sign in.
pub(crate) fn staying_client(handle: &WorldHandle, authorities: &[&str]) -> Client {
    builder(handle, authorities).redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// The same, to be given more.
pub(crate) fn builder(handle: &WorldHandle, authorities: &[&str]) -> ClientBuilder {
    // Another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let roots = authorities.iter().map(|name| Certificate::from_pem(handle.ca_pem(name).unwrap().as_bytes()).unwrap());
    let mut builder = Client::builder().tls_certs_only(roots).no_proxy().timeout(LIMIT);
    for name in handle.names() {
        let address = *name.ports.values().next().unwrap();
        builder = builder.resolve(&name.host, address);
    }
    builder
}

/// A client that knows no world.
pub(crate) fn http_client() -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder().no_proxy().timeout(LIMIT).build().unwrap()
}

/// The URL with the port where the world really listens, since a client without root cannot use 443.
pub(crate) fn url(handle: &WorldHandle, url: &str) -> String {
    let mut parsed: url::Url = url.parse().unwrap();
    let host = parsed.host_str().unwrap().to_owned();
    let port = parsed.port_or_known_default().unwrap();
    let real = handle.names().into_iter().find(|name| name.host == host).map(|name| name.ports[&port].port());
    parsed.set_port(real).unwrap();
    parsed.to_string()
}

/// What a server that the authority `public` vouches for answers to a handshake with this bearer token.
pub(crate) async fn knock(handle: &WorldHandle, server: &str, token: &str) -> StatusCode {
    let mut mcp = Mcp::new(handle, &["public"], server).with("authorization", &format!("Bearer {token}"));
    let message = mcp.request("initialize", handshake("2025-11-25", json!({})));
    mcp.post(&message).await.status()
}

fn handshake(version: &str, capabilities: Value) -> Value {
    let mut params = json!({"protocolVersion": version, "clientInfo": {"name": "test", "version": "1"}});
    params["capabilities"] = capabilities;
    params
}

/// A Streamable HTTP client of one server, with a session once it is initialized.
pub(crate) struct Mcp {
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    next: u64,
}

impl Mcp {
    pub(crate) fn new(handle: &WorldHandle, authorities: &[&str], server: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("application/json, text/event-stream"));
        Self { client: client(handle, authorities), url: url(handle, server), headers, next: 0 }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) async fn post(&self, message: &Value) -> Response {
        self.client.post(&self.url).headers(self.headers.clone()).json(message).send().await.unwrap()
    }

    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut message = json!({"jsonrpc": "2.0", "id": self.next, "method": method});
        message["params"] = params;
        message
    }

    /// The handshake of a client without capabilities; later requests belong to the session.
    pub(crate) async fn initialize(&mut self, version: &str) -> Value {
        self.initialize_with(version, json!({})).await
    }

    pub(crate) async fn initialize_with(&mut self, version: &str, capabilities: Value) -> Value {
        let message = self.request("initialize", handshake(version, capabilities));
        let response = self.post(&message).await;
        assert_eq!(response.status(), StatusCode::OK);
        if let Some(session) = response.headers().get("mcp-session-id") {
            self.headers.insert("mcp-session-id", session.clone());
        }
        let result = response.json::<Value>().await.unwrap()["result"].clone();
        let agreed = result["protocolVersion"].as_str().unwrap();
        self.headers.insert("mcp-protocol-version", agreed.parse().unwrap());
        let initialized = self.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        assert_eq!(initialized.status(), StatusCode::ACCEPTED);
        result
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let message = self.request(method, params);
        let response = self.post(&message).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// A call whose answer comes on a stream.
    pub(crate) async fn open(&mut self, method: &str, params: Value) -> Events {
        let message = self.request(method, params);
        Events::of(self.post(&message).await)
    }

    /// The stream for whatever the server has to say.
    pub(crate) async fn listen(&self, last_event: Option<&str>) -> Response {
        let mut request = self.client.get(&self.url).headers(self.headers.clone());
        if let Some(last_event) = last_event {
            request = request.header("last-event-id", last_event);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn call_tool(&mut self, name: &str, arguments: Value) -> Value {
        self.call("tools/call", json!({"name": name, "arguments": arguments})).await
    }
}

/// The events of a response's stream.
pub(crate) struct Events {
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    buffer: String,
}

impl Events {
    pub(crate) fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { pieces: Box::pin(response.bytes_stream()), buffer: String::new() }
    }

    /// The next event as it is on the wire; `None` at the end of the stream.
    pub(crate) async fn next_event(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let rest = self.buffer.split_off(end + 2);
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            let piece = tokio::time::timeout(LIMIT, self.pieces.next()).await.expect("an event within the limit")?;
            self.buffer.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    /// The next message; events without one are passed over.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let event = self.next_event().await?;
            let data = event.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or_default().trim();
            if !data.is_empty() {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }
}
