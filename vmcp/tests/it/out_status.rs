//! Discovery and status against a stand-in of the API server: lists, watches and patches, nothing more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use vmcp::catalog::Counts;
use vmcp::discovery::{self, Snapshot, Surroundings};
use vmcp::offers::Kind;
use vmcp::outgoing::OutgoingAuth;
use vmcp::settings::Settings;
use vmcp::status::{BackendStatus, Observation, Observations, Seen, StatusTarget, write_status};

use crate::out_support::{Authority, PATIENCE};

/// Objects of one namespace by `plural/name`, who may not be read, and who watches.
#[derive(Clone, Default)]
pub(crate) struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    forbidden: Vec<String>,
    not_installed: Vec<String>,
    version: u64,
    watchers: Vec<(String, mpsc::UnboundedSender<Value>)>,
    requests: Vec<String>,
    patches: Vec<Value>,
}

impl Api {
    pub(crate) fn client(&self) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, std::convert::Infallible>(api.answer(request).await) }
        });
        kube::Client::new(service, "ns")
    }

    pub(crate) fn put(&self, plural: &str, mut object: Value) {
        let mut state = self.0.lock().unwrap();
        state.version += 1;
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        let key = format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap());
        let kind = if state.objects.insert(key.clone(), object.clone()).is_some() { "MODIFIED" } else { "ADDED" };
        state.tell(&key, &json!({"type": kind, "object": object}));
    }

    pub(crate) fn delete(&self, key: &str) {
        let mut state = self.0.lock().unwrap();
        let object = state.objects.remove(key).unwrap();
        state.tell(key, &json!({"type": "DELETED", "object": object}));
    }

    fn forbid(&self, keys: &[&str]) {
        self.0.lock().unwrap().forbidden = keys.iter().map(|key| (*key).to_owned()).collect();
    }

    fn uninstall(&self, kinds: &[&str]) {
        self.0.lock().unwrap().not_installed = kinds.iter().map(|key| (*key).to_owned()).collect();
    }

    fn requests(&self) -> Vec<String> {
        self.0.lock().unwrap().requests.clone()
    }

    fn patches(&self) -> Vec<Value> {
        self.0.lock().unwrap().patches.clone()
    }

    async fn answer(&self, request: Request<Body>) -> Response<axum::body::Body> {
        let (head, body) = request.into_parts();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let path = head.uri.path().split_once("/namespaces/ns/").unwrap().1.to_owned();
        let body = body.collect().await.unwrap().to_bytes();
        let mut state = self.0.lock().unwrap();
        state.requests.push(format!(
            "{} {path} {}",
            head.method,
            query.get("fieldSelector").cloned().unwrap_or_default()
        ));
        if head.method == "PATCH" {
            assert_eq!((query["fieldManager"].as_str(), query["force"].as_str()), ("vmcp", "true"));
            state.patches.push(serde_json::from_slice(&body).unwrap());
            return answer(200, &state.objects[path.trim_end_matches("/status")]);
        }
        if path.contains('/') {
            return answer(200, &state.objects[&path]);
        }
        let key = query.get("fieldSelector").map_or_else(
            || format!("{path}/"),
            |selector| format!("{path}/{}", selector.strip_prefix("metadata.name=").unwrap()),
        );
        if state.not_installed.contains(&path) {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                "message": "the server could not find the requested resource", "code": 404});
            return answer(404, &status);
        }
        if state.forbidden.contains(&key) {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden",
                "message": "forbidden", "code": 403});
            return answer(403, &status);
        }
        if query.contains_key("watch") {
            let (sender, receiver) = mpsc::unbounded_channel();
            state.watchers.push((key, sender));
            let events = UnboundedReceiverStream::new(receiver)
                .map(|event| Ok::<_, std::io::Error>(Bytes::from(format!("{event}\n"))));
            return Response::new(axum::body::Body::from_stream(events));
        }
        let items: Vec<&Value> =
            state.objects.iter().filter(|(own, _)| fits(&key, own)).map(|(_, object)| object).collect();
        let version = state.version.to_string();
        answer(
            200,
            &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}),
        )
    }
}

fn fits(watched: &str, key: &str) -> bool {
    watched == key || (watched.ends_with('/') && key.starts_with(watched))
}

impl State {
    fn tell(&mut self, key: &str, event: &Value) {
        self.watchers.retain(|(watched, sender)| !fits(watched, key) || sender.send(event.clone()).is_ok());
    }
}

fn answer(status: u16, value: &Value) -> Response<axum::body::Body> {
    Response::builder().status(status).body(axum::body::Body::from(value.to_string())).unwrap()
}

pub(crate) fn entry(name: &str, generation: i64, spec: &Value) -> Value {
    let mut full = json!({
        "remoteUrl": format!("https://{name}.example.com/mcp"), "transport": "streamable-http",
        "groupRef": {"name": "tools"},
    });
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "MCPServerEntry",
        "metadata": {"name": name, "namespace": "ns", "uid": name, "generation": generation},
        "spec": full,
        "status": {"phase": "Valid", "observedGeneration": generation},
    })
}

pub(crate) fn secret(name: &str, key: &str, base64: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "ns"}, "data": {key: base64}})
}

pub(crate) fn bundle(pem: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bundle", "namespace": "ns"},
        "data": {"ca.crt": pem}})
}

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
        Self { snapshots: discovery::start(&config, surroundings, stop.clone()).unwrap().snapshots(), stop }
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
    let snapshots = discovery::start(&config, surroundings, stop.clone()).unwrap().snapshots();
    let target = StatusTarget { namespace: "ns".to_owned(), name: "gate".to_owned() };
    let observations = watch::Sender::new(Observations::new());
    let counts = watch::Sender::new(Counts::new());
    let seen = Seen { snapshots, observations: observations.subscribe(), counts: counts.subscribe(), workflows: 0 };
    let writing = tokio::spawn(write_status(api.client(), target, seen, stop.clone()));
    let written = async {
        while api.patches().is_empty() {
            assert!(!writing.is_finished(), "nothing was written");
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
    assert_eq!(api.patches()[0]["status"]["discoveredBackends"][0]["name"], "listed");
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

    async fn written(&self, count: usize) -> Vec<Value> {
        let written = async {
            while self.api.patches().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, written).await.unwrap_or_else(|_| panic!("{:?}", self.api.patches()));
        self.api.patches()
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
    let first = &reported.written(1).await[0];
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
    reported.written(1).await;
    reported.observe(BackendStatus::Ready, 1000);
    let written = reported.written(2).await;
    let backend = &written[1]["status"]["discoveredBackends"][0];
    assert_eq!((&backend["status"], &backend["lastHealthCheck"]), (&json!("ready"), &json!("1970-01-01T00:16:40Z")));
    reported.observe(BackendStatus::Ready, 2000);
    reported.observe(BackendStatus::Ready, 3000);
    // The next change is the barrier: no write for the checks stands before it.
    reported.observe(BackendStatus::Unavailable, 4000);
    let written = reported.written(3).await;
    assert_eq!(written[2]["status"]["discoveredBackends"][0]["status"], "unavailable");

    let often = Reported::start(Duration::from_millis(20)).await;
    often.observe(BackendStatus::Ready, 1000);
    often.written(1).await;
    often.observe(BackendStatus::Ready, 2000);
    let says = |patch: &Value| patch["status"]["discoveredBackends"][0]["lastHealthCheck"] == "1970-01-01T00:33:20Z";
    let written = async {
        while !often.api.patches().iter().any(says) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
}

#[tokio::test]
async fn what_is_left_out_is_named_in_the_condition() {
    let reported = Reported::start(Duration::from_hours(1)).await;
    reported.written(1).await;
    reported.snapshots.send_modify(|snapshot| {
        snapshot.left_out.insert("b".to_owned(), "Secret \"keys\" does not exist".to_owned());
    });
    let written = reported.written(2).await;
    assert_eq!(
        written[1]["status"]["conditions"][0]["message"],
        "1 backend discovered; left out: b: Secret \"keys\" does not exist"
    );
}

#[tokio::test]
async fn the_status_counts_what_clients_are_offered() {
    let reported = Reported::start(Duration::from_hours(1)).await;
    assert_eq!(reported.written(1).await[0]["status"]["capabilities"], json!({"compositeToolCount": 2}));
    reported.counts.send_replace([(Kind::Tools, 3), (Kind::Prompts, 0), (Kind::Resources, 1)].into());
    let expected = json!({"toolCount": 3, "promptCount": 0, "resourceCount": 1, "compositeToolCount": 2});
    assert_eq!(reported.written(2).await[1]["status"]["capabilities"], expected);
    reported.counts.send_replace(Counts::new());
    let written = reported.written(3).await;
    assert_eq!(written[2]["status"]["capabilities"], json!({"compositeToolCount": 2}), "it depends on the client now");
}
