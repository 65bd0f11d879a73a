//! Worlds that change while they run, and several worlds at once.

use reqwest::StatusCode;
use serde_json::json;
use simulator::{AddressPool, Simulator, SimulatorOptions, World, WorldChange, WorldError};

use crate::client::{Mcp, client, url, world};

const WORLD: &str = "
servers:
  - {url: http://mcp.example.com/a, tools: [{name: echo}]}
  - {url: http://mcp.example.com/b, tools: [{name: echo}]}
";

fn change(yaml: &str) -> WorldChange {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_server_goes_down_and_comes_up_without_its_sessions() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], "http://mcp.example.com/a");
    mcp.initialize("2025-11-25").await;
    handle.update(change("takeDown: http://mcp.example.com/a")).await.unwrap();
    let message = mcp.request("ping", json!({}));
    assert!(mcp.client.post(&mcp.url).json(&message).send().await.is_err());
    assert!(handle.journal().entries().last().unwrap().response.is_none());
    Mcp::new(&handle, &[], "http://mcp.example.com/b").initialize("2025-11-25").await;
    handle.update(change("bringUp: http://mcp.example.com/a")).await.unwrap();
    assert_eq!(mcp.post(&message).await.status(), StatusCode::NOT_FOUND);
    mcp.headers.remove("mcp-session-id");
    mcp.headers.remove("mcp-protocol-version");
    mcp.initialize("2025-11-25").await;
}

#[tokio::test]
async fn servers_are_added_and_removed() {
    let (_simulator, handle) = world(WORLD).await;
    handle.update(change("addServer: {url: http://other.example.com:8080/mcp, tools: [{name: echo}]}")).await.unwrap();
    Mcp::new(&handle, &[], "http://other.example.com:8080/mcp").initialize("2025-11-25").await;
    handle.update(change("removeServer: http://mcp.example.com/a")).await.unwrap();
    let gone = client(&handle, &[]).get(url(&handle, "http://mcp.example.com/a")).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        handle.journal().entries().last().unwrap().verdict.as_deref(),
        Some("`mcp.example.com` serves nothing at /a")
    );
}

#[tokio::test]
async fn required_headers_change() {
    let (_simulator, handle) = world(WORLD).await;
    handle
        .update(change("setRequiredHeaders: {server: http://mcp.example.com/a, headers: {X-Api-Key: k}}"))
        .await
        .unwrap();
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(
        Mcp::new(&handle, &[], "http://mcp.example.com/a").post(&message).await.status(),
        StatusCode::BAD_REQUEST
    );
    Mcp::new(&handle, &[], "http://mcp.example.com/a").with("x-api-key", "k").initialize("2025-11-25").await;
}

#[tokio::test]
async fn a_change_that_does_not_fit_is_refused() {
    let (_simulator, handle) = world(WORLD).await;
    for (yaml, expected) in [
        ("takeDown: http://mcp.example.com/c", "expected one of http://mcp.example.com/a, http://mcp.example.com/b"),
        ("rotateAuthority: nobody", "there is no authority `nobody`"),
        ("addServer: {url: http://mcp.example.com/a}", "exists already"),
        (
            "setTools: {server: http://mcp.example.com/a, tools: [{name: x}, {name: x}]}",
            "the tool `x` is described twice",
        ),
        (
            "setAccepts: {server: http://mcp.example.com/a, accepts: {issuer: idp}}",
            "there is no authorization server `idp`",
        ),
    ] {
        let error = handle.update(change(yaml)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}

#[tokio::test]
async fn worlds_with_the_same_names_live_side_by_side() {
    let addresses = AddressPool::Block("127.93.7.0/30".parse().unwrap());
    let simulator = Simulator::start(SimulatorOptions { addresses, ..SimulatorOptions::default() }).await.unwrap();
    let world =
        || World::from_yaml("w", "servers: [{url: http://mcp.example.com/mcp, tools: [{name: echo}]}]").unwrap();
    let first = simulator.add_world(world()).await.unwrap();
    let second = simulator.add_world(world()).await.unwrap();
    assert_ne!(first.names()[0].address, second.names()[0].address);
    Mcp::new(&first, &[], "http://mcp.example.com/mcp").initialize("2025-11-25").await;
    assert!(second.journal().entries().is_empty());
    assert!(matches!(simulator.add_world(world()).await, Err(WorldError::NoAddress)));
    let dialed = Mcp::new(&first, &[], "http://mcp.example.com/mcp");
    first.remove().await;
    assert!(dialed.client.get(&dialed.url).send().await.is_err());
    assert!(simulator.add_world(world()).await.is_ok());
}

#[tokio::test]
async fn a_world_that_cannot_start_keeps_nothing_open() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (taken_port, free_port) = (taken.local_addr().unwrap().port(), free.local_addr().unwrap().port());
    drop(free);
    let yaml =
        format!("servers: [{{url: 'http://localhost:{free_port}/mcp'}}, {{url: 'http://localhost:{taken_port}/mcp'}}]");
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let world = World::from_yaml("w", &yaml).unwrap();
    assert!(matches!(simulator.add_world(world).await, Err(WorldError::Listen { .. })));
    assert!(tokio::net::TcpListener::bind(("127.0.0.1", free_port)).await.is_ok());
}
