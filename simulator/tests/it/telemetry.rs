//! Collectors: OTLP over HTTP in both encodings, on the wire and in the journal.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use prost::Message as _;
use reqwest::Response;
use serde_json::{Value, json};
use simulator::{TelemetryFacts, WorldChange, WorldHandle};

use crate::client::{client, url, world};

const WORLD: &str = "
telemetry:
  - url: http://collector.example.com:4318
  - {url: https://otel.example.com/base, rejects: quota exceeded}
";
const PROTOBUF: &str = "application/x-protobuf";

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn resource() -> Resource {
    Resource { attributes: vec![text("service.name", "gateway")], ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "vmcp".to_owned(), ..InstrumentationScope::default() }
}

/// Two spans in protobuf: a root and its child, which failed.
fn traces() -> ExportTraceServiceRequest {
    let root = Span {
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        name: "POST /mcp".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 3_500,
        attributes: vec![text("http.route", "/mcp")],
        ..Span::default()
    };
    let child = Span {
        parent_span_id: vec![1; 8],
        span_id: vec![2; 8],
        name: "tools/call".to_owned(),
        kind: 3,
        status: Some(Status { code: 2, message: "no answer".to_owned() }),
        events: vec![span::Event { name: "exception".to_owned(), ..span::Event::default() }],
        ..root.clone()
    };
    let spans = ScopeSpans { scope: Some(scope()), spans: vec![root, child], ..ScopeSpans::default() };
    let resource_spans =
        ResourceSpans { resource: Some(resource()), scope_spans: vec![spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

async fn export(handle: &WorldHandle, target: &str, media_type: &str, body: Vec<u8>) -> Response {
    let request = client(handle, &["public"]).post(url(handle, target)).header("content-type", media_type);
    request.body(body).send().await.unwrap()
}

fn taken(handle: &WorldHandle) -> TelemetryFacts {
    *handle.journal().entries().last().unwrap().telemetry.clone().unwrap()
}

#[tokio::test]
async fn compressed_exports_are_read_up_to_the_size_that_they_have_when_decompressed() {
    let (_simulator, handle) = world(WORLD).await;
    let target = "http://collector.example.com:4318/v1/traces";
    let http = client(&handle, &["public"]);
    let export = async |coding: &str, body: Vec<u8>| {
        let request =
            http.post(url(&handle, target)).header("content-type", PROTOBUF).header("content-encoding", coding);
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned())
    };
    let plain = traces().encode_to_vec();
    let mut whole = gzip(&plain[..50]);
    whole.extend(gzip(&plain[50..]));
    for (coding, body) in [
        ("gzip", gzip(&plain)),
        ("GZIP", whole),
        ("x-gzip", gzip(&plain)),
        ("deflate", deflate(&plain)),
        ("identity", plain.clone()),
    ] {
        assert_eq!(export(coding, body).await.0, 200, "{coding}");
        assert_eq!(taken(&handle).spans.len(), 2, "{coding}");
    }
    let cut = gzip(&plain)[..40].to_vec();
    // A thousand times smaller than what it becomes.
    let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
    for (coding, body, status, reason) in [
        ("gzip", plain.clone(), 400, "the body is not encoded as gzip"),
        ("gzip", cut, 400, "the body is not encoded as gzip"),
        ("deflate", gzip(&plain), 400, "the body is not encoded as deflate"),
        ("gzip", bomb, 413, "larger than 2097152 bytes"),
        ("gzip, gzip", gzip(&gzip(&plain)), 415, "found the content encoding gzip, gzip"),
    ] {
        let (found, said) = export(coding, body).await;
        assert_eq!(found, status, "{said}");
        assert!(said.contains(reason), "{said}");
    }
}

#[tokio::test]
async fn both_encodings_of_spans_are_the_same_in_the_journal() {
    let (_simulator, handle) = world(WORLD).await;
    let target = "http://collector.example.com:4318/v1/traces";
    let answer = export(&handle, target, PROTOBUF, traces().encode_to_vec()).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (200, PROTOBUF));
    assert!(answer.bytes().await.unwrap().is_empty());
    let facts = taken(&handle);
    let [root, child] = facts.spans.as_slice() else { panic!("{facts:?}") };
    assert_eq!(
        (&*root.name, &root.parent_span_id, &*root.kind, root.duration_nanos),
        ("POST /mcp", &None, "server", 2_500)
    );
    assert_eq!((root.trace_id.as_str(), &root.attributes["http.route"]), ("ab".repeat(16).as_str(), &json!("/mcp")));
    assert_eq!(child.parent_span_id.as_ref(), Some(&root.span_id));
    assert_eq!(
        (&*child.status, &*child.status_message, &child.events[..]),
        ("error", "no answer", &["exception".to_owned()][..])
    );
    assert_eq!((&child.origin.resource["service.name"], &*child.origin.scope), (&json!("gateway"), "vmcp"));
    let entry = serde_json::to_value(&**handle.journal().entries().last().unwrap()).unwrap();
    assert_eq!(entry["telemetry"]["spans"][1]["resource"], json!({"service.name": "gateway"}));

    let span = |id: &str, parent: &str, name: &str, kind: u8| {
        json!({
            "traceId": "AB".repeat(16), "spanId": id, "parentSpanId": parent, "name": name, "kind": kind,
            "startTimeUnixNano": "1000", "endTimeUnixNano": 3500,
            "attributes": [{"key": "http.route", "value": {"stringValue": "/mcp"}}],
        })
    };
    let mut failed = span(&"02".repeat(8), &"01".repeat(8), "tools/call", 3);
    failed["status"] = json!({"code": 2, "message": "no answer"});
    failed["events"] = json!([{"name": "exception", "timeUnixNano": "1"}]);
    let export_json = json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "gateway"}}]},
        "scopeSpans": [{"scope": {"name": "vmcp"}, "spans": [span(&"01".repeat(8), "", "POST /mcp", 2), failed]}],
    }]});
    let answer = export(&handle, target, "application/json", export_json.to_string().into_bytes()).await;
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({}));
    assert_eq!(taken(&handle), facts);
}

#[tokio::test]
async fn metrics_and_logs_are_decoded() {
    let (_simulator, handle) = world(WORLD).await;
    let point = NumberDataPoint {
        attributes: vec![text("backend", "github")],
        value: Some(number_data_point::Value::AsInt(7)),
        ..NumberDataPoint::default()
    };
    let calls = Metric {
        name: "calls".to_owned(),
        unit: "1".to_owned(),
        data: Some(metric::Data::Sum(Sum { data_points: vec![point], is_monotonic: true, ..Sum::default() })),
        ..Metric::default()
    };
    let point = HistogramDataPoint { count: 3, sum: Some(1.5), ..HistogramDataPoint::default() };
    let histogram = Histogram { data_points: vec![point], ..Histogram::default() };
    let duration =
        Metric { name: "duration".to_owned(), data: Some(metric::Data::Histogram(histogram)), ..Metric::default() };
    let metrics = ScopeMetrics { scope: Some(scope()), metrics: vec![calls, duration], ..ScopeMetrics::default() };
    let resource_metrics =
        ResourceMetrics { resource: Some(resource()), scope_metrics: vec![metrics], ..ResourceMetrics::default() };
    let request = ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] };
    let target = "http://collector.example.com:4318/v1/metrics";
    assert_eq!(export(&handle, target, PROTOBUF, request.encode_to_vec()).await.status().as_u16(), 200);
    let facts = taken(&handle);
    let attributes = |value: &str| vec![json!({"key": "backend", "value": {"stringValue": value}})];
    let in_json = json!({"resourceMetrics": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "gateway"}}]},
        "scopeMetrics": [{"scope": {"name": "vmcp"}, "metrics": [
            {"name": "calls", "unit": "1", "sum": {"isMonotonic": true, "dataPoints": [{"asInt": "7", "attributes": attributes("github")}]}},
            {"name": "duration", "histogram": {"dataPoints": [{"count": "3", "sum": 1.5}]}},
        ]}],
    }]});
    export(&handle, target, "application/json", in_json.to_string().into_bytes()).await;
    assert_eq!(taken(&handle), facts);
    let [calls, duration] = facts.metrics.as_slice() else { panic!("{facts:?}") };
    assert_eq!((&*calls.kind, &calls.points[0].value), ("sum", &Some(json!(7))));
    assert_eq!(calls.points[0].attributes["backend"], "github");
    assert_eq!((&*duration.kind, duration.points[0].count, duration.points[0].sum), ("histogram", Some(3), Some(1.5)));

    let list = any_value::Value::ArrayValue(opentelemetry_proto::tonic::common::v1::ArrayValue {
        values: vec![AnyValue { value: Some(any_value::Value::IntValue(-1)) }, AnyValue::default()],
    });
    let record = LogRecord {
        severity_text: "WARN".to_owned(),
        body: Some(AnyValue { value: Some(list) }),
        trace_id: vec![0xab; 16],
        ..LogRecord::default()
    };
    let logs = ScopeLogs { scope: Some(scope()), log_records: vec![record], ..ScopeLogs::default() };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource()),
            scope_logs: vec![logs],
            ..ResourceLogs::default()
        }],
    };
    let target = "http://collector.example.com:4318/v1/logs";
    assert_eq!(export(&handle, target, PROTOBUF, request.encode_to_vec()).await.status().as_u16(), 200);
    let facts = taken(&handle);
    assert_eq!((&*facts.logs[0].severity, &facts.logs[0].body), ("WARN", &json!([-1, null])));
    assert_eq!((facts.logs[0].trace_id.as_deref(), &facts.logs[0].span_id), (Some(&*"ab".repeat(16)), &None));
    let in_json = json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "gateway"}}]},
        "scopeLogs": [{"scope": {"name": "vmcp"}, "logRecords": [
            {"severityText": "WARN", "body": {"arrayValue": {"values": [{"intValue": "-1"}, {}]}}, "traceId": "ab".repeat(16)},
        ]}],
    }]});
    export(&handle, target, "application/json", in_json.to_string().into_bytes()).await;
    assert_eq!(taken(&handle), facts);
}

#[tokio::test]
async fn what_is_not_taken_is_said_in_the_form_of_the_request() {
    let (_simulator, handle) = world(WORLD).await;
    let rejected = export(&handle, "https://otel.example.com/base/v1/traces", PROTOBUF, traces().encode_to_vec()).await;
    assert_eq!(rejected.status().as_u16(), 200);
    let answer = ExportTraceServiceResponse::decode(rejected.bytes().await.unwrap()).unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!((partial.rejected_spans, &*partial.error_message), (2, "quota exceeded"));
    let verdict = handle.journal().entries().last().unwrap().verdict.clone();
    assert_eq!(verdict.as_deref(), Some("everything is rejected: quota exceeded"));

    let target = "http://collector.example.com:4318/v1/traces";
    // google.rpc.Status: field 1 is the code, field 2 the message.
    let refused = export(&handle, target, PROTOBUF, vec![0xff]).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["content-type"].to_str().unwrap()), (400, PROTOBUF));
    assert_eq!(refused.bytes().await.unwrap()[..3], [0x08, 3, 0x12]);
    let many: Vec<Span> = std::iter::repeat_n(Span::default(), 10_001).collect();
    let spans = ResourceSpans {
        scope_spans: vec![ScopeSpans { spans: many, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    let many = ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec();
    for (media_type, body, status, reason) in [
        ("application/json", b"{\"resourceSpans\": 3}".to_vec(), 400, "the body is no export in JSON"),
        ("application/json", vec![b' '; 2 * 1024 * 1024 + 1], 413, "send smaller batches"),
        (PROTOBUF, many, 413, "more than 10000 items"),
        ("text/plain", Vec::new(), 415, "found text/plain, expected application/x-protobuf or application/json"),
    ] {
        let refused = export(&handle, target, media_type, body).await;
        assert_eq!(refused.status().as_u16(), status, "{reason}");
        let body = String::from_utf8_lossy(&refused.bytes().await.unwrap()).into_owned();
        assert!(body.contains(reason), "{body}");
        assert!(handle.journal().entries().last().unwrap().telemetry.is_none());
    }
    let http = client(&handle, &["public"]);
    let request =
        http.post(url(&handle, target)).header("content-type", "application/json").header("content-encoding", "br");
    let refused = request.body("x").send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 415);
    let status: Value = refused.json().await.unwrap();
    assert_eq!(
        (&status["code"], status["message"].as_str().unwrap().contains("found the content encoding br")),
        (&json!(3), true)
    );
    let refused = http.get(url(&handle, target)).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["allow"].to_str().unwrap()), (405, "POST"));
    assert_eq!(
        http.post(url(&handle, "http://collector.example.com:4318/v1/profiles"))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16(),
        404
    );

    // It fails as all servers do, with a hint when to try again.
    let faults = "setFaults: {server: 'http://collector.example.com:4318', faults: [{times: 1, does: {respond: {status: 503, headers: {Retry-After: '1'}}}}]}";
    handle.update(serde_saphyr::from_str::<WorldChange>(faults).unwrap()).await.unwrap();
    let busy = export(&handle, target, PROTOBUF, traces().encode_to_vec()).await;
    assert_eq!((busy.status().as_u16(), busy.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    assert_eq!(export(&handle, target, PROTOBUF, traces().encode_to_vec()).await.status().as_u16(), 200);
}
