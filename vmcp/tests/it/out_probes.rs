//! Which backends are probed, and how often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use vmcp::backend::{Backend, Caller, Transport};
use vmcp::circuit::CircuitSettings;
use vmcp::discovery::Snapshot;
use vmcp::egress::Cause;
use vmcp::health::{Health, ProbeSchedule, probe_all};
use vmcp::settings::Settings;
use vmcp::status::{BackendStatus, CircuitState};

use crate::out_support::{PATIENCE, Recorded, Server, backend, json_body, mcp, open_egress, result, text};

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

/// These backends, probed by this schedule.
fn snapshot(backends: BTreeMap<String, Arc<Backend>>, probes: ProbeSchedule) -> Snapshot {
    let settings = Arc::new(Settings { probes, ..Settings::default() });
    Snapshot { backends: Arc::new(backends), synced: true, settings, ..Snapshot::default() }
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
    let snapshot = snapshot(backends, ProbeSchedule { interval: Duration::from_millis(50), timeout: PATIENCE });
    let (_discovery, discovered) = watch::channel(snapshot);
    let (news, _heard) = mpsc::channel(8);
    let health = Health::new(3);
    let stop = CancellationToken::new();
    let probing =
        tokio::spawn(probe_all(discovered, open_egress(), health.clone(), remote_proxies, news, stop.clone()));
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
    for (method, answer, state) in [
        (
            "ping",
            r#""error":{"code":-32050,"message":"backend \"x\" is not available","data":{"backend":"x","cause":"refused","outage":true}}"#,
            BackendStatus::Unavailable,
        ),
        ("ping", r#""error":{"code":-32601,"message":"no such method"}"#, BackendStatus::Ready),
        ("ping", r#""error":{"code":"odd"}"#, BackendStatus::Ready),
        ("ping", r#""result":"pong""#, BackendStatus::Ready),
        ("initialize", r#""result":"pong""#, BackendStatus::Unavailable),
    ] {
        let told = move |recorded: &Recorded| {
            json_body(format!(r#"{{"jsonrpc":"2.0","id":{},{answer}}}"#, recorded.json()["id"]))
        };
        let others = mcp(told);
        let server = Server::plain(move |recorded: Recorded| {
            if recorded.what() == method { Box::pin(std::future::ready(told(&recorded))) } else { others(recorded) }
        })
        .await;
        let backend = Arc::new(backend(server.url("/mcp"), Transport::StreamableHttp));
        let schedule = ProbeSchedule { interval: Duration::from_millis(50), timeout: PATIENCE };
        let snapshot = snapshot([(backend.name.clone(), backend)].into(), schedule);
        let (_discovery, discovered) = watch::channel(snapshot);
        let (news, _heard) = mpsc::channel(8);
        let health = Health::new(1);
        let mut states = health.subscribe();
        let stop = CancellationToken::new();
        let probing = tokio::spawn(probe_all(discovered, open_egress(), health, false, news, stop.clone()));
        let judged = states.wait_for(|states| states.get("partner").is_some_and(|seen| seen.checked_at.is_some()));
        let found = tokio::time::timeout(PATIENCE, judged).await.unwrap().unwrap()["partner"].state;
        assert_eq!(found, state, "{answer}");
        stop.cancel();
        probing.await.unwrap();
    }
}

#[tokio::test]
async fn a_remote_proxy_is_asked_until_it_answers() {
    let (pings, health) = pings_of_a_proxy(false, 2).await;
    assert_eq!((pings, health.state("proxy")), (3, Some(BackendStatus::Ready)));
}

/// The probes of one server, until it is dropped.
struct Probing {
    backend: Arc<Backend>,
    discovery: watch::Sender<Snapshot>,
    _until_dropped: DropGuard,
}

impl Probing {
    fn start(server: &Server, health: &Health, interval: Duration, timeout: Duration) -> Self {
        let backend = Arc::new(backend(server.url("/mcp"), Transport::StreamableHttp));
        let schedule = ProbeSchedule { interval, timeout };
        let snapshot = snapshot([(backend.name.clone(), Arc::clone(&backend))].into(), schedule);
        let (discovery, discovered) = watch::channel(snapshot);
        let (news, heard) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let egress = open_egress().with_gate(health.clone());
        let (health, stopped) = (health.clone(), stop.clone());
        tokio::spawn(async move {
            let _open = heard;
            probe_all(discovered, egress, health, false, news, stopped).await;
        });
        Self { backend, discovery, _until_dropped: stop.drop_guard() }
    }
}

#[tokio::test]
async fn probes_open_the_circuit_leave_the_backend_alone_and_try_it_when_the_time_is_up() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    let (seen, mut times) = watch::channel(Vec::new());
    let server = Server::plain(mcp(move |recorded| {
        if recorded.body.contains(r#""method":"ping""#) {
            seen.send_modify(|times: &mut Vec<Instant>| times.push(Instant::now()));
            if seen.borrow().len() <= 2 {
                return text(StatusCode::SERVICE_UNAVAILABLE, "not yet");
            }
        }
        json_body(result(recorded, "{}"))
    }))
    .await;
    let health = Health::new(5).with_circuits(Some(CircuitSettings { threshold: 2, timeout: TIMEOUT }));
    let mut states = health.subscribe();
    let _probing = Probing::start(&server, &health, Duration::from_millis(20), PATIENCE);
    let circuit = |states: &vmcp::status::Observations| Some(states.get("partner")?.circuit.as_ref()?.state());
    let opened = states.wait_for(|states| circuit(states) == Some(CircuitState::Open));
    let opened = tokio::time::timeout(PATIENCE, opened).await.unwrap().unwrap()["partner"].status();
    assert_eq!(opened, BackendStatus::Unavailable, "although the threshold of health is not reached");
    let times =
        tokio::time::timeout(PATIENCE, times.wait_for(|times| times.len() >= 3)).await.unwrap().unwrap().clone();
    assert!(times[2].duration_since(times[1]) >= TIMEOUT, "{times:?}");
    let methods = server.methods();
    let pings: Vec<_> = (0..methods.len()).filter(|index| methods[*index] == "ping").collect();
    assert_eq!(pings[2], pings[1] + 1, "nothing else reached it meanwhile: {methods:?}");
    let closed = states.wait_for(|states| {
        circuit(states) == Some(CircuitState::Closed) && states["partner"].status() == BackendStatus::Ready
    });
    tokio::time::timeout(PATIENCE, closed).await.unwrap().unwrap();
}

#[tokio::test]
async fn calls_that_take_too_long_make_the_backend_be_asked_once() {
    let (pings, mut asked) = watch::channel(0);
    let server = Server::plain(move |recorded| {
        let pings = pings.clone();
        async move {
            match recorded.what().as_str() {
                "tools/call" => std::future::pending().await,
                "ping" => pings.send_modify(|count| *count += 1),
                _ => {}
            }
            mcp(|recorded| json_body(result(recorded, "{}")))(recorded).await
        }
    })
    .await;
    let settings = CircuitSettings { threshold: 1, timeout: Duration::from_hours(1) };
    let health = Health::new(1).with_circuits(Some(settings));
    let probing = Probing::start(&server, &health, Duration::from_hours(1), PATIENCE);
    tokio::time::timeout(PATIENCE, asked.wait_for(|count| *count == 1)).await.unwrap().unwrap();
    let session = open_egress().with_gate(health.clone()).open(&probing.backend, &Caller::anonymous());
    let call = || async {
        let caller = Caller::anonymous();
        session.request(&caller, "tools/call", None, Duration::from_millis(100)).await.map(drop)
    };
    for outcome in futures::future::join_all((0..10).map(|_| call())).await {
        assert_eq!(outcome.unwrap_err().cause(), Cause::Timeout);
    }
    tokio::time::timeout(PATIENCE, asked.wait_for(|count| *count == 2)).await.unwrap().unwrap();
    assert_eq!(call().await.unwrap_err().cause(), Cause::Timeout, "slow calls do not open the circuit");
    tokio::time::timeout(PATIENCE, asked.wait_for(|count| *count == 3)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_backend_that_serves_again_is_asked_at_once_so_that_its_news_are_heard() {
    let (server, mut asked) = counting(1).await;
    let health = Health::new(3);
    let mut states = health.subscribe();
    let probing = Probing::start(&server, &health, Duration::from_hours(1), PATIENCE);
    let down =
        states.wait_for(|states| states.get("partner").is_some_and(|seen| seen.state == BackendStatus::Unavailable));
    tokio::time::timeout(PATIENCE, down).await.unwrap().unwrap();
    health.record_call(&probing.backend, Ok(()));
    tokio::time::timeout(PATIENCE, asked.wait_for(|count| *count == 2)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_backend_that_hangs_is_found_out_by_the_probe_after_a_call() {
    let (hang, hanging) = watch::channel(false);
    let server = Server::plain(move |recorded| {
        let mut hanging = hanging.clone();
        async move {
            let _ = hanging.wait_for(|hanging| !hanging).await;
            mcp(|recorded| json_body(result(recorded, "{}")))(recorded).await
        }
    })
    .await;
    let health = Health::new(3);
    let mut states = health.subscribe();
    let probing = Probing::start(&server, &health, Duration::from_hours(1), PATIENCE);
    let ready = states.wait_for(|states| states.get("partner").is_some_and(|seen| seen.state == BackendStatus::Ready));
    tokio::time::timeout(PATIENCE, ready).await.unwrap().unwrap();
    hang.send_replace(true);
    // Only now, when nothing answers any more, a time-out may be short.
    probing.discovery.send_modify(|snapshot| {
        snapshot.settings = Arc::new(Settings {
            probes: ProbeSchedule { interval: Duration::from_hours(1), timeout: Duration::from_millis(100) },
            circuits: Some(CircuitSettings { threshold: 1, timeout: Duration::from_hours(1) }),
            ..Settings::default()
        });
    });
    let configured = states.wait_for(|states| states["partner"].circuit.is_some());
    tokio::time::timeout(PATIENCE, configured).await.unwrap().unwrap();
    let session = open_egress().with_gate(health.clone()).open(&probing.backend, &Caller::anonymous());
    let caller = Caller::anonymous();
    let call = || session.request(&caller, "tools/call", None, Duration::from_millis(100));
    assert_eq!(call().await.unwrap_err().cause(), Cause::Timeout);
    let open = states.wait_for(|states| states["partner"].circuit.as_ref().unwrap().state() == CircuitState::Open);
    tokio::time::timeout(PATIENCE, open).await.unwrap().unwrap();
    let requests = server.journal().len();
    let error = call().await.unwrap_err();
    assert_eq!(error.cause(), Cause::CircuitOpen);
    assert!(error.to_string().contains("no answer within 100ms"), "{error}");
    session.close().await;
    assert_eq!(server.journal().len(), requests);
}

/// A server that answers no handshake before it is told to.
async fn reserved() -> (Server, watch::Sender<bool>) {
    let (answering, answers) = watch::channel(false);
    let server = Server::plain(move |recorded| {
        let mut answers = answers.clone();
        async move {
            if recorded.what() == "initialize" {
                answers.wait_for(|answers| *answers).await.unwrap();
            }
            mcp(|recorded| json_body(result(recorded, "{}")))(recorded).await
        }
    })
    .await;
    (server, answering)
}

fn handshakes(server: &Server) -> usize {
    server.methods().iter().filter(|method| *method == "initialize").count()
}

#[tokio::test]
async fn a_handshake_that_takes_longer_than_a_probe_is_there_for_a_later_one() {
    let (server, answering) = reserved().await;
    let health = Health::new(1);
    let mut states = health.subscribe();
    let _probing = Probing::start(&server, &health, Duration::from_millis(20), Duration::from_millis(100));
    let failed = states.wait_for(|states| states.get("partner").is_some_and(|seen| seen.consecutive_failures >= 3));
    tokio::time::timeout(PATIENCE, failed).await.unwrap().unwrap();
    answering.send_replace(true);
    let ready = states.wait_for(|states| states["partner"].state == BackendStatus::Ready);
    tokio::time::timeout(PATIENCE, ready).await.unwrap().unwrap();
    assert_eq!(handshakes(&server), 1);
}

#[tokio::test]
async fn a_handshake_that_takes_longer_than_a_call_is_there_for_a_later_one() {
    let (server, answering) = reserved().await;
    let backend = Arc::new(backend(server.url("/mcp"), Transport::StreamableHttp));
    let (session, caller) = (open_egress().open(&backend, &Caller::anonymous()), Caller::anonymous());
    let call = |timeout| session.request(&caller, "tools/call", None, timeout);
    for _ in 0..3 {
        assert_eq!(call(Duration::from_millis(100)).await.unwrap_err().cause(), Cause::Timeout);
    }
    answering.send_replace(true);
    call(PATIENCE).await.unwrap();
    assert_eq!(handshakes(&server), 1);
}

#[tokio::test]
async fn a_session_that_is_closed_while_it_is_opened_is_ended() {
    let (server, answering) = reserved().await;
    let backend = Arc::new(backend(server.url("/mcp"), Transport::StreamableHttp));
    let (session, caller) = (open_egress().open(&backend, &Caller::anonymous()), Caller::anonymous());
    assert!(session.request(&caller, "tools/call", None, Duration::from_millis(100)).await.is_err());
    tokio::join!(session.close(), async { answering.send_replace(true) });
    assert_eq!(server.methods(), ["initialize", "notifications/initialized", "DELETE"]);
}

#[tokio::test]
async fn other_settings_of_health_checks_and_circuits_count_at_once() {
    let (server, mut asked) = counting(usize::MAX).await;
    let backend = Arc::new(backend(server.url("/mcp"), Transport::StreamableHttp));
    let rare = snapshot(
        [(backend.name.clone(), Arc::clone(&backend))].into(),
        ProbeSchedule { interval: Duration::from_hours(1), timeout: PATIENCE },
    );
    let (discovery, discovered) = watch::channel(rare);
    let (news, _heard) = mpsc::channel(8);
    let (health, stop) = (Health::new(3), CancellationToken::new());
    let mut states = health.subscribe();
    let egress = open_egress().with_gate(health.clone());
    let probing = tokio::spawn(probe_all(discovered, egress, health, false, news, stop.clone()));
    tokio::time::timeout(PATIENCE, asked.wait_for(|count| *count == 1)).await.unwrap().unwrap();
    discovery.send_modify(|snapshot| {
        snapshot.settings = Arc::new(Settings {
            probes: ProbeSchedule { interval: Duration::from_millis(20), timeout: PATIENCE },
            circuits: Some(CircuitSettings { threshold: 2, timeout: Duration::from_hours(1) }),
            ..Settings::default()
        });
    });
    let open = states.wait_for(|states| {
        let circuit = states["partner"].circuit.as_ref();
        circuit.is_some_and(|circuit| circuit.state() == CircuitState::Open)
    });
    let failures = tokio::time::timeout(PATIENCE, open).await.unwrap().unwrap()["partner"].consecutive_failures;
    assert!(failures >= 2, "{failures}: what was found out before still counts");
    discovery.send_modify(|snapshot| snapshot.settings = Arc::default());
    let without = states.wait_for(|states| states["partner"].circuit.is_none());
    tokio::time::timeout(PATIENCE, without).await.unwrap().unwrap();
    stop.cancel();
    probing.await.unwrap();
}
