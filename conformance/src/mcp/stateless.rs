//! Revision 2026-07-28: there is no handshake and no session, so each request says about itself what a session would know,
//! in `_meta` and, for intermediaries, in headers.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::mirror::{Mirrored, header_value, mirrored};

/// The revision without sessions.
pub const STATELESS_REVISION: &str = "2026-07-28";

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// What a client without a session remembers.
#[derive(Clone, Debug)]
pub(super) struct Stateless {
    /// What it declares with each request.
    capabilities: Map<String, Value>,
    /// Arguments that go into headers, by the names of the tools that were listed.
    mirrored: Arc<Mutex<BTreeMap<String, Vec<Mirrored>>>>,
}

impl Stateless {
    /// A client that declares these capabilities.
    pub(super) fn new(capabilities: Map<String, Value>) -> Self {
        Self { capabilities, mirrored: Arc::default() }
    }

    /// Adds to a request what it must say about itself; what it says already stays.
    pub(super) fn complete(&self, message: &mut Map<String, Value>) {
        let Value::Object(params) = message.entry("params").or_insert_with(|| json!({})) else { return };
        let Value::Object(meta) = params.entry("_meta").or_insert_with(|| json!({})) else { return };
        meta.entry(VERSION_KEY).or_insert_with(|| STATELESS_REVISION.into());
        meta.entry("io.modelcontextprotocol/clientCapabilities")
            .or_insert_with(|| Value::Object(self.capabilities.clone()));
        meta.entry("io.modelcontextprotocol/clientInfo")
            .or_insert_with(|| json!({"name": "conformance", "version": env!("CARGO_PKG_VERSION")}));
    }

    /// The headers that say what the message does.
    pub(super) fn headers(&self, message: &Map<String, Value>) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::new();
        let none = Map::new();
        let params = message.get("params").and_then(Value::as_object).unwrap_or(&none);
        let version = params.get("_meta").and_then(|meta| meta[VERSION_KEY].as_str()).unwrap_or(STATELESS_REVISION);
        headers.insert("mcp-protocol-version".to_owned(), version.to_owned());
        let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
        headers.insert("mcp-method".to_owned(), method.to_owned());
        let name = match method {
            "tools/call" | "prompts/get" => params.get("name"),
            "resources/read" => params.get("uri"),
            "tasks/get" | "tasks/update" | "tasks/cancel" => params.get("taskId"),
            _ => None,
        };
        if let Some(name) = name.and_then(Value::as_str) {
            headers.insert("mcp-name".to_owned(), header_value(name));
            if method == "tools/call" {
                let arguments = params.get("arguments").unwrap_or(&Value::Null);
                let tools = self.mirrored.lock();
                headers.extend(tools.get(name).into_iter().flatten().filter_map(|mirrored| mirrored.header(arguments)));
            }
        }
        headers
    }

    /// Remembers which arguments of listed tools go into headers.
    pub(super) fn learn(&self, tools: &[Value]) {
        let mut known = self.mirrored.lock();
        for tool in tools {
            if let Some(name) = tool["name"].as_str() {
                known.insert(name.to_owned(), mirrored(&tool["inputSchema"]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn a_request_says_revision_capabilities_and_client() {
        let client = Stateless::new(map(json!({"elicitation": {}})));
        let mut message = map(json!({"method": "tools/list"}));
        client.complete(&mut message);
        let meta = &message["params"]["_meta"];
        assert_eq!(meta[VERSION_KEY], "2026-07-28");
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({"elicitation": {}}));
        assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "conformance");
    }

    #[test]
    fn what_a_request_says_already_stays_and_the_header_repeats_it() {
        let client = Stateless::new(Map::new());
        let mut message = map(json!({"method": "tools/list", "params": {"_meta": {VERSION_KEY: "2099-01-01"}}}));
        client.complete(&mut message);
        assert_eq!(message["params"]["_meta"][VERSION_KEY], "2099-01-01");
        assert_eq!(client.headers(&message)["mcp-protocol-version"], "2099-01-01");
    }

    #[test]
    fn the_name_is_what_the_method_names() {
        let client = Stateless::new(Map::new());
        for (message, name) in [
            (json!({"method": "tools/call", "params": {"name": "grüße"}}), Some("=?base64?Z3LDvMOfZQ==?=")),
            (json!({"method": "prompts/get", "params": {"name": "hello"}}), Some("hello")),
            (json!({"method": "resources/read", "params": {"uri": "file:///a"}}), Some("file:///a")),
            (json!({"method": "tasks/get", "params": {"taskId": "7"}}), Some("7")),
            (json!({"method": "tools/list", "params": {"name": "hello"}}), None),
        ] {
            let headers = client.headers(&map(message.clone()));
            assert_eq!(headers.get("mcp-name").map(String::as_str), name, "{message}");
            assert_eq!(headers["mcp-method"], message["method"].as_str().unwrap());
        }
    }

    #[test]
    fn arguments_of_listed_tools_are_mirrored() {
        let client = Stateless::new(Map::new());
        let schema = json!({"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}});
        client.learn(&[json!({"name": "deploy", "inputSchema": schema})]);
        let call = |name: &str| {
            client
                .headers(&map(json!({"method": "tools/call", "params": {"name": name, "arguments": {"region": "eu"}}})))
        };
        assert_eq!(call("deploy")["mcp-param-region"], "eu");
        assert!(!call("other").contains_key("mcp-param-region"));
    }
}
