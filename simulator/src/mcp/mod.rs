//! Simulated MCP servers, strict about what the specification asks of clients.

mod access;
mod jsonrpc;
mod methods;
mod modern;
mod server;
mod sessions;
mod sse;
mod streamable;

pub(crate) use server::McpServer;
