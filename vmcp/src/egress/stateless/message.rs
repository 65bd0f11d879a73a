//! One request: its `_meta`, and the headers that repeat what its body says (2026-07-28, base protocol, `_meta`; streamable
//! HTTP, request metadata).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::backend::Caller;
use crate::egress::error::EgressError;
use crate::egress::exchange::Exchange;
use crate::egress::peer::Declared;
use crate::egress::streamable::{PROTOCOL_VERSION, post};
use crate::jsonrpc::{self, Id, Object, ParseError, raw};
use crate::stateless::mirrored::{Mirrored, REPEATABLE, Unrepeatable, text_of};
use crate::stateless::{VERSION, header, meta, tasks};

/// Who sends a request.
#[derive(Debug, Clone, Copy)]
pub(in crate::egress) enum Sender<'a> {
    /// The gateway, which cannot be asked anything.
    Gateway,
    /// The gateway for clients that follow tasks.
    Follower,
    /// A client that said this of itself.
    Client(&'a Declared),
    /// A client, whose own words of itself stand in the params.
    Itself,
}

/// A request, ready to be posted.
#[derive(Debug)]
pub(in crate::egress) struct Message {
    headers: HeaderMap,
    body: Bytes,
}

impl Message {
    /// A request with these params and all that goes with them. `mirrored` are the arguments that its tool wants in headers.
    /// The error is one of the params.
    pub(in crate::egress) fn new(
        id: u64,
        method: &str,
        params: Option<&RawValue>,
        mirrored: &[Mirrored],
        sender: Sender<'_>,
    ) -> Result<Self, ParseError> {
        let named_by = header::named_by(method);
        let params = match params {
            Some(params) => Object::parse(params, "params", &["_meta", "arguments", named_by.unwrap_or("_meta")])?,
            None => Object::empty("params"),
        };
        let mut headers = HeaderMap::new();
        headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(VERSION));
        headers.insert(header::METHOD, header::encode(method));
        if let Some(name) = named_by.map(|key| params.string(key)).transpose()?.flatten() {
            headers.insert(header::NAME, header::encode(&name));
        }
        for mirrored in mirrored {
            if let Some(text) = repeated(&params, mirrored)? {
                headers.insert(mirrored.header.clone(), header::encode(&text));
            }
        }
        if let Sender::Client(declared) = sender {
            let unknown = |name: &HeaderName| mirrored.iter().all(|mirrored| mirrored.header != *name);
            for (name, value) in declared.arguments.iter().filter(|(name, _)| unknown(name)) {
                headers.append(name.clone(), value.clone());
            }
        }
        let meta = described(&params, sender)?;
        let params = params.with("_meta", meta).to_raw();
        Ok(Self { headers, body: jsonrpc::request(&Id::from(id), method, Some(&params)) })
    }

    /// The same with the headers in which its client repeats arguments of a tool.
    pub(in crate::egress) fn with_arguments(mut self, arguments: &HeaderMap) -> Self {
        for (name, value) in arguments {
            self.headers.append(name.clone(), value.clone());
        }
        self
    }

    /// Sends it.
    pub(in crate::egress) async fn post(
        self,
        exchange: &Exchange,
        caller: &Caller,
    ) -> Result<Response<Incoming>, EgressError> {
        post(exchange, caller, self.headers, self.body).await
    }
}

/// `_meta` with what `sender` says of itself in the place of what stands there.
fn described(params: &Object<'_>, sender: Sender<'_>) -> Result<Box<RawValue>, ParseError> {
    let meta = params.field("_meta").map(|meta| Object::parse(meta, "params._meta", &meta::OF_REQUEST)).transpose()?;
    let meta = meta.unwrap_or_else(|| Object::empty("params._meta"));
    if let Sender::Itself = sender {
        return Ok(meta.to_raw());
    }
    let meta = meta::OF_REQUEST.into_iter().fold(meta, Object::without).with(meta::PROTOCOL_VERSION, raw(VERSION));
    let Sender::Client(declared) = sender else {
        let info = json!({"name": "vmcp", "version": env!("CARGO_PKG_VERSION")});
        let capabilities = if let Sender::Follower = sender { tasks::declaration() } else { json!({}) };
        return Ok(meta
            .with(meta::CLIENT_INFO, raw(&info))
            .with(meta::CLIENT_CAPABILITIES, raw(&capabilities))
            .to_raw());
    };
    let Declared { capabilities, client_info, log_level, .. } = declared;
    let optional = [
        (meta::CLIENT_INFO, client_info.as_deref().filter(|info| is_info(info))),
        (meta::LOG_LEVEL, log_level.as_deref()),
    ];
    let meta = meta.with(meta::CLIENT_CAPABILITIES, (**capabilities).to_owned());
    let meta = optional.into_iter().fold(meta, |meta, (key, value)| match value {
        Some(value) => meta.with(key, value.to_owned()),
        None => meta,
    });
    Ok(meta.to_raw())
}

/// Whether a client names itself as backends must be told; they refuse anything else.
fn is_info(info: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Info {
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "version")]
        _version: String,
    }
    serde_json::from_str::<Info>(info.get()).is_ok()
}

/// The text of an argument for its header.
fn repeated(params: &Object<'_>, mirrored: &Mirrored) -> Result<Option<String>, ParseError> {
    let arguments = params.field("arguments");
    let Some(argument) = arguments.map(|arguments| mirrored.find(arguments)).transpose()?.flatten() else {
        return Ok(None);
    };
    text_of(argument).map(Some).map_err(|Unrepeatable| ParseError::Type {
        place: "params.arguments",
        key: mirrored.path.join("."),
        expected: REPEATABLE,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;

    fn message(method: &str, params: &str, mirrored: &[Mirrored], sender: Sender<'_>) -> Result<Message, ParseError> {
        let params = RawValue::from_string(params.to_owned()).unwrap();
        Message::new(7, method, Some(&params), mirrored, sender)
    }

    fn meta(message: &Message) -> Value {
        serde_json::from_slice::<Value>(&message.body).unwrap()["params"]["_meta"].clone()
    }

    #[test]
    fn a_request_says_what_the_client_declared_and_nothing_else_of_it() {
        let arc = |value: &Value| Arc::from(raw(value));
        let declared = Declared {
            capabilities: arc(&json!({"elicitation": {"url": {}}})),
            client_info: Some(arc(&json!({"name": "c", "version": "1"}))),
            log_level: Some(arc(&json!("warning"))),
            arguments: HeaderMap::new(),
        };
        let params =
            r#"{"name":"a","_meta":{"progressToken":"t","io.modelcontextprotocol/clientCapabilities":{"roots":{}}}}"#;
        let sent = message("tools/call", params, &[], Sender::Client(&declared)).unwrap();
        let expected = json!({
            "progressToken": "t",
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}},
            "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
            "io.modelcontextprotocol/logLevel": "warning",
        });
        assert_eq!(meta(&sent), expected);
        let nameless = Declared { client_info: Some(arc(&json!({"name": "c"}))), log_level: None, ..declared };
        let sent = meta(&message("tools/call", "{}", &[], Sender::Client(&nameless)).unwrap());
        assert_eq!(sent.as_object().unwrap().len(), 2, "{sent}");
        let own = meta(&message("tools/list", "{}", &[], Sender::Gateway).unwrap());
        assert_eq!(own["io.modelcontextprotocol/clientCapabilities"], json!({}));
        assert_eq!(own["io.modelcontextprotocol/clientInfo"]["name"], "vmcp");
        let follower = meta(&message("subscriptions/listen", "{}", &[], Sender::Follower).unwrap());
        assert_eq!(
            follower["io.modelcontextprotocol/clientCapabilities"],
            json!({"extensions": {"io.modelcontextprotocol/tasks": {}}})
        );
    }

    #[test]
    fn headers_of_arguments_that_nobody_knows_are_passed_on() {
        let mirrored = [Mirrored { header: HeaderName::from_static("mcp-param-a"), path: vec!["a".to_owned()] }];
        let mut arguments = HeaderMap::new();
        for (name, value) in [("mcp-param-a", "not the body's"), ("mcp-param-b", "1"), ("mcp-param-b", "2")] {
            arguments.append(name, HeaderValue::from_static(value));
        }
        let declared =
            Declared { capabilities: Arc::from(raw(&json!({}))), client_info: None, log_level: None, arguments };
        let params = r#"{"name":"x","arguments":{"a":"the body's"}}"#;
        let sent = message("tools/call", params, &mirrored, Sender::Client(&declared)).unwrap().headers;
        let values = |name: &str| sent.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!((values("mcp-param-a"), values("mcp-param-b")), (vec!["the body's"], vec!["1", "2"]));
    }

    #[test]
    fn headers_repeat_the_body() {
        let mirrored = ["region", "options.deep", "count"].map(|path| Mirrored {
            header: format!("mcp-param-{}", path.replace('.', "-")).parse().unwrap(),
            path: path.split('.').map(str::to_owned).collect(),
        });
        let headers = |params: &str| message("tools/call", params, &mirrored, Sender::Gateway).map(|sent| sent.headers);
        let sent = headers(r#"{"name":"ü","arguments":{"region":"us west","options":{"deep":true},"count":null}}"#);
        let sent = sent.unwrap();
        for (name, value) in [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "=?base64?w7w=?="),
            ("mcp-param-region", "us west"),
            ("mcp-param-options-deep", "true"),
        ] {
            assert_eq!(sent[name], value);
        }
        assert!(!sent.contains_key("mcp-param-count"), "null is like nothing");
        for twice in
            [r#"{"region":"a","region":"b"}"#, r#"{"region":"a","Region":"b"}"#, r#"{"options":{"deep":1,"deep":2}}"#]
        {
            assert!(headers(&format!(r#"{{"name":"x","arguments":{twice}}}"#)).is_err(), "{twice}");
        }
        let counted = |count: &str| headers(&format!(r#"{{"name":"x","arguments":{{"count":{count}}}}}"#));
        assert_eq!(counted("1e2").unwrap()["mcp-param-count"], "100");
        for count in ["9007199254740993", "1e24", "1e400", "1.5", "[]"] {
            let error = counted(count).unwrap_err();
            assert_eq!(error.code(), jsonrpc::code::INVALID_PARAMS, "{count}");
            assert!(
                error.to_string().starts_with("params.arguments.count must be text, a boolean or an integer"),
                "{error}"
            );
        }
        let read = message("resources/read", r#"{"uri":"file:///a"}"#, &[], Sender::Gateway).unwrap();
        assert_eq!(read.headers["mcp-name"], "file:///a");
        let get = message("tasks/get", r#"{"taskId":"t"}"#, &[], Sender::Gateway).unwrap();
        assert_eq!(get.headers["mcp-name"], "t");
        assert!(!message("tools/list", "{}", &[], Sender::Gateway).unwrap().headers.contains_key("mcp-name"));
    }
}
