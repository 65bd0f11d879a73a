//! A request to a backend, and what came back.

use serde_json::value::RawValue;

use super::session::Reply;
use crate::stateless::mirrored::Mirrored;

/// What a backend is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The method.
    pub method: &'a str,
    /// The params, with the backend's own names.
    pub params: Option<&'a RawValue>,
    /// The arguments that the tool wants to see in headers too, where the revision has such.
    pub mirrored: &'a [Mirrored],
}

impl<'a> Asking<'a> {
    /// A request without arguments in headers.
    pub fn new(method: &'a str, params: Option<&'a RawValue>) -> Self {
        Self { method, params, mirrored: &[] }
    }
}

/// What a backend answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) reply: Reply,
    /// Whether it is a refusal as servers of the other era give it: the request was not executed.
    pub(super) other_era: bool,
}

impl From<Reply> for Answered {
    fn from(reply: Reply) -> Self {
        Self { reply, other_era: false }
    }
}
