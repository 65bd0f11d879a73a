//! The program itself: what it prints, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn vmcp(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vmcp")).args(arguments).output().unwrap()
}

fn said(text: &[u8]) -> String {
    String::from_utf8(text.to_vec()).unwrap()
}

/// A file with this text, in a folder of its own.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vmcp.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

const GOOD: &str = "\
name: engineering
groupRef: engineering-tools
incomingAuth: {type: anonymous}
outgoingAuth: {source: inline}
backends:
- {name: tools, url: 'http://127.0.0.1:9000/mcp', transport: streamable-http}
";

#[test]
fn it_says_its_version() {
    let output = vmcp(&["version"]);
    assert_eq!(said(&output.stdout), format!("vmcp {}\n", env!("CARGO_PKG_VERSION")));
    assert!(output.status.success());
}

#[test]
fn a_file_that_can_be_served_is_valid() {
    let (_folder, path) = file(GOOD);
    let output = vmcp(&["validate", path.to_str().unwrap()]);
    assert_eq!(said(&output.stdout), format!("{} is valid\n", path.display()));
    assert_eq!((output.status.code(), said(&output.stderr).as_str()), (Some(0), ""));
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let bad = GOOD.replace("groupRef", "grupRef").replace("http:", "ftp:")
        + "operational:\n  failureHandling:\n    circuitBreaker: {enabled: true, failureThreshold: 0, timeout: 10ms}\n\
           telemetry: {endpoint: 'http://otlp:4318'}\n";
    let (_folder, path) = file(&bad);
    let output = vmcp(&["validate", path.to_str().unwrap()]);
    assert_eq!((output.status.code(), said(&output.stdout).as_str()), (Some(2), ""));
    let text = said(&output.stderr);
    let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(&format!("{}:", path.display())).unwrap()).collect();
    for (place, word) in [
        ("2:1:", "groupRef"),
        ("6:17:", "ftp://127.0.0.1:9000/mcp"),
        ("9:37:", "failureThreshold"),
        ("9:58:", "timeout"),
        ("10:1:", "telemetry is not supported"),
    ] {
        assert!(lines.iter().any(|line| line.starts_with(place) && line.contains(word)), "{place} {word} in {text}");
    }
}

#[test]
fn what_cannot_be_read_is_one_sentence_and_code_2() {
    for arguments in
        [&["validate", "/nowhere/vmcp.yaml"][..], &["serve", "--config", "/nowhere/vmcp.yaml"], &["validate"]]
    {
        let output = vmcp(arguments);
        assert_eq!((output.status.code(), said(&output.stdout).as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(said(&output.stderr).lines().count(), 1, "{arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_printed_is_one_sentence_and_code_1() {
    let (_folder, path) = file(GOOD);
    for arguments in [&["version"][..], &["validate", path.to_str().unwrap()], &["--help"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_vmcp")).args(arguments).stdout(full).output().unwrap();
        let text = said(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.lines().count() == 1 && text.contains("standard output"), "{arguments:?}: {text}");
    }
}

#[test]
fn a_gateway_that_nobody_reads_serves_all_the_same() {
    let (_folder, path) = file(GOOD);
    // An address that no other test listens at: the port stays free.
    let host = "127.77.0.2";
    let port = std::net::TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port();
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_vmcp"))
        .args(["serve", "--config", path.to_str().unwrap(), "--host", host, "--port", &port.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(gateway.stdout.take());
    let answer = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let mut connection = std::net::TcpStream::connect((host, port)).ok()?;
        connection.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        Some(answer)
    });
    let ended = gateway.try_wait().unwrap();
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    assert_eq!(ended, None);
    assert!(answer.is_some_and(|answer| answer.contains(" 200 ")));
}

/// What a gateway, started under these limits of file descriptors, has as its own, and what it logs about them.
fn limits_under(soft: u32, hard: u32) -> (Vec<String>, String) {
    let (_folder, path) = file(GOOD);
    let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" serve --config \"$1\" --port 0");
    let mut gateway = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_vmcp"), path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(gateway.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.id())).unwrap();
    gateway.kill().unwrap();
    let mut log = String::new();
    gateway.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    gateway.wait().unwrap();
    assert!(ready.starts_with("ready "), "{log}");
    let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers = open_files.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).map(str::to_owned);
    (numbers.collect(), log.lines().filter(|line| line.contains("file descriptors")).collect())
}

#[test]
#[cfg(target_os = "linux")]
fn it_takes_the_file_descriptors_that_it_may_have_and_says_when_these_are_few() {
    let (limits, log) = limits_under(64, 512);
    assert_eq!(limits, ["512", "512"], "soft and hard");
    assert!(log.contains(r#""level":"WARN""#) && log.contains(r#""limit":512"#), "{log}");
    let (limits, log) = limits_under(64, 5000);
    assert_eq!((limits, log.as_str()), (vec!["5000".to_owned(); 2], ""));
}
