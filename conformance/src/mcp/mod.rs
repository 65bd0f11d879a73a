//! The suite's own MCP client, so that a gateway is never tested with its own code.

mod http;
mod http_sse;
mod mirror;
mod session;
mod sse;
mod stateless;
mod stream;
mod subscription;
mod transcript;

pub use http::{Extent, Http, HttpError, Response, Route};
pub use session::{Overrides, Reply, Session, Transport};
pub use sse::Event;
pub use stateless::STATELESS_REVISION;
pub use subscription::Subscription;
pub use transcript::{Exchange, Transcript};
