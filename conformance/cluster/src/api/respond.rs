//! Answers as HTTP responses.

use std::sync::Arc;

use axum::body::Body;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WARNING};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use super::negotiate::{Format, Representation, Shape};
use super::object::Object;
use super::status::ApiError;
use super::yaml;

/// What a handler answers.
pub(crate) enum Answer {
    /// A document that is not negotiated further.
    Json { code: u16, value: Value },
    /// A stored object.
    Object { code: u16, value: Arc<Value> },
    /// A list of stored objects.
    List { api_version: String, list_kind: String, metadata: Value, items: Vec<Arc<Object>>, item_kind: Option<String> },
    /// Aggregated discovery.
    Discovery(Value),
    /// Plain text.
    Text { code: u16, text: String },
    /// A stream that goes on.
    Stream { body: Body, content_type: &'static str },
    /// Another protocol from here on; answered as it is.
    Switch(Response<Body>),
    /// A refusal.
    Failure(ApiError),
}

impl Answer {
    /// What the real server's router says about a path that nothing serves.
    pub(crate) fn page_not_found() -> Self {
        Self::Text { code: 404, text: "404 page not found\n".into() }
    }
}

/// Renders an answer with its warnings.
pub(crate) fn respond(answer: Answer, representation: Representation, warnings: &[String]) -> Response<Body> {
    let mut retry_after = None;
    let (code, content_type, body) = match answer {
        Answer::Json { code, value } => document(code, &value, representation.format),
        Answer::Object { code, value } => document(code, &value, representation.format),
        Answer::List { api_version, list_kind, metadata, items, item_kind } => {
            let list = list(&api_version, &list_kind, &metadata, &items, item_kind.as_deref());
            match representation.format {
                Format::Json => (200, "application/json", Body::from(list)),
                Format::Yaml => {
                    let value = serde_json::from_str(&list).unwrap_or(Value::Null);
                    document(200, &value, Format::Yaml)
                }
            }
        }
        Answer::Discovery(value) => {
            let content_type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
            (200, content_type, Body::from(value.to_string()))
        }
        Answer::Text { code, text } => (code, "text/plain; charset=utf-8", Body::from(text)),
        Answer::Stream { body, content_type } => (200, content_type, body),
        Answer::Switch(response) => return response,
        Answer::Failure(error) => {
            retry_after = error.details.as_ref().and_then(|details| details.retry_after_seconds);
            let format = if representation.shape == Shape::Object { representation.format } else { Format::Json };
            document(error.code, &error.to_status(), format)
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            headers.append(WARNING, value);
        }
    }
    response
}

fn document(code: u16, value: &Value, format: Format) -> (u16, &'static str, Body) {
    match format {
        Format::Json => {
            let mut text = value.to_string();
            text.push('\n');
            (code, "application/json", Body::from(text))
        }
        Format::Yaml => (code, "application/yaml", Body::from(yaml::to_string(value))),
    }
}

/// A list as text, without copying the objects into one document first. Items of built-in kinds do not repeat their type.
fn list(api_version: &str, kind: &str, metadata: &Value, items: &[Arc<Object>], item_kind: Option<&str>) -> String {
    let mut text = format!(
        "{{\"apiVersion\":{},\"kind\":{},\"metadata\":{metadata},\"items\":[",
        Value::from(api_version),
        Value::from(kind)
    );
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        match item_kind {
            Some(kind) => item.write_as(api_version, kind, &mut text),
            None => item.write_untyped(&mut text),
        }
    }
    text.push_str("]}\n");
    text
}
