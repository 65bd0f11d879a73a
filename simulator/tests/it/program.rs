//! The program: what it prints and how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

fn simulator() -> Command {
    Command::new(env!("CARGO_BIN_EXE_simulator"))
}

/// Runs the program to its end: exit code, standard output and standard error.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = simulator().args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// `simulator serve`, until this is dropped.
pub(crate) struct Serving {
    child: Child,
    /// What the `ready` line says.
    pub(crate) ready: String,
    _stdout: BufReader<ChildStdout>,
}

impl Serving {
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let mut child =
            simulator().arg("serve").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready = line.trim().strip_prefix("ready ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, ready, _stdout: stdout }
    }

    /// Ends it; what it said on standard error.
    pub(crate) fn end(mut self) -> String {
        self.child.kill().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of a test.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The answer to a request for a URL of the form `http://ADDRESS/PATH`, head and body.
fn get(url: &str) -> String {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_served_world_says_where_it_is() {
    let world = file("served.yaml", "servers: [{url: https://mcp.example.com/mcp, tools: [{name: echo}]}]");
    let authorities = Path::new(env!("CARGO_TARGET_TMPDIR")).join("served");
    let serving = Serving::start([world.as_os_str(), "--ca-dir".as_ref(), authorities.as_os_str()]);
    assert!(serving.ready.starts_with("https://127.0.0.1:"), "{}", serving.ready);
    assert!(
        std::fs::read_to_string(authorities.join("public.pem")).unwrap().starts_with("-----BEGIN CERTIFICATE-----")
    );
}

#[test]
fn a_built_in_world_is_served_where_one_wants() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut child = simulator()
        .args(["serve", "builtin:mcp-conformance", "--listen", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(line, format!("ready http://{address}\n"));

    let world = file("elsewhere.yaml", "servers: [{url: http://mcp.example.com/mcp}]");
    for (arguments, code, sentence) in [
        (vec!["builtin:nothing"], 2, "there is no built-in world `nothing`: expected mcp-conformance"),
        (vec![world.to_str().unwrap(), "--listen", "127.0.0.1:1234"], 2, "leave the port out"),
    ] {
        let output = simulator().arg("serve").args(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(sentence), "{errors}");
    }
}

#[test]
fn a_container_listens_on_the_ports_of_its_urls() {
    let port = free_port();
    let world = file("exact.yaml", &format!("servers: [{{url: 'http://mcp.example.com:{port}/mcp'}}]"));
    let serving = Serving::start(["--exact-ports".as_ref(), world.as_os_str()]);
    assert_eq!(serving.ready, format!("http://127.0.0.1:{port}"));
    // A second one cannot have the port.
    let (code, _, said) = run(&["serve", "--exact-ports", world.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        format!(
            "simulator: failed to listen on 127.0.0.1:{port}: something listens there already: end it, or take another port\n"
        )
    );
}

#[test]
fn without_a_file_there_is_the_control_api_alone() {
    let serving = Serving::start(["--control", "127.0.0.1:0"]);
    let answer = get(&format!("{}/worlds", serving.ready));
    assert!(answer.ends_with("{\"worlds\":[]}"), "{answer}");

    let taken = serving.ready.strip_prefix("http://").unwrap();
    for (arguments, code, expected) in [
        (&["serve"][..], 2, "<FILE>"),
        (&["serve", "--control", "0.0.0.0:9901"], 2, "expected a loopback address"),
        (&["serve", "--control", taken], 1, "something listens there already: end it, or take another port\n"),
    ] {
        let (found, _, said) = run(arguments);
        assert_eq!(found, Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn check_tells_good_from_bad_from_unreadable() {
    let (code, said, _) = run(&["check", file("good.yaml", "servers: []").to_str().unwrap()]);
    assert_eq!((code, said.contains("0 servers")), (Some(0), true), "{said}");
    let bad = file("bad.yaml", "server: []\nauthoritys: []");
    let (code, _, said) = run(&["check", bad.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("bad.yaml:1:1: unknown key `server`: did you mean `servers`?"), "{said}");
    assert!(said.contains("bad.yaml:2:1: unknown key `authoritys`: did you mean `authorities`?"), "{said}");
    for arguments in [&["check", "/nowhere.yaml"][..], &["serve", "x", "--nonsense"], &[]] {
        let (code, _, said) = run(arguments);
        assert_eq!(code, Some(2));
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn faults_and_journal_of_a_running_world_are_at_hand() {
    let port = free_port();
    let world = file("controlled.yaml", &format!("servers: [{{url: 'http://localhost:{port}/mcp'}}]"));
    let api = format!("127.0.0.1:{}", free_port());
    let serving = Serving::start([world.to_str().unwrap(), "--control", &api]);
    let (server, control) = (format!("http://localhost:{port}/mcp"), format!("http://{api}"));
    let asked = |arguments: &[&str]| run(&[arguments, &["--control", &control]].concat());
    let request = || get(&format!("http://localhost:{port}/mcp"));

    assert!(request().starts_with("HTTP/1.1 4"));
    let (code, said, error) = asked(&["fault", &server, "respond: {status: 503}", "--http", "GET", "--times", "1"]);
    assert_eq!((code, said), (Some(0), format!("{server} from now on: respond: {{status: 503}}\n")), "{error}");
    assert!(request().starts_with("HTTP/1.1 503"));
    assert!(request().starts_with("HTTP/1.1 4"), "it acts once");
    assert_eq!(asked(&["fault", &server, "--heal"]).1, format!("{server} is healed\n"));

    let (code, said, error) = asked(&["journal", "--where", "faults=respond", "--wait", "5s"]);
    assert_eq!(code, Some(0), "{error}");
    let entry: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(entry["response"]["status"], 503);
    let (code, _, said) = asked(&["journal", "--where", "faults=reset", "--wait", "10ms"]);
    assert_eq!((code, said.as_str()), (Some(1), "simulator: 0 of 1 entries arrived within 0.01 s\n"));
    let (code, _, said) = asked(&["fault", &server, "hangs"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("did you mean `hang`?"), "{said}");

    // The log is JSON where no person looks at it.
    let log = serving.end();
    let refused =
        log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| line["status"] == 503);
    assert_eq!(refused.unwrap()["faults"], "respond", "{log}");
    let (code, _, said) = asked(&["journal"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("start one by `simulator serve --control`"), "{said}");
}

#[test]
fn roots_are_kept_from_one_run_to_the_next() {
    let text = "authorities: [{name: company, intermediates: [issuing]}]\nservers: [{url: https://mcp.example.com/mcp, certificate: {issuer: company}}]";
    let world = file("kept.yaml", text).display().to_string();
    let folder = |name: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).display().to_string();
    let (kept, shown, fetched) = (folder("kept"), folder("kept-shown"), folder("kept-fetched"));
    let (code, said, error) = run(&["ca", &world, "--out", &kept, "--configmaps", "--namespace", "tools"]);
    assert_eq!((code, said.lines().count()), (Some(0), 6), "{error}");
    let read = |folder: &str, name: &str| std::fs::read_to_string(Path::new(folder).join(name)).unwrap();
    let manifest: Value = serde_saphyr::from_str(&read(&kept, "company.configmap.yaml")).unwrap();
    assert_eq!(manifest["metadata"], json!({"name": "company", "namespace": "tools"}));
    let mode = std::fs::metadata(Path::new(&kept).join("company-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let api = format!("127.0.0.1:{}", free_port());
    let control = format!("http://{api}");
    let options = ["--control", &api, "--dns", "127.0.0.1:0", "--authorities", &kept, "--ca-dir", &shown, &world];
    let serving = Serving::start(options);
    let (code, _, error) = run(&["ca", "--control", &control, "--out", &fetched]);
    assert_eq!(code, Some(0), "{error}");
    for name in ["company.pem", "public.pem"] {
        assert_eq!([read(&shown, name), read(&fetched, name)], [read(&kept, name), read(&kept, name)], "{name}");
    }
    assert!(!Path::new(&fetched).join("company-key.pem").exists());
    let (code, _, error) = run(&["ca", "--control", &control, "--world", "other", "--out", &fetched]);
    assert!(code == Some(1) && error.contains("there is no world `other`: there are default"), "{error}");
    assert!(serving.end().contains("name server           127.0.0.1:"));
    let (code, _, error) = run(&["serve", &world, "--authorities", "/nowhere"]);
    assert!(code == Some(2) && error.contains("/nowhere holds no root of this world"), "{error}");
}

#[test]
fn a_token_of_a_running_world_is_printed_alone() {
    let port = free_port();
    let issuer = format!("http://localhost:{port}");
    let description =
        format!("authorizationServers: [{{host: 'localhost:{port}', issuer: '{issuer}', users: [alice]}}]");
    let world = file("issuing.yaml", &description);
    let api = format!("127.0.0.1:{}", free_port());
    let _serving = Serving::start([world.to_str().unwrap(), "--control", &api]);
    let control = format!("http://{api}");
    let asked = |more: &[&str]| run(&[&["token", "--control", &control, "--issuer", &issuer], more].concat());
    let claims = ["--scope", "read", "--scope", "write", "--lifetime", "5m", "--claims", "{groups: [admins]}"];
    let (code, said, error) = asked(&[&["--subject", "alice", "--audience", "gateway"], &claims[..]].concat());
    assert_eq!(code, Some(0), "{error}");
    let token = said.strip_suffix('\n').unwrap();
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["aud"], &claims["scope"]),
        (&json!("alice"), &json!("gateway"), &json!("read write"))
    );
    assert_eq!(claims["groups"], json!(["admins"]));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert!(asked(&["--subject", "alice", "--fault", "algNone"]).1.ends_with(".\n"), "it has no signature");
    for (arguments, reason) in [
        (&["--subject", "eve"][..], "has no user `eve`"),
        (&["--subject", "alice", "--fault", "expird"], "did you mean `expired`?"),
        (&["--subject", "alice", "--claims", "[]"], "is not a mapping"),
    ] {
        let (code, said, error) = asked(arguments);
        assert_eq!((code, said.as_str()), (Some(1), ""));
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn commands_trust_a_control_api_with_tls_by_its_authority() {
    let world = file("tls.yaml", "servers: [{url: http://mcp.example.com/mcp}]");
    let world = world.to_str().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("control-tls");
    let _ = std::fs::remove_dir_all(&folder);
    let (folder, api) = (folder.to_str().unwrap(), format!("127.0.0.1:{}", free_port()));
    let control = format!("https://{api}");
    let root = format!("{folder}/control.pem");
    let asked = |more: &[&str]| run(&[&["journal", "--control", &control], more].concat());
    let serving = Serving::start([world, "--control", &api, "--control-tls", folder]);
    assert_eq!(asked(&["--ca", &root]).0, Some(0));
    let key = format!("{folder}/control-key.pem");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    for (more, code, sentence) in [
        (&[][..], 2, "--ca names the certificate by which it is trusted"),
        (&["--ca", world], 2, "holds no certificate"),
        (&["--ca", "/nowhere.pem"], 2, "failed to read /nowhere.pem"),
    ] {
        let (found, _, error) = asked(more);
        assert_eq!(found, Some(code), "{error}");
        assert!(error.contains(sentence), "{error}");
    }
    serving.end();

    // The root stays, and with it the trust; a certificate of one's own does as well.
    let kept = std::fs::read_to_string(&root).unwrap();
    let serving = Serving::start([world, "--control", &api, "--control-tls", folder]);
    assert_eq!((asked(&["--ca", &root]).0, std::fs::read_to_string(&root).unwrap()), (Some(0), kept));
    serving.end();
    let wrong = ["serve", world, "--control", &api, "--control-certificate", &key, "--control-key", &key];
    let (code, _, error) = run(&wrong);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains(&format!("failed to use {key} with {key}")), "{error}");
    let (code, _, error) = run(&["serve", world, "--control-tls", folder]);
    assert_eq!(code, Some(2), "{error}");
}
