//! The suite's own MCP client, so that a gateway is never tested with its own code.

mod http;
mod http_sse;
mod session;
mod sse;
mod transcript;

pub use http::{Extent, Http, HttpError, Response, Route};
pub use session::{Reply, Session, Transport};
pub use sse::Event;
pub use transcript::{Exchange, Transcript};
