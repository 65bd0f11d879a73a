//! A client that costs little: a session over one connection, one request after the other.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

/// Where a session goes, and with what.
#[derive(Clone)]
pub(crate) struct Target {
    /// Address and port that it connects to.
    pub(crate) address: String,
    /// What it calls them.
    pub(crate) host: String,
    /// The path of the endpoint.
    pub(crate) path: String,
    /// The name of the tool that answers with its argument.
    pub(crate) tool: String,
    /// The bearer token, where one is needed.
    pub(crate) token: Option<String>,
}

/// A session of an MCP server.
pub(crate) struct Session {
    target: Target,
    stream: BufReader<TcpStream>,
    id: String,
    /// No id is good twice in a session.
    last: u64,
}

impl Session {
    /// Connects and shakes hands.
    pub(crate) fn open(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&target.address)?;
        stream.set_nodelay(true)?;
        let mut session = Self { target: target.clone(), stream: BufReader::new(stream), id: String::new(), last: 0 };
        let params =
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "b", "version": "1"}});
        session.post(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}))?;
        ensure!(!session.id.is_empty(), "the server opens a session");
        session.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(session)
    }

    /// Calls the tool, and checks what it answers.
    pub(crate) fn call(&mut self) -> anyhow::Result<()> {
        self.last += 1;
        let params = json!({"name": self.target.tool, "arguments": {"text": "hello"}});
        let answer =
            self.post(&json!({"jsonrpc": "2.0", "id": self.last, "method": "tools/call", "params": params}))?;
        let result =
            answer.windows(9).any(|part| part == b"\"result\":") && answer.windows(7).any(|part| part == b"\"hello\"");
        ensure!(result, "the tool answers {}", answer.escape_ascii());
        Ok(())
    }

    /// Opens the stream from server to client; the connection serves nothing else from then on.
    pub(crate) fn listen(mut self) -> anyhow::Result<TcpStream> {
        let head = self.head("GET", "");
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.read_head()?;
        Ok(self.stream.into_inner())
    }

    fn head(&self, method: &str, more: &str) -> String {
        let Target { host, path, token, .. } = &self.target;
        let session = if self.id.is_empty() { String::new() } else { format!("mcp-session-id: {}\r\n", self.id) };
        let token = token.as_ref().map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\naccept: application/json, text/event-stream\r\n\
             mcp-protocol-version: 2025-11-25\r\n{session}{token}{more}\r\n"
        )
    }

    fn post(&mut self, message: &Value) -> anyhow::Result<Vec<u8>> {
        let body = message.to_string();
        let mut request =
            self.head("POST", &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        request.push_str(&body);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let length = self.read_head()?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).context("a whole body")?;
        Ok(body)
    }

    /// Reads the head of an answer; the length of its body.
    fn read_head(&mut self) -> anyhow::Result<usize> {
        let (mut length, mut line, mut first) = (0, String::new(), true);
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            ensure!(!first || line.starts_with("HTTP/1.1 20"), "the answer begins with {line:?}");
            first = false;
            match line.trim_end().split_once(": ") {
                None if line.trim_end().is_empty() => return Ok(length),
                Some(("content-length", value)) => length = value.parse()?,
                Some(("mcp-session-id", value)) => value.clone_into(&mut self.id),
                _ => {}
            }
        }
    }
}
