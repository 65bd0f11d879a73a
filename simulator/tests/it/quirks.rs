//! Servers that behave like those of the field: what each answers to requests that break the rules.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::client::{Events, Mcp, world};

const SERVER: &str = "http://mcp.example.com/mcp";
const PROFILES: [&str; 5] = ["typescript-sdk-1", "typescript-sdk-2", "rmcp", "python-sdk", "fastmcp"];

/// Statuses, and codes of JSON-RPC errors, as the libraries were seen to answer. The columns are [`PROFILES`].
const SEEN: [(&str, [&str; 5]); 19] = [
    ("no session", ["400 -32000", "200", "400", "400 -32600", "400 -32600"]),
    ("an unknown session", ["400 -32000", "200", "404", "404 -32000", "404 -32000"]),
    ("an unknown revision", ["400 -32000", "400 -32000", "400 -32000", "400 -32602", "400 -32602"]),
    ("only JSON accepted", ["406 -32000", "406 -32000", "406 -32000", "406 -32000", "406 -32000"]),
    ("everything accepted", ["406 -32000", "406 -32000", "406 -32000", "200", "200"]),
    ("plain text", ["415 -32000", "415 -32000", "415 -32000", "400", "400"]),
    ("no JSON", ["400 -32700", "400 -32700", "415", "400 -32700", "400 -32700"]),
    ("a batch", ["200", "200", "415", "400 -32600", "400 -32600"]),
    ("a foreign origin", ["200", "200", "200", "403", "200"]),
    ("a foreign host", ["200", "200", "403", "421", "200"]),
    ("a stream", ["200", "405", "200", "200", "200"]),
    ("the end of the session", ["200", "405", "202", "200", "200"]),
    ("an ended session", ["400 -32000", "200", "404", "404 -32000", "404 -32000"]),
    ("modern discovery", ["400 -32000", "200", "200", "200", "200"]),
    ("modern without Mcp-Method", ["400 -32000", "400 -32020", "400 -32020", "400 -32020", "400 -32020"]),
    ("modern with another revision", ["400 -32000", "400 -32020", "400 -32020", "400 -32600", "400 -32600"]),
    ("modern of the future", ["400 -32000", "400 -32022", "400 -32022", "400 -32022", "400 -32022"]),
    ("modern ping", ["400 -32000", "404 -32601", "404 -32601", "404 -32601", "404 -32601"]),
    ("initialize with 2026-07-28", ["2025-11-25", "2025-11-25", "2025-11-25", "2025-11-25", "2025-11-25"]),
];

/// Status and error code of the answer.
async fn seen(request: RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    if response.headers().get("content-type").is_some_and(|value| value == "text/event-stream") {
        return status.to_string();
    }
    let body: Value = response.json().await.unwrap_or_default();
    body["error"]["code"].as_i64().map_or_else(|| status.to_string(), |code| format!("{status} {code}"))
}

fn modern(client: &Mcp, method: &str, header: Option<&str>, stated: &str, meant: &str) -> RequestBuilder {
    let metadata = json!({
        "io.modelcontextprotocol/protocolVersion": meant,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": metadata}});
    let request = client.client.post(&client.url).header("accept", "application/json, text/event-stream");
    let request = request.header("mcp-protocol-version", stated).json(&body);
    match header {
        Some(header) => request.header("mcp-method", header),
        None => request,
    }
}

/// What a server of the profile answers to each case.
async fn behaviour(profile: &str) -> Vec<(&'static str, String)> {
    let (_simulator, handle) =
        world(&format!("servers: [{{url: '{SERVER}', behavesLike: {profile}, tools: [{{name: echo}}]}}]")).await;
    let agreed = Mcp::new(&handle, &[], SERVER).initialize("2026-07-28").await["protocolVersion"].clone();
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-06-18").await;
    let mut id = 100;
    let mut ping = || {
        id += 1;
        json!({"jsonrpc": "2.0", "id": id, "method": "ping"})
    };
    let with = |name: &'static str, value: Option<&str>| {
        let mut headers = mcp.headers.clone();
        headers.remove(name);
        if let Some(value) = value {
            headers.insert(name, value.parse().unwrap());
        }
        mcp.client.post(&mcp.url).headers(headers)
    };
    let good = || mcp.client.post(&mcp.url).headers(mcp.headers.clone());
    let (now, old) = ("2026-07-28", "2025-11-25");
    let requests = [
        ("no session", with("mcp-session-id", None).json(&ping())),
        ("an unknown session", with("mcp-session-id", Some("nope")).json(&ping())),
        ("an unknown revision", with("mcp-protocol-version", Some("1999-01-01")).json(&ping())),
        ("only JSON accepted", with("accept", Some("application/json")).json(&ping())),
        ("everything accepted", with("accept", Some("*/*")).json(&ping())),
        ("plain text", good().header("content-type", "text/plain").body(ping().to_string())),
        ("no JSON", good().header("content-type", "application/json").body("{bad")),
        ("a batch", good().json(&json!([ping(), ping()]))),
        ("a foreign origin", good().header("origin", "http://evil.example").json(&ping())),
        ("a foreign host", good().header("host", "evil.example").json(&ping())),
        ("a stream", mcp.client.get(&mcp.url).headers(mcp.headers.clone())),
        ("the end of the session", mcp.client.delete(&mcp.url).headers(mcp.headers.clone())),
        ("an ended session", good().json(&ping())),
        ("modern discovery", modern(&mcp, "server/discover", Some("server/discover"), now, now)),
        ("modern without Mcp-Method", modern(&mcp, "tools/list", None, now, now)),
        ("modern with another revision", modern(&mcp, "tools/list", Some("tools/list"), old, now)),
        ("modern of the future", modern(&mcp, "tools/list", Some("tools/list"), "2099-01-01", "2099-01-01")),
        ("modern ping", modern(&mcp, "ping", Some("ping"), now, now)),
    ];
    let mut found = Vec::new();
    for (case, request) in requests {
        found.push((case, seen(request).await));
    }
    found.push(("initialize with 2026-07-28", agreed.as_str().unwrap().to_owned()));
    found
}

#[tokio::test]
async fn each_profile_answers_as_its_library_does() {
    for (column, profile) in PROFILES.into_iter().enumerate() {
        for ((case, found), (expected_case, expected)) in behaviour(profile).await.into_iter().zip(SEEN) {
            assert_eq!((case, found.as_str()), (expected_case, expected[column]), "{profile}");
        }
    }
}

#[tokio::test]
async fn a_profile_decides_what_is_not_said() {
    let yaml = format!("servers: [{{url: '{SERVER}', behavesLike: typescript-sdk-2, sessions: true}}]");
    let (_simulator, handle) = world(&yaml).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    assert!(mcp.headers.contains_key("mcp-session-id"));
    let stream = mcp.listen(None).await;
    assert_eq!(stream.status(), StatusCode::OK);
    drop(Events::of(stream));
}
