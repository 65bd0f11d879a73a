//! HTTP+SSE on both sides of a proxy.

use crate::in_support::{Client, Events, Running, initialize_params};
use crate::out_http_sse::{Streams, server};
use crate::out_support::{Server, json_body, mcp, result};
use crate::proxy_support::{config, start};
use http::{Method, StatusCode};
use serde_json::{Value, json};

async fn proxy_of(server: &Server, keys: Value) -> Running {
    let mut all = json!({"transport": "sse", "url": server.url("/sse")});
    let Value::Object(keys) = keys else { panic!("not an object: {keys}") };
    all.as_object_mut().unwrap().extend(keys);
    start(&config(server, all)).await
}

/// A client of the old transport: its stream and where it posts.
pub(crate) struct SseClient {
    client: Client,
    pub(crate) events: Events,
    endpoint: String,
}

impl SseClient {
    pub(crate) async fn connect(client: Client) -> Self {
        let mut events = Events::of(client.open(Method::GET, "/sse", "").await);
        let endpoint = events.next_data().await.unwrap();
        Self { client, events, endpoint }
    }

    pub(crate) async fn post(&self, message: &Value) -> StatusCode {
        self.client.send(Method::POST, &self.endpoint, message.to_string()).await.status
    }

    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params});
        assert_eq!(self.post(&message).await, StatusCode::ACCEPTED);
        self.events.next().await.unwrap()
    }

    pub(crate) async fn initialize(&mut self) {
        let answer = self.request("initialize", initialize_params("2024-11-05")).await;
        assert_eq!(answer["result"]["protocolVersion"], "2024-11-05");
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.post(&initialized).await, StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn a_client_of_the_old_transport_speaks_with_a_server_of_the_old_transport() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let proxy = proxy_of(&server, json!({})).await;
    let mut client = SseClient::connect(proxy.client()).await;
    assert!(client.endpoint.starts_with("/messages?sessionId="), "{}", client.endpoint);
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}), "pings are allowed before the handshake");
    let early = client.request("tools/list", json!({})).await;
    assert!(early["error"]["message"].as_str().unwrap().contains("initialize"), "{early}");
    client.initialize().await;
    let called = client.request("tools/call", json!({"name": "a"})).await;
    assert_eq!(called, json!({"jsonrpc": "2.0", "id": "tools/call", "result": {"name": "a"}}));
    let ask = json!({"jsonrpc": "2.0", "id": 5, "method": "roots/list"});
    assert!(streams.say("/messages/0", &ask.to_string()));
    assert_eq!(client.events.next().await.unwrap(), ask);
    let answer = json!({"jsonrpc": "2.0", "id": 5, "result": {"roots": []}});
    assert_eq!(client.post(&answer).await, StatusCode::ACCEPTED);
    server.wait_for(|recorded| recorded.json() == answer).await;
}

#[tokio::test]
async fn a_stream_that_ends_ends_the_session() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let proxy = proxy_of(&server, json!({})).await;
    let mut client = SseClient::connect(proxy.client()).await;
    client.initialize().await;
    let SseClient { client, events, endpoint } = client;
    drop(events);
    let gone = async {
        loop {
            let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a"}});
            if client.send(Method::POST, &endpoint, ping.to_string()).await.status == StatusCode::NOT_FOUND {
                return;
            }
        }
    };
    tokio::time::timeout(crate::in_support::PATIENCE, gone).await.unwrap();
    assert_eq!(client.send(Method::POST, "/messages", "{}").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_lost_server_ends_the_clients_stream_after_an_error() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let proxy = proxy_of(&server, json!({})).await;
    let mut client = SseClient::connect(proxy.client()).await;
    client.initialize().await;
    streams.end();
    let answer = client.request("tools/call", json!({"name": "a"})).await;
    assert!(answer["error"].is_object(), "{answer}");
    // What was under way when the stream ended failed with it; the next request finds no session.
    if let Some(next) = next_answer(&mut client).await {
        assert!(next["error"]["message"].as_str().unwrap().contains("initialize"), "{next}");
        assert_eq!(client.events.next().await, None);
    }
}

async fn next_answer(client: &mut SseClient) -> Option<Value> {
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "a"}});
    client.post(&call).await;
    client.events.next().await
}

#[tokio::test]
async fn a_client_of_the_new_transport_hears_a_server_of_the_old_one() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let proxy = proxy_of(&server, json!({})).await;
    let mut client = proxy.client();
    let answer = client.request("initialize", initialize_params("2024-11-05")).await;
    assert_eq!(answer.json()["result"]["protocolVersion"], "2024-11-05");
    client.set("mcp-session-id", answer.header("mcp-session-id"));
    client.set("mcp-protocol-version", "2024-11-05");
    let mut events = client.listen().await;
    let said = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1.0}});
    assert!(streams.say("/messages/0", &said.to_string()));
    assert_eq!(events.next().await.unwrap(), said);
    assert_eq!(client.call("b", json!({})).await.json()["result"], json!({"name": "b"}));
}

#[tokio::test]
async fn the_endpoint_is_written_as_clients_reach_it() {
    let server = Server::plain(mcp(|recorded| json_body(result(recorded, "{}")))).await;
    let proxy = proxy_of(&server, json!({"endpointPrefix": "/partner", "trustProxyHeaders": true})).await;
    let client = proxy.client();
    let forwarded = client.with("x-forwarded-host", "mcp.example.com").with("x-forwarded-proto", "https");
    let endpoint =
        async |client: &Client| Events::of(client.open(Method::GET, "/sse", "").await).next_data().await.unwrap();
    assert!(endpoint(&client).await.starts_with("/partner/messages?sessionId="));
    assert!(endpoint(&forwarded).await.starts_with("https://mcp.example.com/partner/messages?sessionId="));
}
