//! OTLP in its binary encoding.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::{DecodeError, Message};
use serde_json::{Map, Value};

use super::signal::{Signal, span_kind, status_code};
use crate::hexadecimal::hexadecimal;
use crate::journal::{LogFacts, MetricFacts, OriginFacts, PointFacts, SpanFacts, TelemetryFacts};

/// `google.rpc.Status`, the body of a refusal.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// A refusal.
pub(super) fn status(code: i32, message: &str) -> Vec<u8> {
    Status { code, message: message.to_owned() }.encode_to_vec()
}

/// The answer to an export of which so many items are rejected for a reason, or none.
pub(super) fn response(signal: Signal, rejected: Option<(i64, &str)>) -> Vec<u8> {
    match signal {
        Signal::Traces => {
            let partial = |(rejected_spans, message): (i64, &str)| ExportTracePartialSuccess {
                rejected_spans,
                error_message: message.to_owned(),
            };
            ExportTraceServiceResponse { partial_success: rejected.map(partial) }.encode_to_vec()
        }
        Signal::Metrics => {
            let partial = |(rejected_data_points, message): (i64, &str)| ExportMetricsPartialSuccess {
                rejected_data_points,
                error_message: message.to_owned(),
            };
            ExportMetricsServiceResponse { partial_success: rejected.map(partial) }.encode_to_vec()
        }
        Signal::Logs => {
            let partial = |(rejected_log_records, message): (i64, &str)| ExportLogsPartialSuccess {
                rejected_log_records,
                error_message: message.to_owned(),
            };
            ExportLogsServiceResponse { partial_success: rejected.map(partial) }.encode_to_vec()
        }
    }
}

/// Reads an export.
pub(super) fn read(signal: Signal, body: &[u8]) -> Result<TelemetryFacts, DecodeError> {
    let mut facts = TelemetryFacts::default();
    match signal {
        Signal::Traces => {
            for of_resource in ExportTraceServiceRequest::decode(body)?.resource_spans {
                for of_scope in of_resource.scope_spans {
                    let origin = origin(of_resource.resource.as_ref(), of_scope.scope.as_ref());
                    facts.spans.extend(of_scope.spans.iter().map(|given| span(given, &origin)));
                }
            }
        }
        Signal::Metrics => {
            for of_resource in ExportMetricsServiceRequest::decode(body)?.resource_metrics {
                for of_scope in of_resource.scope_metrics {
                    let origin = origin(of_resource.resource.as_ref(), of_scope.scope.as_ref());
                    facts.metrics.extend(of_scope.metrics.iter().map(|given| metric(given, &origin)));
                }
            }
        }
        Signal::Logs => {
            for of_resource in ExportLogsServiceRequest::decode(body)?.resource_logs {
                for of_scope in of_resource.scope_logs {
                    let origin = origin(of_resource.resource.as_ref(), of_scope.scope.as_ref());
                    facts.logs.extend(of_scope.log_records.iter().map(|given| log(given, &origin)));
                }
            }
        }
    }
    Ok(facts)
}

fn origin(resource: Option<&Resource>, scope: Option<&InstrumentationScope>) -> Arc<OriginFacts> {
    Arc::new(OriginFacts {
        resource: resource.map(|resource| attributes(&resource.attributes)).unwrap_or_default(),
        scope: scope.map(|scope| scope.name.clone()).unwrap_or_default(),
    })
}

fn span(given: &Span, origin: &Arc<OriginFacts>) -> SpanFacts {
    let status = given.status.clone().unwrap_or_default();
    SpanFacts {
        origin: Arc::clone(origin),
        name: given.name.clone(),
        trace_id: hexadecimal(&given.trace_id),
        span_id: hexadecimal(&given.span_id),
        parent_span_id: identifier(&given.parent_span_id),
        kind: span_kind(given.kind.into()),
        status: status_code(status.code.into()),
        status_message: status.message,
        attributes: attributes(&given.attributes),
        events: given.events.iter().map(|event| event.name.clone()).collect(),
        duration_nanos: given.end_time_unix_nano.saturating_sub(given.start_time_unix_nano),
    }
}

fn metric(given: &Metric, origin: &Arc<OriginFacts>) -> MetricFacts {
    let (kind, points) = match &given.data {
        Some(metric::Data::Gauge(data)) => ("gauge", data.data_points.iter().map(number).collect()),
        Some(metric::Data::Sum(data)) => ("sum", data.data_points.iter().map(number).collect()),
        Some(metric::Data::Histogram(data)) => (
            "histogram",
            data.data_points.iter().map(|point| distribution(&point.attributes, point.count, point.sum)).collect(),
        ),
        Some(metric::Data::ExponentialHistogram(data)) => (
            "exponentialHistogram",
            data.data_points.iter().map(|point| distribution(&point.attributes, point.count, point.sum)).collect(),
        ),
        Some(metric::Data::Summary(data)) => (
            "summary",
            data.data_points
                .iter()
                .map(|point| distribution(&point.attributes, point.count, Some(point.sum)))
                .collect(),
        ),
        None => ("", Vec::new()),
    };
    let (name, unit, kind) = (given.name.clone(), given.unit.clone(), kind.to_owned());
    MetricFacts { origin: Arc::clone(origin), name, unit, kind, points }
}

fn number(point: &NumberDataPoint) -> PointFacts {
    let value = point.value.as_ref().map(|value| match value {
        number_data_point::Value::AsDouble(number) => (*number).into(),
        number_data_point::Value::AsInt(number) => (*number).into(),
    });
    PointFacts { attributes: attributes(&point.attributes), value, ..PointFacts::default() }
}

fn distribution(given: &[KeyValue], count: u64, sum: Option<f64>) -> PointFacts {
    PointFacts { attributes: attributes(given), value: None, count: Some(count), sum }
}

fn log(given: &LogRecord, origin: &Arc<OriginFacts>) -> LogFacts {
    LogFacts {
        origin: Arc::clone(origin),
        body: plain(given.body.as_ref()),
        severity: given.severity_text.clone(),
        attributes: attributes(&given.attributes),
        trace_id: identifier(&given.trace_id),
        span_id: identifier(&given.span_id),
    }
}

fn attributes(given: &[KeyValue]) -> Map<String, Value> {
    given.iter().map(|pair| (pair.key.clone(), plain(pair.value.as_ref()))).collect()
}

/// A value as JSON; bytes in base64.
fn plain(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone().into(),
        Some(any_value::Value::BoolValue(flag)) => (*flag).into(),
        Some(any_value::Value::IntValue(number)) => (*number).into(),
        Some(any_value::Value::DoubleValue(number)) => (*number).into(),
        Some(any_value::Value::ArrayValue(list)) => list.values.iter().map(|item| plain(Some(item))).collect(),
        Some(any_value::Value::KvlistValue(list)) => Value::Object(attributes(&list.values)),
        Some(any_value::Value::BytesValue(bytes)) => STANDARD.encode(bytes).into(),
        // Refers to a table that only profiles have.
        Some(any_value::Value::StringValueStrindex(_)) | None => Value::Null,
    }
}

fn identifier(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| hexadecimal(bytes))
}
