//! What can be wrong with a message, and JSON-RPC error objects of the gateway's own.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Error codes: those of JSON-RPC 2.0, those of MCP, and the gateway's own.
pub mod code {
    /// The text is not JSON (JSON-RPC 2.0, section 5.1).
    pub const PARSE_ERROR: i64 = -32700;
    /// The JSON is not a request that the gateway takes.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method, or one that the gateway does not serve.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The params do not fit the method; also an unknown tool (MCP 2025-11-25, tools, error handling).
    pub const INVALID_PARAMS: i64 = -32602;
    /// The gateway itself failed.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// Nobody has a resource of this URI (MCP up to 2025-11-25).
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// A header does not say what the body does (MCP 2026-07-28).
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The client has not declared what `data.requiredCapabilities` names (MCP 2026-07-28).
    pub const MISSING_CLIENT_CAPABILITY: i64 = -32021;
    /// The revision is not one of `data.supported` (MCP 2026-07-28).
    pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
    /// A backend could not be reached or did not answer as MCP asks; `data` names it and the cause class.
    pub const BACKEND_UNAVAILABLE: i64 = -32050;
    /// A limit of the gateway is reached, of a session or of a backend: try again later.
    pub const OVERLOADED: i64 = -32051;
}

/// The `error` member of a response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// One of [`code`].
    pub code: i64,
    /// One sentence for people.
    pub message: String,
    /// What programs need to react: backend, cause class, supported revisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl ErrorObject {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same error with `data`.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }
}

/// Why a text is not a message that the gateway takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text is not JSON.
    #[error("the message is not valid JSON")]
    NotJson,
    /// Objects and arrays are nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("the message is nested deeper than {} levels", super::MAX_DEPTH)]
    TooDeep,
    /// A batch: MCP has none since revision 2025-06-18.
    #[error("batches are not part of this protocol revision, send one message per request")]
    Batch,
    /// JSON, but not a JSON-RPC 2.0 message.
    #[error("the message is not a JSON-RPC 2.0 message: {0}")]
    Envelope(&'static str),
    /// A value that the gateway reads has the wrong type.
    #[error("{place}.{key} must be {expected}")]
    Type {
        /// The object that holds the key, e.g. `params`.
        place: &'static str,
        /// The key.
        key: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// The value is not an object.
    #[error("{0} must be an object")]
    NotAnObject(&'static str),
    /// A key occurs twice in an object that the gateway reads.
    #[error("{place} holds the key {key:?} twice")]
    DuplicateKey {
        /// The object.
        place: &'static str,
        /// The key.
        key: String,
    },
    /// A key equals one that the gateway reads but for case.
    #[error("{place} holds the key {key:?}, which differs from {owned:?} only in case")]
    CaseVariant {
        /// The object.
        place: &'static str,
        /// The key as sent.
        key: String,
        /// The key as the protocol spells it.
        owned: String,
    },
}

impl ParseError {
    /// The JSON-RPC code that answers this error.
    pub fn code(&self) -> i64 {
        match self {
            Self::NotJson | Self::TooDeep => code::PARSE_ERROR,
            Self::Batch | Self::Envelope(_) => code::INVALID_REQUEST,
            Self::Type { place, .. }
            | Self::NotAnObject(place)
            | Self::DuplicateKey { place, .. }
            | Self::CaseVariant { place, .. } => {
                if *place == super::message::ENVELOPE {
                    code::INVALID_REQUEST
                } else {
                    code::INVALID_PARAMS
                }
            }
        }
    }
}

impl From<&ParseError> for ErrorObject {
    fn from(error: &ParseError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
