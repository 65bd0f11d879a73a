#![allow(clippy::unwrap_used, clippy::panic)]
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::node::images::Program;
use crate::node::process::Invocation;
use crate::node::rewrite::Rewrite;

fn probe(value: Value) -> Probe {
    serde_json::from_value(value).unwrap()
}

fn target(port: u16) -> Target {
    Target {
        address: Ipv4Addr::LOCALHOST,
        ports: BTreeMap::from([("http".to_owned(), port)]),
        program: Program::new("/bin/sh"),
        rewrite: Rewrite::new([], Ipv4Addr::LOCALHOST),
        invocation: Invocation {
            program: "/bin/sh".into(),
            arguments: Vec::new(),
            environment: BTreeMap::from([("PATH".to_owned(), "/bin:/usr/bin".to_owned())]),
            folder: std::env::temp_dir(),
        },
    }
}

/// Answers every request with a status.
async fn server(status: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
        }
    });
    port
}

#[test]
fn thresholds_count_checks_in_a_row() {
    let mut threshold = Threshold::new(&probe(json!({"successThreshold": 2, "failureThreshold": 3})));
    let results = [false, false, true, false, false, false, true, true].map(|success| threshold.count(success));
    assert_eq!(results, [None, None, None, None, None, Some(false), None, Some(true)]);
}

#[tokio::test]
async fn an_http_check_wants_a_status_of_success_or_redirection() {
    for (status, expected) in [
        ("200 OK", Ok(())),
        ("302 Found", Ok(())),
        ("503 Service Unavailable", Err("HTTP probe failed with statuscode: 503".to_owned())),
    ] {
        let target = target(server(status).await);
        assert_eq!(
            check::check(&probe(json!({"httpGet": {"path": "/health", "port": "http"}})), &target).await,
            expected
        );
    }
}

#[tokio::test]
async fn a_refused_connection_is_worded_as_a_kubelet_does() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error =
        check::check(&probe(json!({"httpGet": {"path": "/x", "port": port}})), &target(port)).await.unwrap_err();
    let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    assert_eq!(error, format!("Get \"http://127.0.0.1:{port}/x\": {refused}"));
    let error = check::check(&probe(json!({"tcpSocket": {"port": port}})), &target(port)).await.unwrap_err();
    assert_eq!(error, refused);
}

#[tokio::test]
async fn a_command_succeeds_with_status_zero() {
    let exec = |script: &str| probe(json!({"exec": {"command": ["sh", "-c", script]}, "timeoutSeconds": 1}));
    assert_eq!(check::check(&exec("exit 0"), &target(1)).await, Ok(()));
    assert_eq!(check::check(&exec("echo broken; exit 1"), &target(1)).await, Err("broken\n".to_owned()));
    let error = check::check(&exec("sleep 60"), &target(1)).await.unwrap_err();
    assert_eq!(error, "command timed out: \"sh -c sleep 60\" timed out after 1s");
}

#[tokio::test]
async fn a_program_that_listens_late_is_ready_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (reports, mut received) = mpsc::channel(8);
    let (_started, is_started) = watch::channel(true);
    let readiness = probe(json!({"tcpSocket": {"port": address.port()}, "periodSeconds": 60}));
    let running = tokio::spawn(run(Kind::Readiness, readiness, target(address.port()), is_started, reports));
    tokio::time::sleep(Duration::from_millis(30)).await;
    let _listener = TcpListener::bind(address).await.unwrap();
    let report = tokio::time::timeout(Duration::from_secs(5), received.recv()).await.unwrap();
    assert_eq!(report, Some(Report::Turned { kind: Kind::Readiness, success: true }));
    running.abort();
}

#[tokio::test]
async fn liveness_waits_for_startup_and_fails_after_its_threshold() {
    let (reports, mut received) = mpsc::channel(8);
    let (started, is_started) = watch::channel(false);
    let liveness = probe(json!({"periodSeconds": 1, "failureThreshold": 2}));
    let running = tokio::spawn(run(Kind::Liveness, liveness, target(1), is_started, reports));
    tokio::task::yield_now().await;
    assert!(received.try_recv().is_err());
    started.send_replace(true);
    for _ in 0..2 {
        assert!(matches!(received.recv().await, Some(Report::Failed { kind: Kind::Liveness, .. })));
    }
    assert_eq!(received.recv().await, Some(Report::Turned { kind: Kind::Liveness, success: false }));
    running.abort();
}
