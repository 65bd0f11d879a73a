//! The world's clock, and chance.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use simulator::{TokenRequest, WorldChange, WorldHandle};
use tokio::time::{Instant, timeout};

use crate::client::{LIMIT, Mcp, world};

const SERVER: &str = "http://mcp.example.com/mcp";

async fn advance(handle: &WorldHandle, by: Duration) {
    handle.update(WorldChange::AdvanceClock(by)).await.unwrap();
}

#[tokio::test]
async fn tokens_expire_by_the_worlds_clock() {
    let (_simulator, handle) = world(
        "
authorizationServers: [{host: idp.example.com, users: [alice]}]
servers: [{url: http://mcp.example.com/mcp, accepts: {issuer: idp.example.com, audience: a}}]
",
    )
    .await;
    let token = || format!("Bearer {}", handle.token(&TokenRequest::new("idp.example.com", "alice", "a")).unwrap());
    let ping = async |token: &str| {
        let mut mcp = Mcp::new(&handle, &[], SERVER).with("authorization", token);
        let message = mcp.request("ping", json!({}));
        mcp.post(&message).await.status()
    };
    let (early, before) = (token(), handle.now());
    advance(&handle, Duration::from_mins(59)).await;
    assert_ne!(ping(&early).await, StatusCode::UNAUTHORIZED);
    advance(&handle, Duration::from_mins(2)).await;
    assert_eq!(ping(&early).await, StatusCode::UNAUTHORIZED);
    assert!(handle.now() > before + Duration::from_mins(61));
    // What is issued now is valid now.
    assert_ne!(ping(&token()).await, StatusCode::UNAUTHORIZED);

    let refused = handle.update(WorldChange::AdvanceClock(Duration::MAX)).await.unwrap_err().to_string();
    assert!(refused.contains("a century"), "{refused}");
}

#[tokio::test]
async fn a_delay_ends_when_the_clock_is_moved_past_it() {
    let (_simulator, handle) =
        world(&format!("servers: [{{url: '{SERVER}', faults: [{{does: {{latency: 10h}}}}]}}]")).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    let message = mcp.request("ping", json!({}));
    let answer = mcp.post(&message);
    tokio::pin!(answer);
    let begun = Instant::now();
    let arrived = handle.journal().wait_for(|entry| entry.faults == ["latency"]);
    tokio::select! {
        _ = &mut answer => panic!("it was answered at once"),
        _ = arrived => advance(&handle, Duration::from_hours(10)).await,
    }
    timeout(LIMIT, answer).await.unwrap();
    assert!(begun.elapsed() < LIMIT);
}
