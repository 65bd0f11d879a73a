//! JSON-RPC 2.0 as MCP uses it: a typed envelope around raw JSON.
//!
//! The gateway reads as little as it can and forwards the rest as it came: `params`, `result` and `error` stay
//! [`RawValue`](serde_json::value::RawValue)s, an id keeps its spelling. Where the gateway does read an object,
//! through [`Object`], a duplicate key and a key that equals an owned one but for case are refused, so that the
//! gateway and the backend can never see two different values in the same message.

mod compose;
mod error;
mod limits;
mod message;
mod object;
#[cfg(test)]
mod tests;

pub use compose::{error_response, notification, raw, request, result_response};
pub use error::{ErrorObject, ParseError, code};
pub use limits::MAX_DEPTH;
pub use message::{
    BATCHING, Id, Message, Notification, Outcome, Request, Response, id_beside, is_batch, messages_of_batch, told,
};
pub use object::{Object, array};
