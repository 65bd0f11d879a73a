//! The methods that are answered with one result.

use crate::jsonrpc::{ErrorObject, Object, code};
use crate::offers::Kind;
use crate::stateless::VERSION;
use crate::stateless::tasks::is_about_task;

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Method {
    /// `server/discover`.
    Discover,
    /// One of the lists, from the page of a cursor on.
    List(Kind, Option<String>),
    /// What one backend is asked.
    Ask(Ask),
}

/// What is asked of the backend that owns it.
#[derive(Debug)]
pub(super) enum Ask {
    /// `tools/call`.
    CallTool,
    /// `prompts/get`.
    GetPrompt,
    /// `resources/read`.
    ReadResource,
    /// `completion/complete`.
    Complete,
    /// `tasks/get`, `tasks/update` and `tasks/cancel`.
    AboutTask,
}

impl Method {
    /// What a request asks for, or the error that answers it.
    pub(super) fn parse(method: &str, params: &Object<'_>) -> Result<Self, ErrorObject> {
        if let Some((kind, cursor)) = Kind::asked(method, params).map_err(|error| ErrorObject::from(&error))? {
            return Ok(Self::List(kind, cursor));
        }
        match method {
            "server/discover" => Ok(Self::Discover),
            "tools/call" => Ok(Self::Ask(Ask::CallTool)),
            "prompts/get" => Ok(Self::Ask(Ask::GetPrompt)),
            "resources/read" => Ok(Self::Ask(Ask::ReadResource)),
            "completion/complete" => Ok(Self::Ask(Ask::Complete)),
            method if is_about_task(method) => Ok(Self::Ask(Ask::AboutTask)),
            other => Err(unserved(other)),
        }
    }
}

/// The error for a method that nobody knows.
pub(super) fn unserved(method: &str) -> ErrorObject {
    let message = format!("the method {method:?} is not served in revision {VERSION}");
    ErrorObject::new(code::METHOD_NOT_FOUND, message)
}
