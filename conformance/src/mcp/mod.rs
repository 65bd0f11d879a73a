//! The suite's own MCP client (Streamable HTTP), so that a gateway is never tested with its own code.

mod http;
mod session;
mod sse;
mod transcript;

pub use http::{Http, HttpError, Response, Route};
pub(crate) use session::PROTOCOL;
pub use session::{Reply, Session};
pub use transcript::{Exchange, Transcript};
