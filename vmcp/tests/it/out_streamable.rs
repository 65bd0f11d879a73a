//! Streamable HTTP towards backends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use http::StatusCode;
use serde_json::json;
use serde_json::value::RawValue;
use vmcp::backend::{Backend, Caller, Transport};
use vmcp::egress::{BackendSession, Cause, EgressError, Reply};
use vmcp::outgoing::{OutgoingAuth, parse_name, parse_value};

use crate::out_support::{
    PATIENCE, Recorded, Server, backend, event_stream, initialized, json_body, mcp, mcp_server, open_egress, result,
    result_text, streamable, text,
};

fn session(server: &Server) -> BackendSession {
    open_egress().open(&streamable(server.url("/mcp")), &Caller::anonymous())
}

async fn call(session: &BackendSession, params: &str) -> Result<Reply, EgressError> {
    let params = RawValue::from_string(params.to_owned()).unwrap();
    session.request(&Caller::anonymous(), "tools/call", Some(&params), PATIENCE).await
}

#[tokio::test]
async fn a_session_is_opened_used_and_ended() {
    let server = mcp_server().await;
    let session = session(&server);
    assert_eq!(server.connections(), 0, "nothing is sent before the first request");
    for _ in 0..3 {
        call(&session, "{}").await.unwrap();
    }
    session.close().await;
    let calls = ["tools/call"; 3];
    let expected: Vec<&str> =
        ["initialize", "notifications/initialized"].into_iter().chain(calls).chain(["DELETE"]).collect();
    assert_eq!(server.methods(), expected, "one request per call");
    assert_eq!(server.connections(), 1, "connections are kept");
    let journal = server.journal();
    assert_eq!(journal[0].json()["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(journal[0].header("mcp-session-id"), None);
    for recorded in &journal[1..] {
        assert_eq!(recorded.header("mcp-session-id"), Some("session-1"));
        assert_eq!(recorded.header("mcp-protocol-version"), Some("2025-11-25"));
    }
    for recorded in journal.iter().filter(|recorded| recorded.method == "POST") {
        assert_eq!(recorded.header("content-type"), Some("application/json"));
        assert_eq!(recorded.header("accept"), Some("application/json, text/event-stream"));
    }
}

/// Values that a typed model would change: numbers beyond 64 bits, key order, spelling, unknown members.
const ODD: &str =
    r#"{"z":1.0,"a":12345678901234567890123456789,"u":"\u00e9\ud83d\ude00","_meta":{"x":[null]},"e":1e2,"unknown":{}}"#;

#[tokio::test]
async fn params_and_results_pass_untouched() {
    let server = Server::plain(mcp(|recorded| {
        let sent = recorded.body.split_once(r#""params":"#).unwrap().1;
        json_body(result(recorded, sent.strip_suffix('}').unwrap()))
    }))
    .await;
    assert_eq!(result_text(call(&session(&server), ODD).await.unwrap()), ODD);
    let server = Server::plain(mcp(|recorded| event_stream(format!("data: {}\n\n", result(recorded, ODD))))).await;
    assert_eq!(result_text(call(&session(&server), "{}").await.unwrap()), ODD);
}

#[tokio::test]
async fn an_error_of_the_backend_passes_untouched_whatever_the_status() {
    const ERROR: &str = r#"{"code":-32001,"message":"no","data":{"big":12345678901234567890123}}"#;
    for status in [200, 400, 404, 500] {
        for own_id in [true, false] {
            if matches!(status, 200 | 404) && !own_id {
                continue;
            }
            let server = Server::plain(mcp(move |recorded| {
                let id = if own_id { recorded.json()["id"].to_string() } else { "null".to_owned() };
                let mut response = json_body(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{ERROR}}}"#));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                response
            }))
            .await;
            let reply = call(&session(&server), "{}").await.unwrap();
            assert!(matches!(&reply, Reply::Error(error) if error.get() == ERROR), "{status} {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_malformed_error_is_a_failure_of_the_protocol_whatever_the_status() {
    for status in [200, 400, 500] {
        let server = Server::plain(mcp(move |recorded| {
            let mut response =
                json_body(format!(r#"{{"jsonrpc":"2.0","id":{},"error":"boom"}}"#, recorded.json()["id"]));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        }))
        .await;
        assert_eq!(call(&session(&server), "{}").await.unwrap_err().cause(), Cause::Protocol, "{status}");
    }
}

#[tokio::test]
async fn a_stream_may_hold_other_messages_before_the_answer() {
    let server = Server::plain(mcp(|recorded| {
        let answer = result(recorded, r#"{"done":true}"#);
        let request = |id: &str, method: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#);
        event_stream(format!(
            "\u{feff}: hello\r\n\r\nid: 1\r\ndata:\r\n\r\ndata: {}\n\ndata: {}\n\ndata: {}\n\ndata: {}\n\n",
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#,
            request("\"p\"", "ping"),
            request("7", "sampling/createMessage"),
            answer,
        ))
    }))
    .await;
    let session = session(&server);
    assert_eq!(result_text(call(&session, "{}").await.unwrap()), r#"{"done":true}"#);
    let pong = server.wait_for(|recorded| recorded.json()["id"] == "p").await;
    assert_eq!(pong.json()["result"], json!({}));
    assert_eq!(pong.header("mcp-session-id"), Some("session-1"));
    let refusal = server.wait_for(|recorded| recorded.json()["error"].is_object()).await;
    assert_eq!((&refusal.json()["id"], &refusal.json()["error"]["code"]), (&json!(7), &json!(-32601)));
}

#[tokio::test]
async fn a_stream_that_ends_early_is_resumed_after_its_last_event() {
    let server = Server::plain(|recorded: Recorded| {
        let response = match recorded.what().as_str() {
            "initialize" => initialized(&recorded, "2025-11-25"),
            "notifications/initialized" => text(StatusCode::ACCEPTED, ""),
            "GET" if recorded.header("last-event-id") == Some("e-1") => {
                event_stream("id: e-2\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n\n")
            }
            "GET" => text(StatusCode::METHOD_NOT_ALLOWED, ""),
            _ => event_stream("id: e-1\nretry: 1\ndata:\n\n"),
        };
        async move { response }
    })
    .await;
    call(&session(&server), "{}").await.unwrap();
    assert_eq!(server.methods(), ["initialize", "notifications/initialized", "tools/call", "GET"]);
}

#[tokio::test]
async fn a_stream_without_ids_that_ends_early_is_a_failure() {
    let server = Server::plain(mcp(|_| event_stream(": nothing\n\n"))).await;
    assert_eq!(call(&session(&server), "{}").await.unwrap_err().cause(), Cause::Refused);
}

/// A server that forgets its sessions before each `forgets`-th call, and says so with this answer.
async fn forgetful(forgets: fn(usize) -> bool, status: u16, body: &'static str) -> Server {
    let calls = AtomicUsize::new(0);
    Server::plain(mcp(move |recorded| {
        if forgets(calls.fetch_add(1, Ordering::SeqCst)) {
            let mut response = json_body(body);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        } else {
            json_body(result(recorded, "{}"))
        }
    }))
    .await
}

#[tokio::test]
async fn a_lost_session_is_opened_again_once() {
    const UNKNOWN: &str =
        r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#;
    for (status, body) in [(404, ""), (404, UNKNOWN), (400, UNKNOWN)] {
        let server = forgetful(|call| call == 1, status, body).await;
        let session = session(&server);
        call(&session, "{}").await.unwrap();
        call(&session, "{}").await.unwrap();
        let opened = server.methods().iter().filter(|method| *method == "initialize").count();
        assert_eq!(opened, 2, "{status}");
    }
    let server = forgetful(|_| true, 404, "").await;
    let error = call(&session(&server), "{}").await.unwrap_err();
    assert_eq!((error.cause(), error.status()), (Cause::Protocol, Some(404)));
    assert_eq!(server.methods().iter().filter(|method| *method == "tools/call").count(), 2);
}

#[tokio::test]
async fn what_may_have_been_executed_is_not_sent_again() {
    for status in [400, 409, 500, 502, 503] {
        let server = forgetful(|_| true, status, "").await;
        let error = call(&session(&server), "{}").await.unwrap_err();
        assert_eq!((error.cause(), error.status()), (Cause::Protocol, Some(status)));
        assert_eq!(server.methods().iter().filter(|method| *method == "tools/call").count(), 1, "{status}");
    }
}

#[tokio::test]
async fn concurrent_first_requests_open_one_session() {
    let server = mcp_server().await;
    let session = Arc::new(session(&server));
    let calls = (0..20).map(|_| {
        let session = Arc::clone(&session);
        async move { call(&session, "{}").await }
    });
    for outcome in futures::future::join_all(calls).await {
        outcome.unwrap();
    }
    assert_eq!(server.methods().iter().filter(|method| *method == "initialize").count(), 1);
}

#[tokio::test]
async fn sessions_of_two_callers_are_apart() {
    let server = mcp_server().await;
    let egress = open_egress();
    let backend = streamable(server.url("/mcp"));
    for _ in 0..2 {
        call(&egress.open(&backend, &Caller::anonymous()), "{}").await.unwrap();
    }
    assert_eq!(server.methods().iter().filter(|method| *method == "initialize").count(), 2);
    assert_eq!(server.connections(), 1, "connections are shared all the same");
}

#[tokio::test]
async fn older_revisions_are_spoken_and_others_are_refused() {
    for (version, spoken) in
        [("2025-06-18", true), ("2025-03-26", true), ("2024-11-05", true), ("2026-07-28", false), ("1999-01-01", false)]
    {
        let server = Server::plain(move |recorded: Recorded| {
            let response = match recorded.what().as_str() {
                "initialize" => initialized(&recorded, version),
                "notifications/initialized" => text(StatusCode::ACCEPTED, ""),
                _ => json_body(result(&recorded, "{}")),
            };
            async move { response }
        })
        .await;
        let outcome = call(&session(&server), "{}").await;
        assert_eq!(outcome.is_ok(), spoken, "{version}: {outcome:?}");
        if spoken {
            assert_eq!(server.journal()[2].header("mcp-protocol-version"), Some(version));
        } else {
            assert!(outcome.unwrap_err().to_string().contains("2025-11-25"));
        }
    }
}

#[tokio::test]
async fn batches_are_taken_in_the_one_revision_that_has_them() {
    for (version, has_batches) in [("2025-03-26", true), ("2025-06-18", false), ("2025-11-25", false)] {
        for streamed in [true, false] {
            let server = Server::plain(move |recorded: Recorded| {
                let response = match recorded.what().as_str() {
                    "initialize" => initialized(&recorded, version),
                    "tools/call" => {
                        let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
                        let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
                        let batch = format!("[{changed},{},{ping}]", result(&recorded, "{}"));
                        if streamed { event_stream(format!("data: {batch}\n\n")) } else { json_body(batch) }
                    }
                    _ => text(StatusCode::ACCEPTED, ""),
                };
                async move { response }
            })
            .await;
            let session = session(&server);
            let changes = session.list_changed();
            let outcome = call(&session, "{}").await;
            if has_batches {
                assert_eq!(result_text(outcome.unwrap()), "{}", "{version}");
                assert_eq!(changes.borrow().tools, 1, "what comes with the answer counts");
                server.wait_for(|recorded| recorded.json()["id"] == "p" && recorded.what() == "POST").await;
            } else {
                assert_eq!(outcome.unwrap_err().cause(), Cause::Protocol, "{version}");
            }
        }
    }
}

#[tokio::test]
async fn a_batch_may_come_on_the_backend_s_own_stream() {
    let server = Server::plain(|recorded: Recorded| {
        let response = match recorded.what().as_str() {
            "initialize" => initialized(&recorded, "2025-03-26"),
            "GET" => {
                let changed =
                    |kind: &str| format!(r#"{{"jsonrpc":"2.0","method":"notifications/{kind}/list_changed"}}"#);
                let batch = format!("data: [{},{}]\n\n", changed("tools"), changed("prompts"));
                let silence = futures::stream::pending();
                let events =
                    futures::stream::once(async { Ok::<_, std::io::Error>(Bytes::from(batch)) }).chain(silence);
                event_stream(Body::from_stream(events))
            }
            "tools/call" => json_body(result(&recorded, "{}")),
            _ => text(StatusCode::ACCEPTED, ""),
        };
        async move { response }
    })
    .await;
    let session = session(&server);
    let mut changes = session.list_changed();
    call(&session, "{}").await.unwrap();
    let both = changes.wait_for(|changes| (changes.tools, changes.prompts) == (1, 1));
    tokio::time::timeout(PATIENCE, both).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_deadline_covers_everything_and_cancels_at_the_backend() {
    let server = Server::plain(|recorded: Recorded| async move {
        match recorded.what().as_str() {
            "initialize" => initialized(&recorded, "2025-11-25"),
            "tools/call" => {
                let silence = futures::stream::pending::<Result<Bytes, std::io::Error>>();
                event_stream(Body::from_stream(silence))
            }
            _ => text(StatusCode::ACCEPTED, ""),
        }
    })
    .await;
    let session = session(&server);
    let outcome = session.request(&Caller::anonymous(), "tools/call", None, Duration::from_millis(100)).await;
    assert_eq!(outcome.unwrap_err().cause(), Cause::Timeout);
    let called = server.wait_for(|recorded| recorded.what() == "tools/call").await;
    let cancelled = server.wait_for(|recorded| recorded.what() == "notifications/cancelled").await;
    assert_eq!(cancelled.json()["params"]["requestId"], called.json()["id"]);
    assert_eq!(cancelled.header("mcp-session-id"), Some("session-1"));
}

#[tokio::test]
async fn progress_does_not_extend_the_deadline() {
    let server = Server::plain(|recorded: Recorded| async move {
        match recorded.what().as_str() {
            "initialize" => initialized(&recorded, "2025-11-25"),
            "tools/call" => {
                let progress = futures::stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let params = json!({"progressToken": 1, "progress": 1});
                    let event = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
                    Some((Ok::<_, std::io::Error>(Bytes::from(format!("data: {event}\n\n"))), ()))
                });
                event_stream(Body::from_stream(progress))
            }
            _ => text(StatusCode::ACCEPTED, ""),
        }
    })
    .await;
    let (session, caller) = (session(&server), Caller::anonymous());
    let call = session.request(&caller, "tools/call", None, Duration::from_millis(200));
    assert_eq!(tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap_err().cause(), Cause::Timeout);
    server.wait_for(|recorded| recorded.what() == "notifications/cancelled").await;
}

#[tokio::test]
async fn a_request_that_is_dropped_is_cancelled_and_one_that_was_answered_is_not() {
    let server = Server::plain(|recorded: Recorded| async move {
        match recorded.what().as_str() {
            "initialize" => initialized(&recorded, "2025-11-25"),
            "tools/call" => std::future::pending().await,
            "tools/list" => json_body(result(&recorded, "{}")),
            _ => text(StatusCode::ACCEPTED, ""),
        }
    })
    .await;
    let session = session(&server);
    session.request(&Caller::anonymous(), "tools/list", None, PATIENCE).await.unwrap();
    {
        let call = std::pin::pin!(call(&session, "{}"));
        tokio::select! {
            _ = call => panic!("answered"),
            _ = server.wait_for(|recorded| recorded.what() == "tools/call") => {}
        }
    }
    session.close().await;
    let methods = server.methods();
    assert_eq!(methods.iter().filter(|method| *method == "notifications/cancelled").count(), 1);
    assert_eq!(methods[methods.len() - 2..], ["notifications/cancelled", "DELETE"], "while its session is still there");
}

#[tokio::test]
async fn credentials_that_are_refused_are_a_class_of_their_own() {
    for status in [401, 403] {
        let server = forgetful(|_| true, status, r#"{"jsonrpc":"2.0","id":2,"error":{"code":1,"message":"x"}}"#).await;
        let error = call(&session(&server), "{}").await.unwrap_err();
        assert_eq!((error.cause(), error.status()), (Cause::Unauthorized, Some(status)));
    }
}

#[tokio::test]
async fn what_is_not_mcp_is_said_to_be_so() {
    type Answer = fn(&Recorded) -> axum::response::Response;
    let cases: [(Answer, &str); 5] = [
        (|_| text(StatusCode::OK, "<html>"), "content type"),
        (|_| json_body("{"), "not JSON-RPC"),
        (|_| json_body(r#"{"jsonrpc":"2.0","id":999,"result":{}}"#), "another request"),
        (|_| text(StatusCode::ACCEPTED, ""), "without answering"),
        (|_| event_stream("data: {\n\n"), "not JSON-RPC"),
    ];
    for (answer, expected) in cases {
        let server = Server::plain(mcp(answer)).await;
        let error = call(&session(&server), "{}").await.unwrap_err();
        assert_eq!(error.cause(), Cause::Protocol);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let elsewhere = Server::plain(|_| async { text(StatusCode::METHOD_NOT_ALLOWED, "") }).await;
    let error = call(&session(&elsewhere), "{}").await.unwrap_err();
    assert!(error.to_string().contains("transport is streamable-http"), "{error}");
}

#[tokio::test]
async fn every_request_carries_the_headers_of_the_backend() {
    let server = mcp_server().await;
    let mut target = backend(server.url("/mcp"), Transport::StreamableHttp);
    target.headers.insert("X-Tenant-ID", "engineering").unwrap();
    target.headers.insert("Authorization", "Bearer of-the-header").unwrap();
    let name = parse_name("Authorization").unwrap();
    let value = parse_value(&name, "Bearer of-the-auth").unwrap();
    let target = Backend { auth: OutgoingAuth::HeaderInjection { name, value }, ..target };
    let session = open_egress().open(&Arc::new(target.with_identity()), &Caller::anonymous());
    call(&session, "{}").await.unwrap();
    session.close().await;
    assert_eq!(server.journal().len(), 4);
    for recorded in server.journal() {
        assert_eq!(recorded.header("x-tenant-id"), Some("engineering"), "{}", recorded.what());
        assert_eq!(recorded.header("authorization"), Some("Bearer of-the-auth"), "authentication wins");
        assert_eq!(recorded.headers.get_all("authorization").iter().count(), 1);
    }
}

#[tokio::test]
async fn a_stream_in_small_pieces_is_read() {
    let server = Server::plain(mcp(|recorded| {
        let text = format!("data: {}\r\n\r\n", result(recorded, r#"{"text":"é"}"#));
        let pieces: Vec<_> =
            text.into_bytes().into_iter().map(|byte| Ok::<_, std::io::Error>(Bytes::from(vec![byte]))).collect();
        event_stream(Body::from_stream(futures::stream::iter(pieces).then(|piece| async {
            tokio::task::yield_now().await;
            piece
        })))
    }))
    .await;
    assert_eq!(result_text(call(&session(&server), "{}").await.unwrap()), r#"{"text":"é"}"#);
}

#[tokio::test]
async fn changes_of_the_tools_are_heard_by_who_subscribes() {
    let server = Server::plain(|recorded: Recorded| {
        let changed = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
        let response = match recorded.what().as_str() {
            "initialize" => initialized(&recorded, "2025-06-18"),
            "notifications/initialized" => text(StatusCode::ACCEPTED, ""),
            "GET" if recorded.header("last-event-id") == Some("g-1") => text(StatusCode::METHOD_NOT_ALLOWED, ""),
            "GET" => event_stream(format!("id: g-1\nretry: 1\n{changed}")),
            "tools/call" => event_stream(format!("{changed}data: {}\n\n", result(&recorded, "{}"))),
            _ => json_body(result(&recorded, "{}")),
        };
        async move { response }
    })
    .await;
    let session = session(&server);
    assert_eq!(session.revision(), None);
    let deaf = call(&session, "{}").await;
    assert!(deaf.is_ok());
    assert_eq!(session.revision(), Some("2025-06-18"));
    assert!(!server.methods().contains(&"GET".to_owned()), "no stream is opened that nobody wants");
    let mut changes = session.list_changed();
    call(&session, "{}").await.unwrap();
    let heard = changes.wait_for(|changes| changes.tools >= 3);
    tokio::time::timeout(PATIENCE, heard).await.unwrap().unwrap();
    server.wait_for(|recorded| recorded.header("last-event-id") == Some("g-1")).await;
    for _ in 0..3 {
        session.request(&Caller::anonymous(), "ping", None, PATIENCE).await.unwrap();
    }
    let streams = server.methods().iter().filter(|method| *method == "GET").count();
    assert_eq!(streams, 2, "a refused stream is not asked for again");
}
