//! Which backends are probed, and how often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use vmcp::backend::{Backend, Transport};
use vmcp::discovery::Snapshot;
use vmcp::health::{Health, ProbeSchedule, probe_all};
use vmcp::status::BackendStatus;

use crate::out_support::{PATIENCE, Server, backend, json_body, mcp, open_egress, result, text};

/// A server that counts its pings and fails the first `failures` of them.
async fn counting(failures: usize) -> (Server, watch::Receiver<usize>) {
    let (pings, counted) = watch::channel(0);
    let script = mcp(move |recorded| {
        if !recorded.body.contains(r#""method":"ping""#) {
            return json_body(result(recorded, "{}"));
        }
        pings.send_modify(|count| *count += 1);
        if *pings.borrow() <= failures {
            return text(StatusCode::SERVICE_UNAVAILABLE, "not yet");
        }
        json_body(result(recorded, "{}"))
    });
    (Server::plain(script).await, counted)
}

/// Probes an entry and an MCPRemoteProxy until the entry was asked five times; says how often the proxy was.
async fn pings_of_a_proxy(remote_proxies: bool, failures: usize) -> (usize, Health) {
    let (entry, mut asked) = counting(0).await;
    let (proxy, proxy_asked) = counting(failures).await;
    let named = |server: &Server, name: &str, is_remote_proxy| {
        let backend = backend(server.url("/mcp"), Transport::StreamableHttp);
        Arc::new(Backend { name: name.to_owned(), is_remote_proxy, ..backend }.with_identity())
    };
    let backends = [named(&entry, "entry", false), named(&proxy, "proxy", true)];
    let backends: BTreeMap<_, _> = backends.into_iter().map(|backend| (backend.name.clone(), backend)).collect();
    let snapshot = Snapshot { backends: Arc::new(backends), left_out: BTreeMap::new(), synced: true };
    let (_discovery, discovered) = watch::channel(snapshot);
    let (news, _heard) = mpsc::channel(8);
    let health = Health::new(3);
    let stop = CancellationToken::new();
    let schedule = ProbeSchedule { interval: Duration::from_millis(50), timeout: PATIENCE, remote_proxies };
    let probing = tokio::spawn(probe_all(discovered, open_egress(), health.clone(), schedule, news, stop.clone()));
    tokio::time::timeout(PATIENCE, asked.wait_for(|count| *count >= 5)).await.unwrap().unwrap();
    let pings = *proxy_asked.borrow();
    stop.cancel();
    probing.await.unwrap();
    (pings, health)
}

#[tokio::test]
async fn a_remote_proxy_is_asked_at_the_interval_on_request_alone() {
    let (pings, health) = pings_of_a_proxy(false, 0).await;
    assert_eq!((pings, health.state("proxy")), (1, Some(BackendStatus::Ready)));
    let (pings, _) = pings_of_a_proxy(true, 0).await;
    assert!(pings >= 3, "{pings}");
}

#[tokio::test]
async fn a_server_that_its_proxy_cannot_reach_is_unavailable_and_one_that_answers_with_an_error_is_there() {
    for (error, state) in [
        (r#"{"code":-32050,"message":"backend \"x\" is not available"}"#, BackendStatus::Unavailable),
        (r#"{"code":-32601,"message":"no such method"}"#, BackendStatus::Ready),
        (r#"{"code":"odd"}"#, BackendStatus::Ready),
    ] {
        let server = Server::plain(mcp(move |recorded| {
            json_body(format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, recorded.json()["id"]))
        }))
        .await;
        let backend = Arc::new(backend(server.url("/mcp"), Transport::StreamableHttp));
        let backends = Arc::new(BTreeMap::from([(backend.name.clone(), backend)]));
        let snapshot = Snapshot { backends, left_out: BTreeMap::new(), synced: true };
        let (_discovery, discovered) = watch::channel(snapshot);
        let (news, _heard) = mpsc::channel(8);
        let health = Health::new(1);
        let mut states = health.subscribe();
        let stop = CancellationToken::new();
        let schedule = ProbeSchedule { interval: Duration::from_millis(50), timeout: PATIENCE, remote_proxies: false };
        let probing = tokio::spawn(probe_all(discovered, open_egress(), health, schedule, news, stop.clone()));
        let judged = states.wait_for(|states| states.get("partner").is_some_and(|seen| seen.checked_at.is_some()));
        let found = tokio::time::timeout(PATIENCE, judged).await.unwrap().unwrap()["partner"].state;
        assert_eq!(found, state, "{error}");
        stop.cancel();
        probing.await.unwrap();
    }
}

#[tokio::test]
async fn a_remote_proxy_is_asked_until_it_answers() {
    let (pings, health) = pings_of_a_proxy(false, 2).await;
    assert_eq!((pings, health.state("proxy")), (3, Some(BackendStatus::Ready)));
}
