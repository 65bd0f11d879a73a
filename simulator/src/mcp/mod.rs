//! Simulated MCP servers, strict about what the specification asks of clients: what they offer (`content`), and the wires that carry it.

mod access;
mod content;
mod exchange;
mod jsonrpc;
mod legacy;
mod modern;
mod quirks;
mod server;

pub(crate) use modern::SUBSCRIPTION_ID;
pub(crate) use server::McpServer;
