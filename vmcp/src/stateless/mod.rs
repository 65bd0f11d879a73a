//! What both sides of the gateway know of the revisions without sessions (MCP 2026-07-28): each request says of itself
//! which revision it speaks and what its sender can be asked, and repeats some of its body in headers.

pub mod errors;
pub mod header;
pub mod meta;
pub mod mirrored;

/// The revisions without sessions that the gateway speaks, newest first.
pub const SPOKEN: [&str; 1] = ["2026-07-28"];

/// The newest of them.
pub const VERSION: &str = SPOKEN[0];
