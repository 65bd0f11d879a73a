//! What both sides of the gateway know of the revisions without sessions (MCP 2026-07-28): each request says of itself
//! which revision it speaks and what its sender can be asked, and repeats some of its body in headers.

pub mod errors;
pub mod header;
pub mod meta;
pub mod mirrored;
pub mod tasks;

/// The revisions without sessions that the gateway speaks, newest first.
pub const SPOKEN: [&str; 1] = ["2026-07-28"];

/// The newest of them.
pub const VERSION: &str = SPOKEN[0];

/// Whether the results of a method may ask the client for inputs (multi round-trip requests).
pub fn takes_inputs(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get" | "resources/read")
}
