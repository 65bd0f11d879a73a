//! The wires of the revisions with a handshake, 2024-11-05 to 2025-11-25: Streamable HTTP and HTTP+SSE.

mod call;
mod methods;
mod replay;
mod session;
mod sessions;
mod sse;
mod streamable;
mod streams;

pub(super) use sessions::Sessions;
