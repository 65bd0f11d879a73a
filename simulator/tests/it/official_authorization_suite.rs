//! The official conformance suite of MCP, a client that others have written, against simulated authorization servers.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::client::{http_client, world};

/// What `mcp-conformance.sh` says when the suite cannot be installed.
const UNAVAILABLE: i32 = 69;
/// The suite waits for five minutes for somebody to sign in; the first run installs it.
const LIMIT: Duration = Duration::from_mins(2);

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs the suite against `issuer`, and follows the link by which it asks a person to sign in.
async fn passes(issuer: &str, client: &[&str]) {
    let callback = free_port().to_string();
    let mut suite = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp-conformance.sh"))
        .args(["authorization", "--url", issuer, "--resource", "https://mcp.example.com/mcp", "--port", &callback])
        .arg("-o")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("mcp-conformance"))
        .args(client)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(suite.stdout.take().unwrap()).lines();
    let mut report = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.starts_with(issuer) && line.contains("response_type=code") {
            assert!(http_client().get(line.trim()).send().await.unwrap().status().is_success());
        }
        report.push(line);
    }
    let status = suite.wait().await.unwrap();
    let mut errors = String::new();
    suite.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
    if status.code() == Some(UNAVAILABLE) {
        eprintln!("skipped: {errors}");
        return;
    }
    let report = report.join("\n");
    assert!(status.success(), "{report}\n{errors}");
    assert!(report.contains("Total: 2 passed, 0 failed"), "{report}");
}

#[tokio::test]
#[cfg_attr(not(has_npm), ignore = "the suite comes by npm, which this machine does not have")]
async fn a_client_with_a_secret_finds_and_uses_an_authorization_server() {
    let issuer = format!("http://127.0.0.1:{}", free_port());
    let (_simulator, _handle) = world(&format!(
        "
authorizationServers:
  - host: {}
    issuer: {issuer}
    users: [alice]
    signIn: alice
    clients: [{{id: suite, secret: s3cr3t, redirectUris: ['http://127.0.0.1/callback']}}]
",
        &issuer["http://".len()..]
    ))
    .await;
    let client = ["--client-id", "suite", "--client-secret", "s3cr3t"];
    tokio::time::timeout(LIMIT, passes(&issuer, &client)).await.unwrap();
}

#[tokio::test]
#[cfg_attr(not(has_npm), ignore = "the suite comes by npm, which this machine does not have")]
async fn a_public_client_finds_and_uses_an_issuer_with_a_path() {
    let host = format!("127.0.0.1:{}", free_port());
    let issuer = format!("http://{host}/realms/tools");
    let (_simulator, _handle) = world(&format!(
        "
authorizationServers:
  - host: {host}
    issuer: {issuer}
    users: [alice]
    signIn: alice
    signing: RS256
    registration: true
    clients: [{{id: suite, redirectUris: ['http://127.0.0.1/callback']}}]
"
    ))
    .await;
    tokio::time::timeout(LIMIT, passes(&issuer, &["--client-id", "suite"])).await.unwrap();
}
