//! A client of MCP revision 2025-11-25, just enough to call a tool.

use libtest_mimic::Failed;
use reqwest::{Client, RequestBuilder, Response, header};
use serde_json::{Value, json};

const REVISION: &str = "2025-11-25";

/// An open session.
pub(crate) struct Session {
    client: Client,
    url: String,
    id: String,
}

impl Session {
    /// Initializes a session at this endpoint.
    pub(crate) async fn open(url: &str) -> Result<Self, Failed> {
        let mut session = Self { client: Client::new(), url: url.to_owned(), id: String::new() };
        let hello = json!({
            "protocolVersion": REVISION,
            "capabilities": {},
            "clientInfo": {"name": "container-tests", "version": "0"},
        });
        let response = session.send(session.post(), &message(Some(1), "initialize", &hello)).await?;
        let id = response.headers().get("mcp-session-id").ok_or("the gateway gave no session")?;
        session.id = id.to_str()?.to_owned();
        session.send(session.in_session(), &message(None, "notifications/initialized", &json!({}))).await?;
        Ok(session)
    }

    /// The same session at another endpoint.
    pub(crate) fn at(&self, url: &str) -> Self {
        Self { client: self.client.clone(), url: url.to_owned(), id: self.id.clone() }
    }

    /// Sends a request and returns the whole response message.
    pub(crate) async fn request(&self, method: &str, params: &Value) -> Result<Value, Failed> {
        let response = self.send(self.in_session(), &message(Some(2), method, params)).await?;
        let events = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let text = response.text().await?;
        // In a stream, the response is the last event.
        let last = text.lines().rev().find_map(|line| line.strip_prefix("data:")).filter(|_| events);
        Ok(serde_json::from_str(last.unwrap_or(&text))?)
    }

    fn post(&self) -> RequestBuilder {
        self.client.post(&self.url).header(header::ACCEPT, "application/json, text/event-stream")
    }

    fn in_session(&self) -> RequestBuilder {
        self.post().header("mcp-session-id", &self.id).header("mcp-protocol-version", REVISION)
    }

    async fn send(&self, request: RequestBuilder, message: &Value) -> Result<Response, Failed> {
        Ok(request.json(message).send().await?.error_for_status()?)
    }
}

fn message(id: Option<u32>, method: &str, params: &Value) -> Value {
    let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
    if let Some(id) = id {
        message["id"] = id.into();
    }
    message
}
