//! Discovery and status against a stand-in of the API server.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vmcp::catalog::Counts;
use vmcp::discovery::{self, Snapshot, Surroundings};
use vmcp::offers::Kind;
use vmcp::outgoing::OutgoingAuth;
use vmcp::policy::Policy;
use vmcp::settings::Settings;
use vmcp::status::{BackendStatus, Observation, Observations, Seen, StatusTarget, write_status};

use crate::out_api::{Api, bundle, entry, secret};
use crate::out_support::{Authority, PATIENCE};

struct Discovered {
    snapshots: watch::Receiver<Snapshot>,
    stop: CancellationToken,
}

impl Discovered {
    fn start(api: &Api) -> Self {
        let config = vmcp_config::Config { group_ref: "tools".to_owned(), ..vmcp_config::Config::default() };
        let stop = CancellationToken::new();
        let cluster = Some((api.client(), "ns".to_owned()));
        let surroundings = Surroundings { members: cluster, operated: false };
        Self {
            snapshots: discovery::start(&config, Policy::Anonymous, surroundings, stop.clone()).unwrap().snapshots(),
            stop,
        }
    }

    async fn until(&mut self, fits: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let found = tokio::time::timeout(PATIENCE, self.snapshots.wait_for(|snapshot| fits(snapshot))).await;
        let last = found.map(|found| found.unwrap().clone());
        last.unwrap_or_else(|_| panic!("never came: {:?}", *self.snapshots.borrow()))
    }
}

impl Drop for Discovered {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_kind_that_is_not_installed_does_not_keep_the_gateway_from_being_ready() {
    let api = Api::default();
    api.uninstall(&["mcpservers", "mcpremoteproxies"]);
    api.put("mcpserverentries", entry("a", 1, &json!({})));
    let mut discovered = Discovered::start(&api);
    discovered.until(|snapshot| snapshot.synced && snapshot.backends.contains_key("a")).await;
    api.uninstall(&[]);
    api.put(
        "mcpremoteproxies",
        json!({
            "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "MCPRemoteProxy",
            "metadata": {"name": "b", "namespace": "ns", "uid": "b", "generation": 1},
            "spec": {"remoteUrl": "https://mcp.example.com/mcp", "groupRef": {"name": "tools"}},
            "status": {"phase": "Ready", "observedGeneration": 1, "url": "http://mcp-b-remote-proxy.ns.svc:8080"},
        }),
    );
    let snapshot = discovered.until(|snapshot| snapshot.backends.contains_key("b")).await;
    assert_eq!(snapshot.backends["b"].url.as_str(), "http://mcp-b-remote-proxy.ns.svc:8080/mcp");
}

#[tokio::test]
async fn entries_come_change_and_go_without_a_restart() {
    let api = Api::default();
    api.put("mcpserverentries", entry("a", 1, &json!({})));
    let mut discovered = Discovered::start(&api);
    assert_eq!(discovered.until(|snapshot| snapshot.synced).await.backends.len(), 1);
    api.put("mcpserverentries", entry("b", 1, &json!({})));
    discovered.until(|snapshot| snapshot.backends.contains_key("b")).await;
    api.put("mcpserverentries", entry("b", 2, &json!({"remoteUrl": "https://new.example.com/mcp"})));
    discovered.until(|snapshot| snapshot.backends["b"].url.host_str() == Some("new.example.com")).await;
    api.delete("mcpserverentries/a");
    discovered.until(|snapshot| !snapshot.backends.contains_key("a")).await;
}

#[tokio::test]
async fn rotated_secrets_and_authorities_arrive_by_watches_of_their_own() {
    let api = Api::default();
    let spec = json!({
        "externalAuthConfigRef": {"name": "auth"},
        "caBundleRef": {"configMapRef": {"name": "bundle", "key": "ca.crt"}},
    });
    api.put("mcpserverentries", entry("a", 1, &spec));
    api.put(
        "mcpexternalauthconfigs",
        json!({
            "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "MCPExternalAuthConfig",
            "metadata": {"name": "auth", "namespace": "ns", "uid": "auth", "generation": 1},
            "spec": {"type": "tokenExchange", "tokenExchange": {"tokenUrl": "https://auth.example.com/token",
                "clientId": "gateway", "clientSecretRef": {"name": "client", "key": "secret"}, "audience": "x"}},
            "status": {"observedGeneration": 1, "conditions": [{"type": "Valid", "status": "True", "reason": "Ok",
                "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        }),
    );
    api.put("secrets", secret("client", "secret", "b25l"));
    api.put("secrets", secret("unrelated", "x", "eA=="));
    api.put("configmaps", bundle(&Authority::new("one").pem()));
    let mut discovered = Discovered::start(&api);
    let first = discovered.until(|snapshot| snapshot.synced && !snapshot.backends.is_empty()).await;
    let trust = first.backends["a"].trust.identity();
    api.put("secrets", secret("client", "secret", "dHdv"));
    discovered
        .until(|snapshot| match &snapshot.backends["a"].auth {
            OutgoingAuth::TokenExchange(exchange) => exchange.client.as_ref().unwrap().secret.as_deref() == Some("two"),
            _ => false,
        })
        .await;
    api.put("configmaps", bundle(&Authority::new("two").pem()));
    discovered.until(|snapshot| snapshot.backends["a"].trust.identity() != trust).await;
    for request in api.requests() {
        let by_name = request.contains("secrets") || request.contains("configmaps");
        assert!(!by_name || request.contains("metadata.name="), "the Role permits no more: {request}");
        assert!(!request.contains("unrelated"));
    }
    api.put("mcpserverentries", entry("a", 2, &json!({})));
    discovered.until(|snapshot| snapshot.backends["a"].trust.identity() == 0).await;
}

#[tokio::test]
async fn a_secret_that_the_role_does_not_name_yet_is_tried_again_and_harms_nobody() {
    let api = Api::default();
    api.forbid(&["secrets/keys"]);
    let spec = json!({"headerForward": {"addHeadersFromSecret":
        [{"headerName": "X-Key", "valueSecretRef": {"name": "keys", "key": "key"}}]}});
    api.put("mcpserverentries", entry("a", 1, &spec));
    api.put("mcpserverentries", entry("b", 1, &json!({})));
    api.put("secrets", secret("keys", "key", "aw=="));
    let mut discovered = Discovered::start(&api);
    let snapshot = discovered.until(|snapshot| snapshot.synced).await;
    assert!(snapshot.backends.contains_key("b"));
    assert!(snapshot.left_out["a"].contains("Role does not permit"), "{:?}", snapshot.left_out);
    api.forbid(&[]);
    discovered.until(|snapshot| snapshot.backends.contains_key("a") && snapshot.left_out.is_empty()).await;
}

#[tokio::test]
async fn an_object_that_does_not_decode_hides_no_other() {
    let api = Api::default();
    api.put("mcpserverentries", entry("bad", 1, &json!({"transport": "carrier-pigeon"})));
    api.put("mcpserverentries", entry("good", 1, &json!({})));
    let snapshot = Discovered::start(&api).until(|snapshot| snapshot.synced).await;
    assert_eq!(snapshot.backends.keys().collect::<Vec<_>>(), ["good"]);
}

fn gate() -> Value {
    json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "VirtualMCPServer",
        "metadata": {"name": "gate", "namespace": "ns", "generation": 7},
        "spec": {"groupRef": {"name": "tools"}, "incomingAuth": {"type": "anonymous"}},
    })
}

#[tokio::test]
async fn backends_that_only_the_configuration_names_are_written_too() {
    let api = Api::default();
    api.put("virtualmcpservers", gate());
    let backend = json!([{"name": "listed", "url": "http://10.0.0.1/mcp", "transport": "streamable-http"}]);
    let backends = Some(serde_json::from_value(backend).unwrap());
    let config = vmcp_config::Config { backends, ..vmcp_config::Config::default() };
    let stop = CancellationToken::new();
    let surroundings = Surroundings { members: None, operated: true };
    let snapshots = discovery::start(&config, Policy::Anonymous, surroundings, stop.clone()).unwrap().snapshots();
    let target = StatusTarget { namespace: "ns".to_owned(), name: "gate".to_owned() };
    let observations = watch::Sender::new(Observations::new());
    let counts = watch::Sender::new(Counts::new());
    let seen = Seen { snapshots, observations: observations.subscribe(), counts: counts.subscribe(), workflows: 0 };
    let writing = tokio::spawn(write_status(api.client(), target, seen, stop.clone()));
    assert_eq!(api.patches(1).await[0]["status"]["discoveredBackends"][0]["name"], "listed");
    stop.cancel();
    writing.await.unwrap();
}

/// A gateway's status that is written to a stand-in.
struct Reported {
    api: Api,
    snapshots: watch::Sender<Snapshot>,
    observations: watch::Sender<Observations>,
    counts: watch::Sender<Counts>,
    stop: CancellationToken,
}

impl Reported {
    async fn start(interval: Duration) -> Self {
        let api = Api::default();
        api.put("mcpserverentries", entry("a", 1, &json!({})));
        api.put("virtualmcpservers", gate());
        let snapshot = Discovered::start(&api).until(|snapshot| snapshot.synced).await;
        let settings = Arc::new(Settings { status_interval: interval, ..Settings::default() });
        let snapshot = Snapshot { settings, ..snapshot };
        let (snapshots, observations) = (watch::Sender::new(snapshot), watch::Sender::new(Observations::new()));
        let stop = CancellationToken::new();
        let target = StatusTarget { namespace: "ns".to_owned(), name: "gate".to_owned() };
        let counts = watch::Sender::new(Counts::new());
        let seen = Seen {
            snapshots: snapshots.subscribe(),
            observations: observations.subscribe(),
            counts: counts.subscribe(),
            workflows: 2,
        };
        tokio::spawn(write_status(api.client(), target, seen, stop.clone()));
        Self { api, snapshots, observations, counts, stop }
    }

    fn observe(&self, state: BackendStatus, second: i64) {
        let checked_at = Some(Timestamp::from_second(second).unwrap());
        let observation = Observation { state, checked_at, ..Observation::default() };
        self.observations.send_replace([("a".to_owned(), observation)].into());
    }
}

impl Drop for Reported {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn the_status_says_what_the_gateway_owns_and_nothing_else() {
    let reported = Reported::start(Duration::from_hours(1)).await;
    let first = &reported.api.patches(1).await[0];
    assert_eq!(first["metadata"], json!({"name": "gate"}));
    let status = first["status"].as_object().unwrap();
    assert_eq!(status.keys().collect::<Vec<_>>(), ["backendCount", "capabilities", "conditions", "discoveredBackends"]);
    assert_eq!(status["backendCount"], 1);
    let expected = json!([{"name": "a", "url": "https://a.example.com/mcp", "status": "unknown",
        "authType": "unauthenticated", "consecutiveFailures": 0}]);
    assert_eq!(status["discoveredBackends"], expected);
    let condition = &status["conditions"][0];
    assert_eq!(condition["type"], "BackendsDiscovered");
    assert_eq!((&condition["status"], &condition["observedGeneration"]), (&json!("True"), &json!(7)));
    assert_eq!(condition["message"], "1 backend discovered");
}

#[tokio::test]
async fn a_change_is_written_at_once_and_a_mere_check_at_the_interval() {
    let reported = Reported::start(Duration::from_hours(1)).await;
    reported.api.patches(1).await;
    reported.observe(BackendStatus::Ready, 1000);
    let written = reported.api.patches(2).await;
    let backend = &written[1]["status"]["discoveredBackends"][0];
    assert_eq!((&backend["status"], &backend["lastHealthCheck"]), (&json!("ready"), &json!("1970-01-01T00:16:40Z")));
    reported.observe(BackendStatus::Ready, 2000);
    reported.observe(BackendStatus::Ready, 3000);
    // The next change is the barrier: no write for the checks stands before it.
    reported.observe(BackendStatus::Unavailable, 4000);
    let written = reported.api.patches(3).await;
    assert_eq!(written[2]["status"]["discoveredBackends"][0]["status"], "unavailable");

    let often = Reported::start(Duration::from_millis(20)).await;
    often.observe(BackendStatus::Ready, 1000);
    often.api.patches(1).await;
    often.observe(BackendStatus::Ready, 2000);
    let says = |patch: &Value| patch["status"]["discoveredBackends"][0]["lastHealthCheck"] == "1970-01-01T00:33:20Z";
    often.api.patched("the time of the second check", |patches| patches.iter().any(says)).await;
}

#[tokio::test]
async fn what_is_left_out_is_named_in_the_condition() {
    let reported = Reported::start(Duration::from_hours(1)).await;
    reported.api.patches(1).await;
    reported.snapshots.send_modify(|snapshot| {
        snapshot.left_out.insert("b".to_owned(), "Secret \"keys\" does not exist".to_owned());
    });
    let written = reported.api.patches(2).await;
    assert_eq!(
        written[1]["status"]["conditions"][0]["message"],
        "1 backend discovered; left out: b: Secret \"keys\" does not exist"
    );
}

#[tokio::test]
async fn the_status_counts_what_clients_are_offered() {
    let reported = Reported::start(Duration::from_hours(1)).await;
    assert_eq!(reported.api.patches(1).await[0]["status"]["capabilities"], json!({"compositeToolCount": 2}));
    reported.counts.send_replace([(Kind::Tools, 3), (Kind::Prompts, 0), (Kind::Resources, 1)].into());
    let expected = json!({"toolCount": 3, "promptCount": 0, "resourceCount": 1, "compositeToolCount": 2});
    assert_eq!(reported.api.patches(2).await[1]["status"]["capabilities"], expected);
    reported.counts.send_replace(Counts::new());
    let written = reported.api.patches(3).await;
    assert_eq!(written[2]["status"]["capabilities"], json!({"compositeToolCount": 2}), "it depends on the client now");
}
