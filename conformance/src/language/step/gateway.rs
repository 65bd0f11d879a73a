//! Steps that talk to a gateway.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::Target;
use crate::expression::Expression;
use crate::mcp::Transport;
use crate::yaml::Located;

/// Opens an MCP session.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// `kind/name` of an object with `status.url`, or an http URL.
    #[serde(rename = "connect")]
    pub to: Target,
    /// How the client speaks.
    #[serde(default)]
    pub transport: Transport,
    /// Who connects.
    pub token: Option<Token>,
    /// Sent with every request of the session.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The protocol revision.
    pub protocol: Option<String>,
    /// Must hold of the answer to initialize.
    pub expect: Option<Expression>,
    /// The gateway must refuse, so that this holds.
    pub refused: Option<Expression>,
}

/// Which list of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // They are the protocol's names.
pub enum ListKind {
    Tools,
    Resources,
    ResourceTemplates,
    Prompts,
}

/// Asks for a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Which.
    #[serde(rename = "list")]
    pub kind: ListKind,
    /// Another session than the current one.
    pub session: Option<String>,
    /// What must hold.
    pub expect: Option<Expression>,
    /// Asks again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

/// Calls a tool.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tool's name.
    #[serde(rename = "call")]
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// Another session than the current one.
    pub session: Option<String>,
    /// What must hold.
    pub expect: Option<Expression>,
    /// Calls again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

/// Sends a JSON-RPC message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The message.
    pub message: Map<String, Value>,
    /// Whether it is a notification, which has no id and no answer.
    #[serde(default)]
    pub notification: bool,
    /// Another session than the current one.
    pub session: Option<String>,
    /// What must hold.
    pub expect: Option<Expression>,
    /// Sends again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

/// Ends a session.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disconnect {
    /// Its name, or `current`.
    #[serde(rename = "disconnect")]
    pub session: String,
    /// What must hold of the answer.
    pub expect: Option<Expression>,
}

/// Sends an HTTP request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `METHOD /path`
    #[serde(rename = "request")]
    pub line: Located<String>,
    /// `kind/name` of an object with `status.url`, `service/NAME:PORT`, or an http URL.
    pub to: Target,
    /// Who asks.
    pub token: Option<Token>,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A session whose headers are added.
    pub session: Option<String>,
    /// A JSON body.
    pub json: Option<Value>,
    /// A body as it stands.
    pub body: Option<String>,
    /// How many events are read of a stream that does not end.
    pub events: Option<NonZeroUsize>,
    /// What must hold.
    pub expect: Option<Expression>,
    /// Asks again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

/// Who calls: nobody, a token in words, or one that an authorization server of the world issues.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// No token.
    None,
    /// This text.
    Literal(String),
    /// Issued by the world.
    Issued(Map<String, Value>),
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "none" => Ok(Self::None),
            Value::String(text) => Ok(Self::Literal(text)),
            Value::Object(request) => Ok(Self::Issued(request)),
            _ => Err(de::Error::custom("a token is `none`, a text or a mapping with `issuer` and `subject`")),
        }
    }
}
