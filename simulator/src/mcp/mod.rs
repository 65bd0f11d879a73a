//! Simulated MCP servers of the protocol's legacy revisions, strict about what the specification asks of clients.

mod access;
mod jsonrpc;
mod methods;
mod server;
mod sessions;
mod sse;
mod streamable;

pub(crate) use server::McpServer;
