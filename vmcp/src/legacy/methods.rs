//! The methods of requests within a session.

use crate::catalog::Level;
use crate::jsonrpc::{ErrorObject, Object, code};
use crate::offers::Kind;

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Method {
    /// `ping`.
    Ping,
    /// One of the lists, from the page of a cursor on.
    List(Kind, Option<String>),
    /// `tools/call`.
    CallTool,
    /// `prompts/get`.
    GetPrompt,
    /// `resources/read`.
    ReadResource,
    /// `resources/subscribe`.
    Subscribe,
    /// `resources/unsubscribe`.
    Unsubscribe,
    /// `completion/complete`.
    Complete,
    /// `logging/setLevel`.
    SetLevel(Level),
}

impl Method {
    /// What a request asks for, or the error that answers it.
    pub(super) fn parse(method: &str, params: &Object<'_>) -> Result<Self, ErrorObject> {
        if let Some((kind, cursor)) = Kind::asked(method, params).map_err(|error| ErrorObject::from(&error))? {
            return Ok(Self::List(kind, cursor));
        }
        match method {
            "ping" => Ok(Self::Ping),
            "tools/call" => Ok(Self::CallTool),
            "prompts/get" => Ok(Self::GetPrompt),
            "resources/read" => Ok(Self::ReadResource),
            "resources/subscribe" => Ok(Self::Subscribe),
            "resources/unsubscribe" => Ok(Self::Unsubscribe),
            "completion/complete" => Ok(Self::Complete),
            "logging/setLevel" => {
                let level = params.typed("level", Level::EXPECTED).map_err(|error| ErrorObject::from(&error))?;
                let missing =
                    || ErrorObject::new(code::INVALID_PARAMS, format!("params.level must be {}", Level::EXPECTED));
                Ok(Self::SetLevel(level.ok_or_else(missing)?))
            }
            other => {
                let message = format!("the method {other:?} is not served");
                Err(ErrorObject::new(code::METHOD_NOT_FOUND, message))
            }
        }
    }
}
