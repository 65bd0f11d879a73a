//! A client of the modern wire that says of itself what it must, unless a test wants otherwise.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use simulator::WorldHandle;
use tokio::time::timeout;

use crate::client::{LIMIT, client, url};

pub(super) const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(super) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

pub(super) struct Modern {
    client: Client,
    url: String,
    pub(super) capabilities: Value,
    pub(super) token: Option<String>,
}

/// A request that is not sent yet.
pub(super) struct Prepared {
    client: Client,
    url: String,
    pub(super) headers: HeaderMap,
    pub(super) message: Value,
}

impl Modern {
    pub(super) fn new(handle: &WorldHandle, server: &str) -> Self {
        Self { client: client(handle, &[]), url: url(handle, server), capabilities: json!({}), token: None }
    }

    /// A right request.
    pub(super) fn request(&self, id: u64, method: &str, params: Value) -> Prepared {
        let mut params = params;
        params["_meta"][VERSION] = json!("2026-07-28");
        params["_meta"][CAPABILITIES] = self.capabilities.clone();
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let mut headers = HeaderMap::new();
        headers.insert("accept", "application/json, text/event-stream".parse().unwrap());
        headers.insert("mcp-protocol-version", "2026-07-28".parse().unwrap());
        headers.insert("mcp-method", method.parse().unwrap());
        let name = message["params"]["name"].as_str().or(message["params"]["uri"].as_str());
        if let Some(name) = name {
            headers.insert("mcp-name", name.parse().unwrap());
        }
        if let Some(token) = &self.token {
            headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        Prepared { client: self.client.clone(), url: self.url.clone(), headers, message }
    }

    /// The answer to a right request.
    pub(super) async fn call(&self, method: &str, params: Value) -> Value {
        self.request(1, method, params).send().await.1
    }

    pub(super) async fn call_tool(&self, name: &str, arguments: Value) -> Value {
        self.call("tools/call", json!({"name": name, "arguments": arguments})).await
    }
}

impl Prepared {
    /// With another value of a header; `None` removes it.
    pub(super) fn header(mut self, name: &'static str, value: Option<&str>) -> Self {
        let name = HeaderName::from_static(name);
        match value {
            Some(value) => self.headers.insert(name, value.parse().unwrap()),
            None => self.headers.remove(name),
        };
        self
    }

    /// With a further member of `_meta`.
    pub(super) fn describing(mut self, key: &str, value: Value) -> Self {
        self.message["params"]["_meta"][key] = value;
        self
    }

    /// With another `_meta`.
    pub(super) fn metadata(mut self, metadata: Value) -> Self {
        self.message["params"]["_meta"] = metadata;
        self
    }

    /// The messages of the stream that answers it.
    pub(super) async fn events(self) -> Events {
        Events::of(self.response().await)
    }

    pub(super) async fn response(self) -> Response {
        self.client.post(self.url).headers(self.headers).json(&self.message).send().await.unwrap()
    }

    /// Status and JSON body.
    pub(super) async fn send(self) -> (u16, Value) {
        let response = self.response().await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Status and code of the error.
    pub(super) async fn refused(self) -> (u16, Option<i64>) {
        let id = self.message["id"].clone();
        let (status, answer) = self.send().await;
        assert_eq!(answer["id"], id, "errors carry the request's id");
        (status, answer["error"]["code"].as_i64())
    }
}

/// The messages of an event stream, one after the other.
pub(super) struct Events {
    bytes: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    text: String,
}

impl Events {
    pub(super) fn of(response: Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { bytes: Box::pin(response.bytes_stream()), text: String::new() }
    }

    /// The next message; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                match event.strip_prefix("event: message\ndata: ") {
                    Some(data) => return Some(serde_json::from_str(data).unwrap()),
                    None => continue,
                }
            }
            let piece = timeout(LIMIT, self.bytes.next()).await.unwrap()?.unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// All messages up to the end.
    pub(super) async fn rest(mut self) -> Vec<Value> {
        let mut all = Vec::new();
        while let Some(message) = self.next().await {
            all.push(message);
        }
        all
    }
}
