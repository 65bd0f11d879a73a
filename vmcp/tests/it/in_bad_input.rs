//! Input that no client and no server should send: it ends in the protocol's own error, and harms nothing else.

use crate::in_support::{Client, PATIENCE, Running, start};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a server sends in answer to a call, and what becomes of it.
struct Case {
    name: &'static str,
    /// The answer; `ID` stands for the id of the request.
    answer: String,
    then: Then,
    cause: &'static str,
}

/// What a server does after its answer.
#[derive(Clone, Copy)]
enum Then {
    /// It ends the connection.
    End,
    /// It goes on with this, again and again.
    Drip(&'static str),
}

/// An answer with this body.
fn json_of(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The same until the connection ends.
fn endless(kind: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n{body}")
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let result = r#"{"jsonrpc":"2.0","id":ID,"result":{}}"#;
    let ended = |name, answer: String, cause| Case { name, answer, then: Then::End, cause };
    let dripping = |name, answer: String, drip| Case { name, answer, then: Then::Drip(drip), cause: "timeout" };
    let nested = format!(r#"{{"jsonrpc":"2.0","id":ID,"result":{}}}"#, "[".repeat(100_000));
    vec![
        ended("no-http", "220 mail.example.com ready\r\n".to_owned(), "protocol"),
        ended("no-answer", String::new(), "refused"),
        ended("no-status", "HTTP/1.1 abc\r\n\r\n".to_owned(), "protocol"),
        ended("cut-head", "HTTP/1.1 200 OK\r\ncontent-type: appl".to_owned(), "refused"),
        ended("cut-body", json_of(result).replace("length: ", "length: 9"), "refused"),
        ended("cut-json", json_of(&result[..20]), "protocol"),
        ended("cut-chunk", chunked("ff\r\n{"), "refused"),
        ended("bad-chunk", chunked("zz\r\n{}\r\n0\r\n\r\n"), "refused"),
        ended("cut-event", endless("text/event-stream", "data: {\"jsonrpc\""), "refused"),
        ended("two-lengths", json_of(result).replace("\r\n\r\n", "\r\ncontent-length: 3\r\n\r\n"), "protocol"),
        ended("two-documents", json_of(&format!("{result}{result}")), "protocol"),
        ended("two-results", json_of(r#"{"jsonrpc":"2.0","id":ID,"result":{},"result":{"a":1}}"#), "protocol"),
        ended("two-spellings", json_of(r#"{"jsonrpc":"2.0","id":ID,"result":{},"Result":{}}"#), "protocol"),
        ended("both", json_of(r#"{"jsonrpc":"2.0","id":ID,"result":{},"error":{"code":1,"message":""}}"#), "protocol"),
        ended("neither", json_of(r#"{"jsonrpc":"2.0","id":ID}"#), "protocol"),
        ended("no-object", json_of(r#"{"jsonrpc":"2.0","id":ID,"result":5}"#), "protocol"),
        ended("no-result", json_of(r#"{"jsonrpc":"2.0","id":ID,"result":null}"#), "protocol"),
        ended("error-text", json_of(r#"{"jsonrpc":"2.0","id":ID,"error":"boom"}"#), "protocol"),
        ended("error-code", json_of(r#"{"jsonrpc":"2.0","id":ID,"error":{"code":"x","message":"m"}}"#), "protocol"),
        ended("error-without-words", json_of(r#"{"jsonrpc":"2.0","id":ID,"error":{"code":1}}"#), "protocol"),
        ended("error-words", json_of(r#"{"jsonrpc":"2.0","id":ID,"error":{"code":1,"message":5}}"#), "protocol"),
        ended("another-id", json_of(r#"{"jsonrpc":"2.0","id":"x","result":{}}"#), "protocol"),
        ended("wrong-id", json_of(r#"{"jsonrpc":"2.0","id":{},"result":{}}"#), "protocol"),
        ended("wrong-version", json_of(r#"{"jsonrpc":2.0,"id":ID,"result":{}}"#), "protocol"),
        ended("a-number", json_of("7"), "protocol"),
        ended("nothing", json_of(""), "protocol"),
        ended("nested", json_of(&nested), "protocol"),
        ended("a-page", endless("text/html", "<html>"), "protocol"),
        ended("announces-too-much", json_of(result).replace("length: ", "length: 99999999"), "refused"),
        dripping("drips-head", "HTTP/1.1 200 OK\r\n".to_owned(), "x-more: of it\r\n"),
        dripping("drips-json", endless("application/json", "{"), " "),
        dripping("drips-comments", endless("text/event-stream", ""), ": here\n\n"),
        dripping("drips-event", endless("text/event-stream", "data: "), "x"),
    ]
});

fn chunked(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{body}")
}

/// Reads one request: its body.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    String::from_utf8(body).ok()
}

/// Answers requests on one connection. Calls of a tool that is named like a case are answered like that.
async fn serve(stream: TcpStream) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let asked: Value = serde_json::from_str(&request(&mut stream).await?).unwrap_or_default();
        let tool = asked["params"]["name"].as_str().unwrap_or_default();
        if let Some(case) = CASES.iter().find(|case| case.name == tool) {
            let answer = case.answer.replace("ID", &asked["id"].to_string());
            stream.write_all(answer.as_bytes()).await.ok()?;
            let Then::Drip(piece) = case.then else { return None };
            loop {
                stream.write_all(piece.as_bytes()).await.ok()?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let result = match asked["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "test", "version": "1"},
            }),
            Some("tools/list") => {
                let names = CASES.iter().map(|case| case.name).chain(["good"]);
                json!({"tools": names.map(|name| json!({"name": name, "inputSchema": {}})).collect::<Vec<_>>()})
            }
            _ => json!({}),
        };
        let answer = if asked["id"].is_null() {
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
        } else {
            json_of(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string())
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// A gateway of a server that answers as badly as it is asked to.
async fn gateway() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    let config = json!({
        "name": "engineering", "groupRef": "engineering-tools", "incomingAuth": {"type": "anonymous"},
        "outgoingAuth": {"source": "inline"},
        "backends": [{"name": "b", "url": format!("http://{address}/mcp"), "transport": "streamable-http"}],
        "operational": {"timeouts": {"default": "2s"}, "failureHandling": {"healthCheckInterval": "1h"}},
    });
    start(&config.to_string(), &[]).await
}

async fn goes_well(client: &Client) {
    let answer = client.request("tools/call", json!({"name": "b_good"})).await;
    assert_eq!(answer.json()["result"], json!({}), "{answer:?}");
}

#[tokio::test]
async fn bad_answers_of_a_server_end_their_call_alone() {
    let gateway = gateway().await;
    let client = gateway.connected().await;
    assert_eq!(client.tool_names().await.len(), CASES.len() + 1);
    let calls = CASES.iter().map(|case| {
        let client = client.clone();
        async move {
            let params = json!({"name": format!("b_{}", case.name)});
            let call = json!({"jsonrpc": "2.0", "id": case.name, "method": "tools/call", "params": params});
            let error = client.post(call.to_string()).await.json()["error"].clone();
            let told = (error["code"].clone(), error["data"]["cause"].clone());
            (told != (json!(-32050), json!(case.cause)))
                .then(|| format!("{} is not {}: {error}", case.name, case.cause))
        }
    });
    let (wrong, ()) = tokio::join!(futures::future::join_all(calls), goes_well(&client));
    let mut told = String::new();
    wrong.into_iter().flatten().for_each(|line| writeln!(told, "{line}").unwrap());
    assert!(told.is_empty(), "{told}");
    goes_well(&client).await;
}

/// The status of the answer to these bytes, after which nothing more is sent if they are `cut`: else the end would take back a
/// request that is whole.
async fn answered(gateway: &Running, bytes: &[u8], cut: bool) -> String {
    let mut stream = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    if cut {
        stream.shutdown().await.unwrap();
    }
    let mut line = String::new();
    let mut stream = BufReader::new(stream);
    let _ = tokio::time::timeout(PATIENCE, stream.read_line(&mut line)).await.unwrap();
    line.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn bad_requests_of_clients_end_alone() {
    let gateway = gateway().await;
    let client = gateway.connected().await;
    let session = client.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let post = |more: &str, body: &[u8]| {
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-session-id: {session}\r\n\
             mcp-protocol-version: 2025-11-25\r\nconnection: close\r\n{more}\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let sized = |body: &[u8]| post(&format!("content-length: {}\r\n", body.len()), body);
    let typed = |id: &str, method: &str, params: &str| {
        sized(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{params}}}"#).as_bytes())
    };
    for (name, bytes, status) in [
        ("good", sized(ping.as_bytes()), "200"),
        ("no http", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".to_vec(), "400"),
        ("cut head", post("x-more", b"")[..60].to_vec(), ""),
        ("cut body", post("content-length: 99\r\n", ping.as_bytes()), "400"),
        ("cut chunk", post("transfer-encoding: chunked\r\n", b"ff\r\n{"), "400"),
        ("bad chunk", post("transfer-encoding: chunked\r\n", b"zz\r\n{}"), "400"),
        ("two lengths", post("content-length: 40\r\ncontent-length: 2\r\n", ping.as_bytes()), "400"),
        ("two sessions", post("mcp-session-id: x\r\ncontent-length: 40\r\n", ping.as_bytes()), "400"),
        ("large head", post(&format!("x-more: {}\r\n", "x".repeat(1 << 20)), b""), "431"),
        ("not UTF-8", sized(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"p\xffng\"}"), "400"),
        ("two documents", sized(format!("{ping}{ping}").as_bytes()), "400"),
        ("two ids", sized(br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#), "400"),
        ("wrong id", typed("[]", r#""ping""#, "{}"), "400"),
        ("wrong method", typed("1", "7", "{}"), "400"),
        ("wrong params", typed("1", r#""ping""#, "7"), "400"),
        ("deep", typed("1", r#""ping""#, &format!("{{\"a\":{}", "[".repeat(100_000))), "400"),
    ] {
        assert_eq!(answered(&gateway, &bytes, name.starts_with("cut")).await, status, "{name}");
    }
    for (params, what) in [
        (r#"{"name":7}"#, "tools/call"),
        (r#"{"uri":{}}"#, "resources/read"),
        (r#"{"cursor":[]}"#, "tools/list"),
        (r#"{"level":"loud"}"#, "logging/setLevel"),
        (r#"{"ref":"x"}"#, "completion/complete"),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{what}","params":{params}}}"#);
        assert_eq!(client.post(body).await.error_code(), -32602, "{what}");
    }
    for params in ["null", "[]", "7"] {
        let answer = client.post(format!(r#"{{"jsonrpc":"2.0","id":"i","method":"ping","params":{params}}}"#)).await;
        assert_eq!((answer.error_code(), &answer.json()["id"]), (-32602, &json!("i")), "{params}");
    }
    goes_well(&client).await;
}
