//! A client without a session: every request says of itself what it must.

use crate::in_support::{Answer, Client, Events};
use http::Method;
use serde_json::{Value, json};

pub(crate) const VERSION: &str = "2026-07-28";

/// The `_meta` of a client that can be asked this.
pub(crate) fn meta(capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    })
}

/// The params with the `_meta` of a client that can be asked nothing, unless they have one.
pub(crate) fn described(mut params: Value) -> Value {
    let own = params["_meta"].take();
    let mut all = meta(&json!({}));
    all.as_object_mut().unwrap().extend(own.as_object().cloned().unwrap_or_default());
    params["_meta"] = all;
    params
}

impl Client {
    /// The same client with the headers that repeat this request.
    pub(crate) fn mirroring(&self, method: &str, params: &Value) -> Self {
        let mut client = self.clone();
        client.set("mcp-protocol-version", VERSION);
        client.set("mcp-method", method);
        let name = ["uri", "taskId"].into_iter().find(|key| !params[*key].is_null()).unwrap_or("name");
        client.set("mcp-name", params[name].as_str().unwrap_or_default());
        client
    }

    /// Asks without a session.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Answer {
        let params = described(params);
        self.mirroring(method, &params).request(method, params).await
    }

    /// Calls a tool without a session.
    pub(crate) async fn ask_tool(&self, name: &str, arguments: Value) -> Answer {
        self.ask("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// Asks without a session, and reads the answer as a stream.
    pub(crate) async fn ask_streamed(&self, id: Value, method: &str, params: Value) -> Events {
        let params = described(params);
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        Events::of(self.mirroring(method, &params).open(Method::POST, "/mcp", message).await)
    }
}
