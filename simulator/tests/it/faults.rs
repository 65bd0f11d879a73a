//! Faults, as bytes on the wire: what a client without any cleverness sees.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{Simulator, WorldChange, WorldHandle};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::client::{LIMIT, Mcp, world};

const SERVER: &str = "http://mcp.example.com/mcp";

/// How long silence must last to be believed.
const SILENCE: Duration = Duration::from_millis(200);

async fn faulty(faults: &str) -> (Simulator, WorldHandle) {
    world(&format!("servers: [{{url: '{SERVER}', tools: [{{name: echo}}, {{name: other}}], faults: [{faults}]}}]"))
        .await
}

/// How a connection went on after a request.
#[derive(Debug, PartialEq)]
enum End {
    /// The server closed it.
    Closed,
    /// The server reset it.
    Reset,
    /// It stayed open, and nothing more came.
    Open,
}

/// A connection by hand.
struct Raw(TcpStream);

impl Raw {
    async fn open(handle: &WorldHandle) -> Self {
        Self(TcpStream::connect(handle.names()[0].ports[&80]).await.unwrap())
    }

    async fn send(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    async fn post(&mut self, message: &Value) {
        let body = message.to_string();
        self.send(&format!(
            "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    }

    /// All bytes until the connection ends or is silent.
    async fn rest(&mut self) -> (Vec<u8>, End) {
        let mut all = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match timeout(SILENCE, self.0.read(&mut buffer)).await {
                Err(_) => return (all, End::Open),
                Ok(Ok(0)) => return (all, End::Closed),
                Ok(Ok(length)) => all.extend_from_slice(&buffer[..length]),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => return (all, End::Reset),
                Ok(Err(error)) => panic!("{error}"),
            }
        }
    }
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "tëst", "version": "1"}}})
}

/// What comes back when a world with these faults is asked to initialize: head, body, and how it ends.
async fn answer_of(faults: &str) -> (String, Vec<u8>, End) {
    let (_simulator, handle) = faulty(faults).await;
    let mut raw = Raw::open(&handle).await;
    raw.post(&initialize()).await;
    let (bytes, end) = raw.rest().await;
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    (String::from_utf8_lossy(&bytes[..split]).into_owned(), bytes[split..].to_vec(), end)
}

/// A body without its chunks' sizes.
fn unchunked(body: &[u8]) -> Vec<u8> {
    let mut rest = body;
    let mut whole = Vec::new();
    while let Some(line) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
    whole
}

#[tokio::test]
async fn without_an_answer_a_connection_hangs_closes_half_closes_or_is_reset() {
    for (does, end) in [("hang", End::Open), ("close", End::Closed), ("reset", End::Reset), ("halfClose", End::Closed)]
    {
        let (_simulator, handle) = faulty(&format!("{{does: {does}}}")).await;
        let mut raw = Raw::open(&handle).await;
        raw.post(&initialize()).await;
        assert_eq!(raw.rest().await, (Vec::new(), end), "{does}");
        // Who has only ended its own side still takes what comes; who has closed answers it with a reset.
        let _first = raw.0.write_all(b"GET / HTTP/1.1\r\n").await;
        tokio::time::sleep(SILENCE).await;
        let takes_more = raw.0.write_all(b"\r\n").await.is_ok();
        assert_eq!(takes_more, matches!(does, "hang" | "halfClose"), "{does}");
        let entry = handle.journal().entries().remove(0);
        assert_eq!((&entry.faults, &entry.response), (&vec![does.to_owned()], &None));
    }
}

#[tokio::test]
async fn an_answer_is_cut_off_or_stalls() {
    let (head, body, end) = answer_of("{does: {truncate: 10}}").await;
    assert_eq!((body.as_slice(), end), (br#"{"id":1,"j"#.as_slice(), End::Closed));
    let promised: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    assert!(promised > 10, "{head}");
    let (_, body, end) = answer_of("{does: {stall: 10}}").await;
    assert_eq!((unchunked(&body).as_slice(), end), (br#"{"id":1,"j"#.as_slice(), End::Open));
    let (head, body, end) = answer_of("{does: {stall: 0}}").await;
    assert!(head.starts_with("HTTP/1.1 200 OK"));
    assert_eq!((body.as_slice(), end), (b"".as_slice(), End::Open));
}

#[tokio::test]
async fn a_body_is_padded_marked_and_dripped() {
    let (_, honest, _) = answer_of("").await;
    let honest: Value = serde_json::from_slice(&honest).unwrap();
    let (_, body, _) = answer_of("{does: {pad: 100000}}").await;
    let body = unchunked(&body);
    assert!(body.len() > 100_000 && body[..100_000].iter().all(|byte| *byte == b' '));
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), honest);
    let (_, body, _) = answer_of("{does: byteOrderMark}").await;
    assert_eq!(
        serde_json::from_slice::<Value>(unchunked(&body).strip_prefix(b"\xef\xbb\xbf").unwrap()).unwrap(),
        honest
    );
    let (_, body, _) = answer_of("{does: {drip: {bytes: 1, every: 0s}}}").await;
    assert!(body.starts_with(b"1\r\n{\r\n1\r\n\"\r\n"));
    assert_eq!(serde_json::from_slice::<Value>(&unchunked(&body)).unwrap(), honest);
}

#[tokio::test]
async fn event_streams_are_written_in_every_form_of_their_grammar() {
    let stream = |does: &str| format!("{{does: {{repeat: 2}}}}, {{does: {does}}}");
    let (head, body, _) = answer_of(&stream("comments")).await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    let text = String::from_utf8(unchunked(&body)).unwrap();
    assert_eq!(text.matches(":\n: a comment\n:no space\n\nevent: message\ndata: {").count(), 2, "{text}");
    for (lines, ending) in [("cr-lf", "\r\n"), ("cr", "\r")] {
        let (_, body, _) = answer_of(&stream(&format!("{{lines: {lines}}}"))).await;
        let text = String::from_utf8(unchunked(&body)).unwrap();
        assert!(text.starts_with(&format!("event: message{ending}data: {{")), "{text:?}");
        assert!(text.ends_with(&format!("}}{ending}{ending}")), "{text:?}");
        assert_eq!(text.matches('\n').count(), if lines == "cr" { 0 } else { 6 }, "{text:?}");
    }
    let (_, body, _) = answer_of(&stream("{pad: 10}")).await;
    assert!(unchunked(&body).starts_with(b":          \n\nevent: message"));
    let (_, body, _) = answer_of("{does: unanswered}").await;
    assert_eq!(body, b"0\r\n\r\n");
}

#[tokio::test]
async fn a_page_stands_for_the_answer() {
    let (head, body, _) = answer_of(
        "{does: {respond: {status: 307, headers: {Location: 'https://elsewhere.example.com/', Content-Type: text/html}, body: '<html>'}}}",
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 307 "), "{head}");
    assert!(head.contains("location: https://elsewhere.example.com/\r\n"), "{head}");
    assert_eq!(body, b"<html>");
    let (head, _, _) = answer_of("{does: {headers: {Content-Type: text/html, Mcp-Session-Id: null}}}").await;
    assert!(head.contains("content-type: text/html\r\n") && !head.contains("mcp-session-id"), "{head}");
}

#[tokio::test]
async fn answers_that_one_meets_are_written_as_they_are() {
    let json = "Content-Type: application/json";
    for (status, headers, body, wanted) in [
        (
            401,
            "WWW-Authenticate: 'Bearer error=\"invalid_token\"'",
            "",
            "www-authenticate: Bearer error=\"invalid_token\"\r\n",
        ),
        (429, "Retry-After: '1'", "", "retry-after: 1\r\n"),
        (200, "Content-Type: text/html", "<html>sign in</html>", "content-type: text/html\r\n"),
        (200, json, "{\"jsonrpc\"", "content-type: application/json\r\n"),
        (301, "Location: '/elsewhere'", "", "location: /elsewhere\r\n"),
        (302, "Location: 'http://127.0.0.1/'", "", "location: http://127.0.0.1/\r\n"),
        (303, "Location: 'https://mcp.example.com/mcp'", "", "location: https://mcp.example.com/mcp\r\n"),
        (308, "Location: 'file:///etc/passwd'", "", "location: file:///etc/passwd\r\n"),
    ] {
        let (head, found, end) =
            answer_of(&format!("{{does: {{respond: {{status: {status}, headers: {{{headers}}}, body: '{body}'}}}}}}"))
                .await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains(wanted), "{head}");
        assert_eq!((found.as_slice(), end), (body.as_bytes(), End::Open), "{head}");
    }
}

#[tokio::test]
async fn tools_that_nobody_should_trust_are_listed_as_they_are_written() {
    const LEVELS: usize = 40;
    let levels: Vec<String> = (0..LEVELS)
        .map(|level| {
            let next = format!("{{$ref: '#/$defs/level{}'}}", level + 1);
            format!("level{level}: {{anyOf: [{next}, {next}]}}")
        })
        .collect();
    let (_simulator, handle) = world(&format!(
        "
servers:
  - url: {SERVER}
    tools:
      - name: bomb
        inputSchema:
          type: object
          properties: {{a: {{$ref: '#/$defs/level0'}}}}
          $defs: {{{}, level{LEVELS}: {{type: string}}}}
      - {{name: mirrored, inputSchema: {{type: object, properties: {{a: {{type: string, x-mcp-header: 'a b'}}}}}}}}
    faults:
      - on: {{method: tools/list}}
        skip: 1
        times: 1
        does: {{merge: {{result: {{tools: [{{name: twin, title: one, inputSchema: {{type: object}}}}, {{name: twin, title: two, inputSchema: {{}}}}]}}}}}}
",
        levels.join(", ")
    ))
    .await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let mut list = async || {
        let message = mcp.request("tools/list", json!({}));
        mcp.post(&message).await.text().await.unwrap()
    };
    let listed = list().await;
    assert!(listed.len() < 8 * 1024, "what explodes is the expansion: {} bytes", listed.len());
    for level in 1..=LEVELS {
        let next = format!(r##"{{"$ref":"#/$defs/level{level}"}}"##);
        assert!(listed.contains(&format!(r#"{{"anyOf":[{next},{next}]}}"#)), "{next} in {listed}");
    }
    assert!(listed.contains(r##""properties":{"a":{"$ref":"#/$defs/level0"}}"##), "{listed}");
    assert!(listed.contains(r#""properties":{"a":{"type":"string","x-mcp-header":"a b"}}"#), "{listed}");
    let twins = list().await;
    assert_eq!((twins.matches(r#""name":"twin""#).count(), twins.contains("bomb")), (2, false), "{twins}");
}

#[tokio::test]
async fn a_character_is_split_over_packets() {
    let (_simulator, handle) = world(
        "servers: [{url: 'http://mcp.example.com/mcp', name: 'naïve', faults: [{does: {drip: {bytes: 1, every: 0s}}}]}]",
    )
    .await;
    let mut raw = Raw::open(&handle).await;
    raw.post(&initialize()).await;
    let (bytes, _) = raw.rest().await;
    // The two bytes of one character, a chunk each.
    assert!(bytes.windows(12).any(|window| window == b"1\r\n\xc3\r\n1\r\n\xaf\r\n"), "{}", bytes.escape_ascii());
}

#[tokio::test]
async fn a_stream_is_flooded_with_a_notification() {
    let (_simulator, handle) =
        world("servers: [{url: 'http://mcp.example.com/sse', transport: sse, faults: [{on: {http: GET}, does: {storm: {every: 1ms}}}]}]")
            .await;
    let mut raw = Raw::open(&handle).await;
    raw.send("GET /sse HTTP/1.1\r\nHost: mcp.example.com\r\nAccept: text/event-stream\r\n\r\n").await;
    let mut text = String::new();
    let mut buffer = vec![0; 4096];
    let event = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
    while text.matches(event).count() < 20 {
        let length = timeout(LIMIT, raw.0.read(&mut buffer)).await.unwrap().unwrap();
        assert!(length > 0, "{text}");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    assert!(text.contains("event: endpoint\n"), "{text}");
}

#[tokio::test]
async fn sessions_are_forgotten_at_a_request() {
    let (_simulator, handle) = faulty("{on: {tool: echo}, skip: 1, times: 1, does: forgetSessions}").await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let message = mcp.request("tools/call", json!({"name": "echo", "arguments": {"text": "x"}}));
        statuses.push(mcp.post(&message).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 404, 404]);
    mcp.headers.remove("mcp-session-id");
    mcp.initialize("2025-11-25").await;
}

#[tokio::test]
async fn messages_change_by_a_merge_patch() {
    let (_simulator, handle) =
        faulty("{on: {method: tools/list}, does: {merge: {id: 999, result: {nextCursor: again, tools: null}}}}").await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let answer = mcp.call("tools/list", json!({})).await;
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 999, "result": {"nextCursor": "again"}}));
}

#[tokio::test]
async fn a_fault_acts_on_the_requests_that_it_names_after_some_and_so_often() {
    let (_simulator, handle) = faulty(
        "{on: {tool: echo, http: POST, path: /mcp}, skip: 1, times: 2, does: {merge: {result: {changed: true}}}}",
    )
    .await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let mut changed = Vec::new();
    for tool in ["echo", "other", "echo", "other", "echo", "echo"] {
        let answer = mcp.call_tool(tool, json!({"text": "x"})).await;
        changed.push(answer["result"].get("changed").is_some());
    }
    assert_eq!(changed, [false, false, true, false, true, false]);
}

#[tokio::test]
async fn answers_wait_for_time_and_for_each_other() {
    let (_simulator, handle) =
        faulty("{on: {tool: echo}, does: {latency: 300ms}}, {on: {tool: other}, does: {barrier: 2}}").await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let start = Instant::now();
    mcp.call_tool("echo", json!({"text": "x"})).await;
    assert!(start.elapsed() >= Duration::from_millis(300));
    let call = |mcp: &mut Mcp| mcp.request("tools/call", json!({"name": "other", "arguments": {"text": "x"}}));
    let (first, second) = (call(&mut mcp), call(&mut mcp));
    {
        let alone = mcp.post(&first);
        tokio::pin!(alone);
        assert!(timeout(SILENCE, &mut alone).await.is_err(), "one alone is not answered");
        let (first, second) = timeout(LIMIT, async { tokio::join!(alone, mcp.post(&second)) }).await.unwrap();
        assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
    }
}

#[tokio::test]
async fn a_server_of_the_sse_transport_announces_a_false_address() {
    let (_simulator, handle) = world(
        "servers: [{url: 'http://mcp.example.com/sse', transport: sse, faults: [{does: {endpoint: 'https://elsewhere.example.com/messages'}}]}]",
    )
    .await;
    let mut raw = Raw::open(&handle).await;
    raw.send("GET /sse HTTP/1.1\r\nHost: mcp.example.com\r\nAccept: text/event-stream\r\n\r\n").await;
    let (bytes, end) = raw.rest().await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("event: endpoint\ndata: https://elsewhere.example.com/messages\n\n"), "{text}");
    assert_eq!(end, End::Open);
}

#[tokio::test]
async fn faults_are_set_and_lifted_while_a_server_runs() {
    let (_simulator, handle) =
        world("authorizationServers: [{host: 'idp.example.com', issuer: 'http://idp.example.com'}]").await;
    let change = |yaml: &str| serde_saphyr::from_str::<WorldChange>(yaml).unwrap();
    let status = async || {
        let mut raw = Raw::open(&handle).await;
        raw.send("GET /.well-known/openid-configuration HTTP/1.1\r\nHost: idp.example.com\r\n\r\n").await;
        String::from_utf8(raw.rest().await.0).unwrap()[9..12].to_owned()
    };
    assert_eq!(status().await, "200");
    handle
        .update(change("setFaults: {server: http://idp.example.com, faults: [{does: {respond: {status: 503}}}]}"))
        .await
        .unwrap();
    assert_eq!(status().await, "503");
    handle.update(change("setFaults: {server: http://idp.example.com, faults: []}")).await.unwrap();
    assert_eq!(status().await, "200");
    let refused = handle
        .update(change("setFaults: {server: http://idp.example.com, faults: [{does: unanswered}]}"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.ends_with(
            "setFaults.faults[0].does: `unanswered` is for MCP servers: an authorization server sends no JSON-RPC messages"
        ),
        "{refused}"
    );
}
