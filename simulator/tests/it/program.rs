//! The program: what it prints and how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

fn simulator() -> Command {
    Command::new(env!("CARGO_BIN_EXE_simulator"))
}

fn file(name: &str, text: &str) -> std::path::PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_served_world_says_where_it_is() {
    let world = file("served.yaml", "servers: [{url: https://mcp.example.com/mcp, tools: [{name: echo}]}]");
    let authorities = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("served");
    let mut child = simulator()
        .arg("serve")
        .arg(world)
        .arg("--ca-dir")
        .arg(&authorities)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("ready https://127.0.0.1:"), "{line}");
    assert!(
        std::fs::read_to_string(authorities.join("public.pem")).unwrap().starts_with("-----BEGIN CERTIFICATE-----")
    );
}

#[test]
fn a_container_listens_on_the_ports_of_its_urls() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = file("exact.yaml", &format!("servers: [{{url: 'http://mcp.example.com:{port}/mcp'}}]"));
    let mut child = simulator()
        .args(["serve", "--exact-ports"])
        .arg(world)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(line, format!("ready http://127.0.0.1:{port}\n"));
}

#[test]
fn without_a_file_there_is_the_control_api_alone() {
    let mut child = simulator()
        .args(["serve", "--control", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("ready http://").unwrap().to_owned();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    write!(stream, "GET /worlds HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answer.ends_with("{\"worlds\":[]}"), "{answer}");

    for (arguments, expected) in
        [(&["serve"][..], "<FILE>"), (&["serve", "--control", "0.0.0.0:9901"], "expected a loopback address")]
    {
        let refused = simulator().args(arguments).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn check_tells_good_from_bad_from_unreadable() {
    let good = simulator().arg("check").arg(file("good.yaml", "servers: []")).output().unwrap();
    assert_eq!(good.status.code(), Some(0));
    let bad = simulator().arg("check").arg(file("bad.yaml", "server: []")).output().unwrap();
    assert_eq!(bad.status.code(), Some(1));
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(said.contains("bad.yaml:1:1: unknown key `server`: did you mean `servers`?"), "{said}");
    for arguments in [vec!["check", "/nowhere.yaml"], vec!["serve", "x", "--nonsense"], vec![]] {
        let wrong = simulator().args(arguments).output().unwrap();
        assert_eq!(wrong.status.code(), Some(2));
        assert_eq!(String::from_utf8(wrong.stderr).unwrap().lines().count(), 1);
    }
}
