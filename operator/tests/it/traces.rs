//! The program `operator` and a collector: what it is sent, and what a collector that fails costs.

use std::{
    io::Read as _,
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use embedded_cluster::api::Served;
use kube::runtime::wait::await_condition;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use operator::cli::InstallOptions;
use operator_api::MCPGroup;
use prost::Message as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

use crate::cluster::TestCluster;

/// No batch is due before the operator ends.
const AT_THE_END: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "3600000");
/// A batch is due all the time.
const AT_ONCE: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "10");

const LOCALHOST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The program, on an API server of its own.
struct Program {
    cluster: TestCluster,
    api: Served,
    files: TempDir,
}

impl Program {
    async fn new() -> Self {
        let cluster = TestCluster::without_operator().await;
        let api = cluster.serve(LOCALHOST).await;
        Self { cluster, api, files: tempfile::tempdir().unwrap() }
    }

    /// Starts the program with these variables.
    fn start(&self, variables: &[(&str, &str)]) -> Running {
        let kubeconfig = self.files.path().join("kubeconfig");
        let token = self.cluster.token(&InstallOptions::default().namespace, operator::NAME);
        std::fs::write(&kubeconfig, self.api.kubeconfig(Some(&token))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_operator"));
        command.args(["run", "--health-address=127.0.0.1:0"]).env_clear().env("KUBECONFIG", kubeconfig);
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
        Running(Some(command.spawn().unwrap()))
    }

    /// Applies a group.
    async fn group(&self, name: &str) {
        let group =
            format!("{{apiVersion: toolhive.stacklok.dev/v1beta1, kind: MCPGroup, metadata: {{name: {name}}}}}");
        self.cluster.apply(&group).await;
    }

    /// Waits until the operator has served a group.
    async fn served(&self, name: &str) {
        let is_served = |group: Option<&MCPGroup>| {
            group.and_then(|group| group.status.as_ref()).is_some_and(|status| status.observed_generation.is_some())
        };
        let served = await_condition(self.cluster.all::<MCPGroup>(), name, is_served);
        tokio::time::timeout(Duration::from_secs(30), served).await.unwrap().unwrap();
    }
}

struct Running(Option<Child>);

impl Running {
    /// Asks it to end; how it ended, after how long, and what it logged.
    fn end(mut self) -> (ExitStatus, Duration, String) {
        let mut child = self.0.take().unwrap();
        let asked = Instant::now();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        let took = asked.elapsed();
        let mut logs = String::new();
        child.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
        (status, took, logs)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A collector, and what it is sent.
async fn collector() -> (String, UnboundedReceiver<(HeaderMap, ExportTraceServiceRequest)>) {
    let (sender, receiver) = unbounded_channel();
    let take = async move |headers: HeaderMap, body: Bytes| {
        let _ = sender.send((headers, ExportTraceServiceRequest::decode(body).unwrap()));
    };
    let listener = TcpListener::bind(LOCALHOST).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().route("/v1/traces", post(take))).into_future());
    (url, receiver)
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()? {
        AnyValue { value: Some(Value::StringValue(text)) } => Some(text.clone()),
        AnyValue { value: Some(Value::IntValue(number)) } => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}

/// The reconciliations of a group that ended so.
fn reconciled<'a>(spans: &'a [Span], name: &str, outcome: &str) -> Vec<&'a Span> {
    let is = |span: &&Span| {
        let of = |key| attribute(&span.attributes, key).unwrap_or_default();
        span.name == "reconcile" && of("name") == name && of("outcome") == outcome
    };
    spans.iter().filter(is).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_a_span_for_each_reconciliation_and_each_call_in_it() {
    let program = Program::new().await;
    let fault = "status=500,verb=patch,resource=mcpgroups/status,name=poisoned".parse().unwrap();
    let _fault = program.cluster.faults().add(fault);
    program.group("poisoned").await;
    program.group("sound").await;
    let (url, mut sent) = collector().await;
    let operator = program.start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cr3t"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=operator-0"),
        // What is exported does not depend on what is logged.
        ("RUST_LOG", "off"),
        AT_THE_END,
    ]);
    program.served("sound").await;
    let (status, took, logs) = operator.end();
    assert!(status.success() && took < Duration::from_secs(2), "{status} after {took:?}");
    assert_eq!(logs, "");

    let mut spans = Vec::new();
    while let Ok((headers, request)) = sent.try_recv() {
        assert_eq!(headers["authorization"], "Bearer s3cr3t");
        for traces in request.resource_spans {
            let resource = traces.resource.unwrap().attributes;
            assert_eq!(attribute(&resource, "service.name").as_deref(), Some("toolhive-operator"));
            assert_eq!(attribute(&resource, "service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
            assert_eq!(attribute(&resource, "k8s.pod.name").as_deref(), Some("operator-0"));
            spans.extend(traces.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let sound = reconciled(&spans, "sound", "success")[0];
    assert_eq!(attribute(&sound.attributes, "kind").as_deref(), Some("MCPGroup"));
    assert_eq!(attribute(&sound.attributes, "namespace").as_deref(), Some("tools"));
    assert!(sound.parent_span_id.is_empty());
    let calls: Vec<_> = spans.iter().filter(|span| span.parent_span_id == sound.span_id).collect();
    let [write] = calls.as_slice() else { panic!("{calls:#?}") };
    assert_eq!((write.name.as_str(), write.kind()), ("patch mcpgroups/status", SpanKind::Client));
    assert_eq!(write.trace_id, sound.trace_id);
    assert_eq!(attribute(&write.attributes, "http.request.method").as_deref(), Some("PATCH"));
    assert_eq!(attribute(&write.attributes, "http.response.status_code").as_deref(), Some("200"));

    let poisoned = reconciled(&spans, "poisoned", "error")[0];
    let status = poisoned.status.as_ref().unwrap();
    assert_eq!(status.code(), StatusCode::Error);
    assert!(status.message.starts_with("failed to "), "{}", status.message);
    let refused = spans.iter().find(|span| span.parent_span_id == poisoned.span_id).unwrap();
    assert_eq!(attribute(&refused.attributes, "error.type").as_deref(), Some("500"));
    assert!(spans.iter().any(|span| span.name == "list mcpgroups" && span.parent_span_id.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_holds_nothing() {
    let program = Program::new().await;
    // It takes connections, and reads nothing.
    let silent = TcpListener::bind(LOCALHOST).await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let operator = program.start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_BSP_MAX_QUEUE_SIZE", "4"), AT_ONCE]);
    for number in 0..50 {
        program.group(&format!("group-{number}")).await;
    }
    let began = Instant::now();
    program.served("group-49").await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let (status, took, logs) = operator.end();
    assert!(status.success() && took < Duration::from_secs(4), "{status} after {took:?}");
    assert!(logs.contains("failed to export the last spans"), "{logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_fails_is_told_once_with_the_reason() {
    let program = Program::new().await;
    let closed = TcpListener::bind(LOCALHOST).await.unwrap().local_addr().unwrap();
    let ca = program.files.path().join("ca.crt");
    std::fs::write(&ca, program.api.ca_pem()).unwrap();
    let trusted = ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.to_str().unwrap());
    let nothing = ("OTEL_SERVICE_NAME", "");
    // The API server stands for a collector behind a private certificate authority, which wants to know who asks.
    for (group, url, variable, reason) in [
        ("one", &format!("http://{closed}"), nothing, "Connection refused"),
        ("two", &program.api.url().to_owned(), nothing, "UnknownIssuer"),
        ("three", &program.api.url().to_owned(), trusted, "it answers 40"),
    ] {
        let operator = program.start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url), variable, AT_THE_END]);
        program.group(group).await;
        program.served(group).await;
        let (status, _, logs) = operator.end();
        assert!(status.success(), "{status}");
        let told: Vec<_> = logs.lines().filter(|line| line.contains("failed to export spans")).collect();
        let [told] = told.as_slice() else { panic!("{logs}") };
        assert!(told.contains(reason) && told.contains("/v1/traces"), "{told}");
    }
}
