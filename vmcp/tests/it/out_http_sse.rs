//! HTTP+SSE towards backends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use vmcp::backend::{Caller, Transport};
use vmcp::egress::{BackendSession, Cause, EgressError, Reply};

use crate::out_support::{PATIENCE, Recorded, Server, backend, event_stream, open_egress, result, result_text, text};

type Sender = mpsc::UnboundedSender<Result<Bytes, std::io::Error>>;

/// The streams of a server, by the path of their endpoints.
#[derive(Clone, Default)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<String, Sender>>>,
    opened: Arc<AtomicUsize>,
}

impl Streams {
    pub(crate) fn open(&self) -> Response {
        let (sender, receiver) = mpsc::unbounded_channel();
        let path = format!("/messages/{}", self.opened.fetch_add(1, Ordering::SeqCst));
        sender.send(Ok(Bytes::from(format!("event: endpoint\ndata: {path}\n\n")))).unwrap();
        self.open.lock().unwrap().insert(path, sender);
        event_stream(Body::from_stream(UnboundedReceiverStream::new(receiver)))
    }

    pub(crate) fn say(&self, path: &str, message: &str) -> bool {
        let open = self.open.lock().unwrap();
        open.get(path)
            .is_some_and(|sender| sender.send(Ok(Bytes::from(format!("event: message\ndata: {message}\n\n")))).is_ok())
    }

    /// Waits until nobody reads a stream any more.
    async fn left(&self, path: &str) {
        let stream = self.open.lock().unwrap()[path].clone();
        stream.closed().await;
    }

    pub(crate) fn end(&self) {
        self.open.lock().unwrap().clear();
    }

    fn answer(&self, recorded: &Recorded) -> Response {
        if recorded.method == "GET" {
            return self.open();
        }
        let said = match recorded.what().as_str() {
            "initialize" => self.say(&recorded.path, &result(recorded, r#"{"protocolVersion":"2024-11-05"}"#)),
            "tools/call" => {
                let name = recorded.json()["params"]["name"].clone();
                self.say(&recorded.path, &result(recorded, &json!({"name": name}).to_string()))
            }
            "resources/subscribe" | "resources/unsubscribe" => self.say(&recorded.path, &result(recorded, "{}")),
            _ => self.open.lock().unwrap().contains_key(&recorded.path),
        };
        if said { text(StatusCode::ACCEPTED, "Accepted") } else { text(StatusCode::NOT_FOUND, "unknown session") }
    }
}

pub(crate) async fn server(streams: &Streams) -> Server {
    let streams = streams.clone();
    Server::plain(move |recorded| {
        let response = streams.answer(&recorded);
        async move { response }
    })
    .await
}

fn session(server: &Server) -> BackendSession {
    open_egress().open(&Arc::new(backend(server.url("/sse"), Transport::Sse)), &Caller::anonymous())
}

async fn call(session: &BackendSession, name: &str) -> Result<Reply, EgressError> {
    let params = serde_json::value::to_raw_value(&json!({"name": name})).unwrap();
    session.request(&Caller::anonymous(), "tools/call", Some(&params), PATIENCE).await
}

#[tokio::test]
async fn requests_are_posted_and_answered_on_the_stream() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let session = session(&server);
    let calls = ["a", "b", "c"].map(|name| call(&session, name));
    let replies = futures::future::join_all(calls).await;
    for (reply, name) in replies.into_iter().zip(["a", "b", "c"]) {
        assert_eq!(result_text(reply.unwrap()), format!(r#"{{"name":"{name}"}}"#));
    }
    assert_eq!(server.methods()[..3], ["GET", "initialize", "notifications/initialized"]);
    assert_eq!(streams.opened.load(Ordering::SeqCst), 1);
    assert_eq!(server.journal()[0].header("accept"), Some("text/event-stream"));
}

#[tokio::test]
async fn what_holds_for_a_session_is_asked_for_again_when_its_stream_ends() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let (session, caller) = (session(&server), Caller::anonymous());
    for (method, name) in [("subscribe", "a"), ("subscribe", "b"), ("unsubscribe", "a")] {
        let params = serde_json::value::to_raw_value(&json!({"uri": name})).unwrap();
        session.request(&caller, &format!("resources/{method}"), Some(&params), PATIENCE).await.unwrap();
    }
    streams.end();
    let is_again = |recorded: &Recorded| recorded.path == "/messages/1" && recorded.what() == "resources/subscribe";
    assert_eq!(server.wait_for(is_again).await.json()["params"], json!({"uri": "b"}));
    session.close().await;
    assert_eq!(server.journal().into_iter().filter(is_again).count(), 1);
}

#[tokio::test]
async fn a_stream_that_ended_is_opened_again() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let session = session(&server);
    call(&session, "a").await.unwrap();
    streams.end();
    // Either the end of the stream is noticed first, or the endpoint that is unknown now.
    assert_eq!(result_text(call(&session, "b").await.unwrap()), r#"{"name":"b"}"#);
    assert_eq!(streams.opened.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_request_whose_stream_ends_fails_at_once() {
    let streams = Streams::default();
    let ending = streams.clone();
    let server = Server::plain(move |recorded| {
        let response = if recorded.what() == "tools/call" {
            ending.end();
            text(StatusCode::ACCEPTED, "")
        } else {
            ending.answer(&recorded)
        };
        async move { response }
    })
    .await;
    assert_eq!(call(&session(&server), "a").await.unwrap_err().cause(), Cause::Refused);
    assert_eq!(server.methods().iter().filter(|method| *method == "tools/call").count(), 1);
}

#[tokio::test]
async fn an_endpoint_of_another_origin_is_never_contacted() {
    let trap = Server::trap().await;
    let port = trap.address.port();
    for endpoint in [
        format!("http://{}/messages", trap.address),
        format!("//127.0.0.1:{port}/messages"),
        format!("https://127.0.0.1:{port}/messages"),
        "http://169.254.169.254/latest".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let event = format!("event: endpoint\ndata: {endpoint}\n\n");
        let server = Server::plain(move |_| {
            let response = event_stream(event.clone());
            async move { response }
        })
        .await;
        let error = call(&session(&server), "a").await.unwrap_err();
        assert_eq!(error.cause(), Cause::Protocol, "{endpoint}");
        assert!(error.to_string().contains("another origin"), "{error}");
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_backend_of_the_other_transport_is_said_to_be_so() {
    let refusing = Server::plain(|_| async { text(StatusCode::METHOD_NOT_ALLOWED, "") }).await;
    let error = call(&session(&refusing), "a").await.unwrap_err();
    assert_eq!((error.cause(), error.status()), (Cause::Protocol, Some(405)));
    assert!(error.to_string().contains("transport is sse"), "{error}");
    let other = Server::plain(|_| async { event_stream("data: {}\n\n") }).await;
    let error = call(&session(&other), "a").await.unwrap_err();
    assert!(error.to_string().contains("endpoint event"), "{error}");
}

#[tokio::test]
async fn requests_of_the_backend_are_answered() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let session = session(&server);
    call(&session, "a").await.unwrap();
    assert!(streams.say("/messages/0", r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#));
    let pong = server.wait_for(|recorded| recorded.json()["id"] == "p").await;
    assert_eq!(pong.json()["result"], json!({}));
}

#[tokio::test]
async fn a_malformed_answer_ends_its_request_alone() {
    let streams = Streams::default();
    let answering = streams.clone();
    let server = Server::plain(move |recorded| {
        let is_bad = recorded.json()["params"]["name"] == "bad";
        let response = if is_bad {
            answering.say(&recorded.path, &result(&recorded, "null"));
            text(StatusCode::ACCEPTED, "")
        } else {
            answering.answer(&recorded)
        };
        async move { response }
    })
    .await;
    let session = session(&server);
    assert_eq!(call(&session, "bad").await.unwrap_err().cause(), Cause::Protocol);
    call(&session, "a").await.unwrap();
    assert_eq!(streams.opened.load(Ordering::SeqCst), 1, "the session goes on");
}

#[tokio::test]
async fn answers_may_come_in_a_batch() {
    let streams = Streams::default();
    let answering = streams.clone();
    let server = Server::plain(move |recorded| {
        let response = match recorded.what().as_str() {
            "initialize" => {
                let agreed = r#"{"protocolVersion":"2025-03-26","capabilities":{}}"#;
                answering.say(&recorded.path, &result(&recorded, agreed));
                text(StatusCode::ACCEPTED, "")
            }
            "tools/call" => {
                let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
                answering.say(&recorded.path, &format!("[{changed},{}]", result(&recorded, "{}")));
                text(StatusCode::ACCEPTED, "")
            }
            _ => answering.answer(&recorded),
        };
        async move { response }
    })
    .await;
    let session = session(&server);
    let changes = session.list_changed();
    assert_eq!(result_text(call(&session, "a").await.unwrap()), "{}");
    assert_eq!(changes.borrow().tools, 1);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_cancelled() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let session = session(&server);
    let outcome = session.request(&Caller::anonymous(), "tools/list", None, Duration::from_millis(200)).await;
    assert_eq!(outcome.unwrap_err().cause(), Cause::Timeout);
    let cancelled = server.wait_for(|recorded| recorded.what() == "notifications/cancelled").await;
    let asked = server.wait_for(|recorded| recorded.what() == "tools/list").await;
    assert_eq!(cancelled.json()["params"]["requestId"], asked.json()["id"]);
}

#[tokio::test]
async fn a_request_that_was_dropped_is_cancelled_before_the_session_ends() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let session = session(&server);
    let caller = Caller::anonymous();
    tokio::select! {
        _ = session.request(&caller, "tools/list", None, PATIENCE) => panic!("answered"),
        _ = server.wait_for(|recorded| recorded.what() == "tools/list") => {}
    }
    session.close().await;
    assert_eq!(server.methods().last().map(String::as_str), Some("notifications/cancelled"));
}

#[tokio::test]
async fn closing_ends_the_stream() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let session = session(&server);
    call(&session, "a").await.unwrap();
    session.close().await;
    tokio::time::timeout(PATIENCE, streams.left("/messages/0")).await.unwrap();
}

#[tokio::test]
async fn changes_of_the_tools_are_heard() {
    let streams = Streams::default();
    let server = server(&streams).await;
    let session = session(&server);
    let mut changes = session.list_changed();
    call(&session, "a").await.unwrap();
    assert_eq!(session.revision(), Some("2024-11-05"));
    assert!(streams.say("/messages/0", r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#));
    tokio::time::timeout(PATIENCE, changes.wait_for(|changes| changes.tools == 1)).await.unwrap().unwrap();
}
