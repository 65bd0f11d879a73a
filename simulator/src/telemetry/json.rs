//! OTLP in JSON: protobuf's mapping, with identifiers in hexadecimal and enums as numbers.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::signal::{Signal, span_kind, status_code};
use crate::journal::{LogFacts, MetricFacts, OriginFacts, PointFacts, SpanFacts, TelemetryFacts};

/// A refusal.
pub(super) fn status(code: i32, message: &str) -> Vec<u8> {
    json!({"code": code, "message": message}).to_string().into_bytes()
}

/// The answer to an export of which so many items are rejected for a reason, or none.
pub(super) fn response(signal: Signal, rejected: Option<(i64, &str)>) -> Vec<u8> {
    let response = match rejected {
        None => json!({}),
        // Numbers of 64 bits are texts.
        Some((count, message)) => {
            json!({"partialSuccess": {signal.rejected(): count.to_string(), "errorMessage": message}})
        }
    };
    response.to_string().into_bytes()
}

/// An export of any signal.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Export {
    #[serde(alias = "resourceMetrics", alias = "resourceLogs")]
    resource_spans: Vec<OfResource>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct OfResource {
    resource: Resource,
    #[serde(alias = "scopeMetrics", alias = "scopeLogs")]
    scope_spans: Vec<OfScope>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resource {
    attributes: Vec<Pair>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct OfScope {
    scope: Scope,
    spans: Vec<Span>,
    metrics: Vec<Metric>,
    log_records: Vec<LogRecord>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Scope {
    name: String,
}

#[derive(Deserialize)]
struct Pair {
    key: String,
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Span {
    trace_id: String,
    #[serde(rename = "spanId")]
    id: String,
    #[serde(rename = "parentSpanId")]
    parent: String,
    name: String,
    kind: i64,
    start_time_unix_nano: Number,
    end_time_unix_nano: Number,
    attributes: Vec<Pair>,
    events: Vec<Event>,
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Event {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: i64,
    message: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metric {
    name: String,
    unit: String,
    gauge: Option<Points>,
    sum: Option<Points>,
    histogram: Option<Points>,
    exponential_histogram: Option<Points>,
    summary: Option<Points>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Points {
    data_points: Vec<Point>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Point {
    attributes: Vec<Pair>,
    as_int: Option<Number>,
    as_double: Option<f64>,
    count: Option<Number>,
    sum: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct LogRecord {
    severity_text: String,
    body: Value,
    attributes: Vec<Pair>,
    trace_id: String,
    span_id: String,
}

/// A number of 64 bits, which may be written as text.
#[derive(Clone, Copy, Deserialize, Default)]
#[serde(try_from = "Value")]
struct Number(i128);

impl TryFrom<Value> for Number {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let number = match &value {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.to_string().parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| format!("expected a number or a number as text, found {value}"))
    }
}

impl Number {
    fn unsigned(self) -> u64 {
        u64::try_from(self.0).unwrap_or_default()
    }
}

/// Reads an export.
pub(super) fn read(signal: Signal, body: &[u8]) -> Result<TelemetryFacts, serde_json::Error> {
    let export: Export = serde_json::from_slice(body)?;
    let mut facts = TelemetryFacts::default();
    for OfResource { resource, scope_spans } in export.resource_spans {
        let resource = attributes(resource.attributes);
        for of_scope in scope_spans {
            let origin = Arc::new(OriginFacts { resource: resource.clone(), scope: of_scope.scope.name });
            match signal {
                Signal::Traces => facts.spans.extend(of_scope.spans.into_iter().map(|given| span(given, &origin))),
                Signal::Metrics => {
                    facts.metrics.extend(of_scope.metrics.into_iter().map(|given| metric(given, &origin)));
                }
                Signal::Logs => facts.logs.extend(of_scope.log_records.into_iter().map(|given| log(given, &origin))),
            }
        }
    }
    Ok(facts)
}

fn span(given: Span, origin: &Arc<OriginFacts>) -> SpanFacts {
    let length = given.end_time_unix_nano.0.saturating_sub(given.start_time_unix_nano.0);
    SpanFacts {
        origin: Arc::clone(origin),
        name: given.name,
        trace_id: given.trace_id.to_ascii_lowercase(),
        span_id: given.id.to_ascii_lowercase(),
        parent_span_id: identifier(&given.parent),
        kind: span_kind(given.kind),
        status: status_code(given.status.code),
        status_message: given.status.message,
        attributes: attributes(given.attributes),
        events: given.events.into_iter().map(|event| event.name).collect(),
        duration_nanos: Number(length).unsigned(),
    }
}

fn metric(given: Metric, origin: &Arc<OriginFacts>) -> MetricFacts {
    let kinds = [
        ("gauge", given.gauge),
        ("sum", given.sum),
        ("histogram", given.histogram),
        ("exponentialHistogram", given.exponential_histogram),
        ("summary", given.summary),
    ];
    let (kind, points) = kinds.into_iter().find_map(|(kind, points)| Some((kind, points?))).unwrap_or_default();
    MetricFacts {
        origin: Arc::clone(origin),
        name: given.name,
        unit: given.unit,
        kind: kind.to_owned(),
        points: points.data_points.into_iter().map(point).collect(),
    }
}

fn point(given: Point) -> PointFacts {
    let whole = given.as_int.and_then(|number| i64::try_from(number.0).ok()).map(Value::from);
    PointFacts {
        attributes: attributes(given.attributes),
        value: whole.or_else(|| given.as_double.map(Value::from)),
        count: given.count.map(Number::unsigned),
        sum: given.sum,
    }
}

fn log(given: LogRecord, origin: &Arc<OriginFacts>) -> LogFacts {
    LogFacts {
        origin: Arc::clone(origin),
        body: plain(given.body),
        severity: given.severity_text,
        attributes: attributes(given.attributes),
        trace_id: identifier(&given.trace_id),
        span_id: identifier(&given.span_id),
    }
}

fn attributes(given: Vec<Pair>) -> Map<String, Value> {
    given.into_iter().map(|pair| (pair.key, plain(pair.value))).collect()
}

/// The value in an `AnyValue`, such as `{"intValue": "7"}`.
fn plain(value: Value) -> Value {
    let Value::Object(members) = value else { return Value::Null };
    match members.into_iter().next() {
        Some((kind, Value::String(text))) if kind == "intValue" => text.parse::<i64>().map_or(Value::Null, Value::from),
        Some((kind, Value::Object(list))) if kind == "arrayValue" => {
            let items = list.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
            items.into_iter().map(plain).collect()
        }
        Some((kind, Value::Object(list))) if kind == "kvlistValue" => {
            let pairs = list.get("values").cloned().unwrap_or_default();
            Value::Object(attributes(serde_json::from_value(pairs).unwrap_or_default()))
        }
        Some((_, value)) => value,
        None => Value::Null,
    }
}

fn identifier(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_ascii_lowercase())
}
