//! Requests to the API server, and their whole answers.

use http::{Method, Request, header};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};

use super::kinds::{Kind, Kinds};
use crate::language::Validation;

/// The field manager of everything that scenarios write.
const FIELD_MANAGER: &str = "conformance";

/// An answer of the API server, success or not.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The texts of `Warning` headers.
    pub warnings: Vec<String>,
    /// The object, the list, or the Status.
    pub body: Value,
}

/// Why a request has no useful answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API server cannot be reached, or does not speak HTTP.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    /// It said no where the suite needs a yes.
    #[error("the API server refused {what}: {code} {message}")]
    Refused {
        /// The request.
        what: String,
        /// The status code.
        code: u16,
        /// What it said.
        message: String,
    },
    /// There is no such kind.
    #[error("the API server has no kind `{0}`")]
    UnknownKind(String),
}

/// How an object is written.
#[derive(Clone, Debug)]
pub enum Verb {
    /// POST
    Create,
    /// PATCH with a JSON merge patch.
    Merge,
    /// PATCH with a JSON patch.
    JsonPatch,
}

/// A write to one object.
#[derive(Clone, Debug)]
pub struct Write<'a> {
    /// Its kind.
    pub kind: &'a Kind,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// How.
    pub verb: Verb,
    /// Whether `/status` is written.
    pub status: bool,
    /// What about unknown fields.
    pub validation: Validation,
    /// The object or the patch.
    pub body: &'a Value,
}

/// Access to the objects of a cluster.
#[derive(Clone)]
pub struct Objects {
    client: kube::Client,
    /// The kinds that there are.
    pub kinds: Kinds,
}

impl Objects {
    /// Access through a client.
    pub fn new(client: kube::Client) -> Self {
        Self { kinds: Kinds::new(client.clone()), client }
    }

    /// The client beneath.
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    /// Reads an object; `None` when it is not there.
    pub async fn read(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Option<Value>, ApiError> {
        let path = kind.path(namespace, Some(name));
        let answer = send(&self.client, Method::GET, &path, None).await?;
        match answer.status {
            404 => Ok(None),
            _ => answer.accepted(&path).map(Some),
        }
    }

    /// Reads a list. Items get the `apiVersion` and `kind` that lists leave out.
    pub async fn list(&self, kind: &Kind, namespace: &str, selector: Option<&str>) -> Result<Vec<Value>, ApiError> {
        let mut path = kind.path(namespace, None);
        if let Some(selector) = selector {
            path.push_str("?labelSelector=");
            path.extend(url::form_urlencoded::byte_serialize(selector.as_bytes()));
        }
        let list = get(&self.client, &path).await?;
        let mut items = list["items"].as_array().cloned().unwrap_or_default();
        for item in &mut items {
            item["apiVersion"] = json!(kind.api_version());
            item["kind"] = json!(kind.kind);
        }
        Ok(items)
    }

    /// Writes an object and returns the answer, whatever it is.
    pub async fn write(&self, write: &Write<'_>) -> Result<Answer, ApiError> {
        let (method, content_type, name) = match write.verb {
            Verb::Create => (Method::POST, "application/json", None),
            Verb::Merge => (Method::PATCH, "application/merge-patch+json", Some(write.name)),
            Verb::JsonPatch => (Method::PATCH, "application/json-patch+json", Some(write.name)),
        };
        let mut path = write.kind.path(write.namespace, name);
        if write.status {
            path.push_str("/status");
        }
        let validation = match write.validation {
            Validation::Strict => "Strict",
            Validation::Warn => "Warn",
            Validation::Ignore => "Ignore",
        };
        path.push_str("?fieldManager=");
        path.push_str(FIELD_MANAGER);
        path.push_str("&fieldValidation=");
        path.push_str(validation);
        send(&self.client, method, &path, Some((content_type, write.body))).await
    }

    /// Deletes an object; one that is not there is deleted already.
    pub async fn delete(&self, kind: &Kind, namespace: &str, name: &str) -> Result<(), ApiError> {
        let path = kind.path(namespace, Some(name));
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
        let answer = send(&self.client, Method::DELETE, &path, Some(("application/json", &options))).await?;
        match answer.status {
            404 => Ok(()),
            _ => answer.accepted(&path).map(|_| ()),
        }
    }
}

impl Answer {
    /// Whether the request succeeded.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the server itself failed, rather than the request.
    pub fn is_server_fault(&self) -> bool {
        self.status >= 500
    }

    /// The Status' message.
    pub fn message(&self) -> String {
        let text = self.body["message"].as_str();
        text.map_or_else(|| self.body.to_string(), str::to_owned)
    }

    /// The body of a success.
    pub fn accepted(self, what: &str) -> Result<Value, ApiError> {
        if self.is_success() {
            return Ok(self.body);
        }
        Err(ApiError::Refused { what: what.to_owned(), code: self.status, message: self.message() })
    }
}

pub(super) async fn get(client: &kube::Client, path: &str) -> Result<Value, ApiError> {
    send(client, Method::GET, path, None).await?.accepted(path)
}

async fn send(
    client: &kube::Client,
    method: Method,
    path: &str,
    body: Option<(&str, &Value)>,
) -> Result<Answer, ApiError> {
    let unreachable = |error: &dyn std::fmt::Display| ApiError::Unreachable(error.to_string());
    let mut request = Request::builder().method(method).uri(path);
    let bytes = match body {
        Some((content_type, value)) => {
            request = request.header(header::CONTENT_TYPE, content_type);
            value.to_string().into_bytes()
        }
        None => Vec::new(),
    };
    let request = request
        .header(header::ACCEPT, "application/json")
        .body(Body::from(bytes))
        .map_err(|error| unreachable(&error))?;
    let response = client.send(request).await.map_err(|error| unreachable(&error))?;
    let status = response.status().as_u16();
    let warnings = response
        .headers()
        .get_all(header::WARNING)
        .iter()
        .filter_map(|value| warning_text(value.to_str().ok()?))
        .collect();
    let bytes = response.into_body().collect().await.map_err(|error| unreachable(&error))?.to_bytes();
    let body =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Ok(Answer { status, warnings, body })
}

/// The text of a Warning header: `299 - "text"` (RFC 7234, 5.5).
fn warning_text(header: &str) -> Option<String> {
    let start = header.find('"')? + 1;
    let end = header.rfind('"').filter(|end| *end >= start)?;
    Some(header[start..end].replace("\\\"", "\"").replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_its_quoted_text() {
        assert_eq!(warning_text(r#"299 - "unknown field \"spec.x\"""#).as_deref(), Some(r#"unknown field "spec.x""#));
    }
}
