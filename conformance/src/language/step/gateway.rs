//! Steps that talk to a gateway.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::{Count, Target};
use crate::expression::Expression;
use crate::mcp::{Overrides, STATELESS_REVISION, Transport};
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
    pub protocol: Option<Located<String>>,
    /// What the client declares, in the revision without sessions.
    pub capabilities: Option<Located<Map<String, Value>>>,
    /// Must hold of the answer to initialize, or to server/discover.
    pub expect: Option<Expression>,
    /// The gateway must refuse, so that this holds.
    pub refused: Option<Expression>,
}

impl Connect {
    /// The protocol revision that the client asks for.
    pub fn revision(&self) -> &str {
        self.protocol.as_ref().map_or(self.transport.revision(), |protocol| &protocol.value)
    }

    /// Whether the client speaks the revision without sessions.
    pub fn is_stateless(&self) -> bool {
        self.revision() == STATELESS_REVISION
    }
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
    /// What an earlier answer asked for, by its names, in the revision without sessions.
    pub inputs: Option<Map<String, Value>>,
    /// The state that came with that answer.
    #[serde(rename = "requestState")]
    pub request_state: Option<String>,
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
    /// Headers in place of those that the message would have; null leaves one out.
    #[serde(default)]
    pub headers: Overrides,
    /// Another session than the current one.
    pub session: Option<String>,
    /// What must hold.
    pub expect: Option<Expression>,
    /// Sends again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

/// Subscribes to changes, in the revision without sessions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Which changes, as the protocol says it.
    #[serde(rename = "listen")]
    pub filter: Map<String, Value>,
    /// Another session than the current one.
    pub session: Option<String>,
    /// What must hold of the acknowledgement.
    pub expect: Option<Expression>,
    /// The gateway must refuse, so that this holds.
    pub refused: Option<Expression>,
}

/// Reads what a subscription has brought.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// The subscription's name.
    #[serde(rename = "heard")]
    pub subscription: Located<String>,
    /// Which messages.
    #[serde(rename = "where")]
    pub selects: Option<Expression>,
    /// How many of them.
    #[serde(default)]
    pub count: Count,
    /// What must hold of each.
    pub expect: Option<Expression>,
}

/// Ends a session or a subscription.
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
