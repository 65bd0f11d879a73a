//! JSON-RPC 2.0 as MCP uses it: requests, notifications, responses, and the errors that answer bad ones.

use serde_json::{Map, Value, json};

pub(super) const PARSE_ERROR: i64 = -32700;
pub(super) const INVALID_REQUEST: i64 = -32600;
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
pub(super) const INVALID_PARAMS: i64 = -32602;
/// `HeaderMismatch` of revision 2026-07-28.
pub(super) const HEADER_MISMATCH: i64 = -32020;
/// `MissingRequiredClientCapability` of revision 2026-07-28.
pub(super) const MISSING_CLIENT_CAPABILITY: i64 = -32021;
/// `UnsupportedProtocolVersion` of revision 2026-07-28.
pub(super) const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
pub(super) const INTERNAL_ERROR: i64 = -32603;
/// For refusals of the transport, as the reference implementations use it.
pub(super) const TRANSPORT_ERROR: i64 = -32000;

/// A message from a client.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Request {
        id: Value,
        method: String,
        params: Map<String, Value>,
    },
    Notification {
        method: String,
        params: Map<String, Value>,
    },
    /// A result or an error. Errors about messages that could not be read have no id.
    Response {
        id: Option<Value>,
        outcome: Result<Value, Value>,
    },
}

impl Message {
    /// Reads one message; the error says what is wrong with it.
    pub(super) fn read(value: &Value) -> Result<Self, &'static str> {
        let members = value.as_object().ok_or("the message is not a JSON object")?;
        if members.get("jsonrpc") != Some(&json!("2.0")) {
            return Err("`jsonrpc` is not \"2.0\"");
        }
        let id = match members.get("id") {
            None => None,
            Some(id) if id.is_string() || id.is_i64() || id.is_u64() => Some(id.clone()),
            Some(_) => return Err("`id` is neither a string nor an integer"),
        };
        let Some(method) = members.get("method") else {
            return match (id, members.get("result"), members.get("error")) {
                (Some(id), Some(result), None) => Ok(Self::Response { id: Some(id), outcome: Ok(result.clone()) }),
                (id, None, Some(error)) => Ok(Self::Response { id, outcome: Err(error.clone()) }),
                _ => Err("the message is neither a request nor a notification nor a response"),
            };
        };
        let method = method.as_str().ok_or("`method` is not a string")?.to_owned();
        let params = match members.get("params") {
            None => Map::new(),
            Some(Value::Object(params)) => params.clone(),
            Some(_) => return Err("`params` is not an object"),
        };
        Ok(match id {
            Some(id) => Self::Request { id, method, params },
            None => Self::Notification { method, params },
        })
    }
}

/// What a method answers.
pub(super) type Reply = Result<Value, MethodError>;

/// The `error` member of a response.
#[derive(Debug)]
pub(super) struct MethodError {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Option<Value>,
    /// Whether the world wants this answer, so that it is no refusal.
    pub(super) scripted: bool,
}

impl MethodError {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None, scripted: false }
    }

    pub(super) fn response(&self, id: &Value) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        json!({"jsonrpc": "2.0", "id": id, "error": error})
    }
}

/// The response to the request `id`.
pub(super) fn response(id: &Value, reply: &Reply) -> Value {
    match reply {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => error.response(id),
    }
}
