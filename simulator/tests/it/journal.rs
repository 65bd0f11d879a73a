//! The journal: what it remembers, how it is waited for, what it hides, where it ends.

use serde_json::json;
use simulator::{JournalLimits, Simulator, SimulatorOptions, World};

use crate::client::{LIMIT, Mcp, client, url, world};

const WORLD: &str = "
authorizationServers: [{host: auth.company.com, users: [alice], clients: [{id: gateway, secret: s3cr3t}]}]
servers: [{url: https://mcp.example.com/mcp, tools: [{name: echo}]}]
";

#[tokio::test]
async fn an_entry_tells_what_a_scenario_asks() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &["public"], "https://mcp.example.com/mcp").with("x-tenant-id", "engineering");
    mcp.initialize("2025-11-25").await;
    mcp.call_tool("echo", json!({"text": "hi"})).await;
    let entry = handle.journal().wait_for(|entry| entry.method.as_deref() == Some("tools/call")).await;
    let shown = serde_json::to_value(&*entry).unwrap();
    assert_eq!(shown["url"], "https://mcp.example.com/mcp");
    assert_eq!(shown["params"]["arguments"]["text"], "hi");
    assert_eq!(shown["headers"]["x-tenant-id"], "engineering");
    assert_eq!(shown["http"]["method"], "POST");
    assert_eq!(shown["tls"]["serverName"], "mcp.example.com");
    assert_eq!(shown["tls"]["version"], "1.3");
    assert_eq!(shown["response"], json!({"status": 200}));
    assert_eq!(shown["session"], mcp.headers["mcp-session-id"].to_str().unwrap());
    assert!(shown["verdict"].is_null() && shown["form"].is_null() && shown["token"].is_null());
}

#[tokio::test]
async fn a_subscriber_is_woken_by_what_arrives() {
    let (_simulator, handle) = world(WORLD).await;
    let mut entries = handle.journal().subscribe();
    assert!(entries.ready().is_none());
    let waiting = tokio::spawn(async move { entries.next().await });
    Mcp::new(&handle, &["public"], "https://mcp.example.com/mcp").initialize("2025-11-25").await;
    let entry = tokio::time::timeout(LIMIT, waiting).await.unwrap().unwrap();
    assert_eq!((entry.sequence, entry.method.as_deref()), (0, Some("initialize")));
}

#[tokio::test]
async fn a_report_shows_no_secret() {
    let (_simulator, handle) = world(WORLD).await;
    let form = [("grant_type", "client_credentials"), ("client_id", "gateway"), ("client_secret", "s3cr3t")];
    let target = url(&handle, "https://auth.company.com/protocol/openid-connect/token");
    client(&handle, &["public"])
        .post(target)
        .header("x-api-key", "k3y")
        .bearer_auth("t0ken")
        .form(&form)
        .send()
        .await
        .unwrap();
    let entry = handle.journal().entries().last().unwrap().clone();
    let shown = serde_json::to_string(&entry.redacted()).unwrap();
    for secret in ["s3cr3t", "k3y", "t0ken"] {
        assert!(serde_json::to_string(&*entry).unwrap().contains(secret));
        assert!(!shown.contains(secret), "{shown}");
        assert!(!format!("{entry:?}").contains(secret));
    }
    assert!(shown.contains("client_id=gateway") && shown.contains("[redacted]"), "{shown}");
}

#[tokio::test]
async fn the_oldest_entries_go_when_it_is_full() {
    let journal = JournalLimits { entries: 3, bytes: 1 << 20 };
    let simulator = Simulator::start(SimulatorOptions { journal, ..SimulatorOptions::default() }).await.unwrap();
    let handle = simulator
        .add_world(World::from_yaml("w", "servers: [{url: http://mcp.example.com/mcp}]").unwrap())
        .await
        .unwrap();
    let client = client(&handle, &[]);
    for number in 0..5 {
        client.get(url(&handle, &format!("http://mcp.example.com/{number}"))).send().await.unwrap();
    }
    let paths: Vec<String> = handle.journal().entries().iter().map(|entry| entry.path.clone()).collect();
    assert_eq!(paths, ["/2", "/3", "/4"]);
    let mut late = handle.journal().subscribe();
    assert_eq!(late.ready().unwrap().sequence, 2);
}

#[tokio::test]
async fn unknown_hosts_are_noted() {
    let (_simulator, handle) = world("servers: [{url: http://mcp.example.com/mcp}]").await;
    let address = handle.names()[0].ports[&80];
    let response = reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .build()
        .unwrap()
        .get(format!("http://{address}/x"))
        .header("host", "elsewhere.example.com")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 404);
    let entry = handle.journal().entries().last().unwrap().clone();
    assert_eq!((entry.url.as_str(), entry.server.as_deref()), ("http://elsewhere.example.com/x", None));
}
