//! Streams that clients come back to.

use reqwest::StatusCode;
use serde_json::json;
use simulator::WorldChange;

use crate::client::{Events, Mcp, world};

const SERVER: &str = "http://mcp.example.com/mcp";
const WORLD: &str = "
servers:
  - url: http://mcp.example.com/mcp
    resumable: true
    tools:
      - name: long
        steps: [{log: {data: first}}, {disconnect: {retry: 20ms}}, {log: {data: second}}]
        answer: {text: at last}
";

fn id(event: &str) -> &str {
    event.lines().find_map(|line| line.strip_prefix("id: ")).unwrap()
}

#[tokio::test]
async fn what_a_server_keeps_back_comes_when_the_client_resumes() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let mut stream = mcp.open("tools/call", json!({"name": "long"})).await;
    let priming = stream.next_event().await.unwrap();
    assert!(priming.ends_with("data: \n\n"), "{priming}");
    let first = stream.next_event().await.unwrap();
    assert!(first.contains("first"));
    assert_eq!(stream.next_event().await.unwrap(), "retry: 20\n\n");
    assert_eq!(stream.next_event().await, None);

    let mut rest = Events::of(mcp.listen(Some(id(&first))).await);
    assert_eq!(rest.next().await.unwrap()["params"]["data"], "second");
    assert_eq!(rest.next().await.unwrap()["result"]["content"][0]["text"], "at last");
    assert_eq!(rest.next().await, None);
    let mut all = Events::of(mcp.listen(Some(id(&priming))).await);
    assert_eq!(all.next().await.unwrap()["params"]["data"], "first");
    assert_eq!(mcp.listen(Some("7-7")).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn streams_of_older_revisions_begin_without_an_empty_event() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-06-18").await;
    let mut stream = mcp.open("tools/call", json!({"name": "long"})).await;
    assert!(stream.next_event().await.unwrap().contains("first"));
}

#[tokio::test]
async fn what_was_announced_meanwhile_is_heard_later() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let mut stream = Events::of(mcp.listen(None).await);
    let priming = stream.next_event().await.unwrap();
    drop(stream);
    let change: WorldChange =
        serde_saphyr::from_str("setTools: {server: http://mcp.example.com/mcp, tools: [{name: other}]}").unwrap();
    handle.update(change).await.unwrap();
    let mut stream = Events::of(mcp.listen(Some(id(&priming))).await);
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
}
