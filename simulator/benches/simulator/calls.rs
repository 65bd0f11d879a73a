//! A client that costs little: one connection, one tool call after the other.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const HOST: &str = "mcp.example.com";

/// A session of an MCP server.
pub(crate) struct Session {
    stream: BufReader<TcpStream>,
    id: String,
}

impl Session {
    /// Connects and shakes hands.
    pub(crate) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut session = Self { stream: BufReader::new(stream), id: String::new() };
        let params =
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "b", "version": "1"}});
        let request = session.request(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}));
        session.send(&request).await?;
        ensure!(!session.id.is_empty(), "the server opens a session");
        let initialized = session.request(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        session.send(&initialized).await?;
        Ok(session)
    }

    /// Calls the tool so often.
    pub(crate) async fn call(&mut self, times: usize) -> anyhow::Result<()> {
        let params = json!({"name": "echo", "arguments": {"text": "hello"}});
        for id in 1..=times {
            // No id is good twice in a session.
            let request = self.request(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}));
            let answer = self.send(&request).await?;
            ensure!(answer.windows(7).any(|part| part == b"\"hello\""), "the tool answers {}", answer.escape_ascii());
        }
        Ok(())
    }

    fn request(&self, message: &Value) -> Vec<u8> {
        let body = message.to_string();
        let session = if self.id.is_empty() { String::new() } else { format!("mcp-session-id: {}\r\n", self.id) };
        format!(
            "POST /mcp HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n{session}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    async fn send(&mut self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.stream.get_mut().write_all(request).await?;
        let (mut length, mut line, mut first) = (0, String::new(), true);
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            ensure!(!first || line.starts_with("HTTP/1.1 20"), "the answer begins with {line:?}");
            first = false;
            match line.trim_end().split_once(": ") {
                None if line.trim_end().is_empty() => break,
                Some(("content-length", value)) => length = value.parse()?,
                Some(("mcp-session-id", value)) => value.clone_into(&mut self.id),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.context("a whole body")?;
        Ok(body)
    }
}
