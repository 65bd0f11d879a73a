//! A client of the modern wire that says of itself what it must, unless a test wants otherwise.

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use simulator::WorldHandle;

use crate::client::{client, url};

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

    /// With another `_meta`.
    pub(super) fn metadata(mut self, metadata: Value) -> Self {
        self.message["params"]["_meta"] = metadata;
        self
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
