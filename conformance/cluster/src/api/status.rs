//! Failures as the API tells them: `Status` objects with the words of a real API server.

use std::fmt;

use serde_json::{Value, json};

/// One cause of an invalid object, as `details.causes` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The machine-readable class, such as `FieldValueInvalid`.
    pub(crate) reason: String,
    /// What is wrong, without the field.
    pub(crate) message: String,
    /// The field's path.
    pub(crate) field: String,
}

impl Cause {
    /// A value that is there and wrong.
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: impl fmt::Display) -> Self {
        Self::new("FieldValueInvalid", format!("Invalid value: {value}: {detail}"), field)
    }

    /// A value that is missing; `detail` may be empty.
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() { "Required value".into() } else { format!("Required value: {detail}") };
        Self::new("FieldValueRequired", message, field)
    }

    /// A value that may not be there.
    pub(crate) fn forbidden(field: impl Into<String>, detail: impl fmt::Display) -> Self {
        Self::new("FieldValueForbidden", format!("Forbidden: {detail}"), field)
    }

    /// A name that refers to nothing.
    pub(crate) fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self::new("FieldValueNotFound", format!("Not found: {value}"), field)
    }

    /// Two items that must differ.
    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new("FieldValueDuplicate", format!("Duplicate value: {value}"), field)
    }

    /// A value outside a closed set.
    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|item| format!("\"{item}\"")).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        Self::new("FieldValueNotSupported", message, field)
    }

    /// Any other cause.
    pub(crate) fn new(reason: impl Into<String>, message: impl Into<String>, field: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into(), field: field.into() }
    }
}

/// What a failure is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) causes: Vec<Cause>,
    pub(crate) retry_after_seconds: Option<u32>,
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) code: u16,
    pub(crate) reason: Option<&'static str>,
    pub(crate) message: String,
    pub(crate) details: Option<Box<Details>>,
    /// The token with which an expired list goes on.
    pub(crate) continue_token: Option<String>,
}

/// The result of everything that answers a request.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// `resource.group`, or the resource alone in the core group.
pub(crate) fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

impl ApiError {
    /// A failure with a code, a reason and a message, and nothing else.
    pub(crate) fn plain(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason: Some(reason), message: message.into(), details: None, continue_token: None }
    }

    /// A failure of which nothing is known but its code, with the reason that goes with that.
    pub(crate) fn generic(code: u16, verb: &str, message: String) -> Self {
        let reason = match code {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            405 => "MethodNotAllowed",
            406 => "NotAcceptable",
            409 if verb == "create" => "AlreadyExists",
            409 => "Conflict",
            410 => "Expired",
            413 => "RequestEntityTooLarge",
            415 => "UnsupportedMediaType",
            422 => "Invalid",
            429 => "TooManyRequests",
            500 => "InternalError",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => return Self { code, reason: None, message, details: None, continue_token: None },
        };
        Self::plain(code, reason, message)
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::plain(400, "BadRequest", message)
    }

    /// 500 without a reason, as the real server words errors it did not classify.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { code: 500, reason: None, message: message.into(), details: None, continue_token: None }
    }

    /// 401.
    pub(crate) fn unauthorized() -> Self {
        Self::plain(401, "Unauthorized", "Unauthorized")
    }

    /// 404 of an object.
    pub(crate) fn not_found(group: &str, resource: &str, name: &str) -> Self {
        Self::about(404, "NotFound", group, resource, name, |what| format!("{what} \"{name}\" not found"))
    }

    /// 404 of a path below a known group: the server serves no such resource.
    pub(crate) fn no_such_resource() -> Self {
        Self {
            details: Some(Box::default()),
            ..Self::plain(404, "NotFound", "the server could not find the requested resource")
        }
    }

    /// 409 on create.
    pub(crate) fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        Self::about(409, "AlreadyExists", group, resource, name, |what| format!("{what} \"{name}\" already exists"))
    }

    /// 409 on a stale write or a failed precondition.
    pub(crate) fn conflict(group: &str, resource: &str, name: &str, why: impl fmt::Display) -> Self {
        Self::about(409, "Conflict", group, resource, name, |what| {
            format!("Operation cannot be fulfilled on {what} \"{name}\": {why}")
        })
    }

    /// 409 because the resourceVersion sent is not the stored one.
    pub(crate) fn modified(group: &str, resource: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, resource, name, why)
    }

    /// 403.
    pub(crate) fn forbidden(group: &str, resource: &str, name: &str, why: impl fmt::Display) -> Self {
        Self::about(403, "Forbidden", group, resource, name, |what| {
            if name.is_empty() {
                format!("{what} is forbidden: {why}")
            } else {
                format!("{what} \"{name}\" is forbidden: {why}")
            }
        })
    }

    /// 405.
    pub(crate) fn method_not_supported(group: &str, resource: &str, verb: &str) -> Self {
        Self::about(405, "MethodNotAllowed", group, resource, "", |what| {
            format!("{verb} is not supported on resources of kind \"{what}\"")
        })
    }

    /// 410: the revision asked for is no longer known.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::plain(410, "Expired", message)
    }

    /// 422 with its causes; the message joins them as the real server does.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let mut words: Vec<String> = Vec::new();
        for cause in &causes {
            let word = format!("{}: {}", cause.field, cause.message);
            if !words.contains(&word) {
                words.push(word);
            }
        }
        let list = if words.len() == 1 { words.remove(0) } else { format!("[{}]", words.join(", ")) };
        let mut error =
            Self::about(422, "Invalid", group, kind, name, |what| format!("{what} \"{name}\" is invalid: {list}"));
        if let Some(details) = &mut error.details {
            details.causes = causes;
        }
        error
    }

    /// 501: the server is honest about what is not built.
    pub(crate) fn not_implemented(feature: &str) -> Self {
        Self::plain(501, "NotImplemented", format!("the embedded API server does not serve {feature}"))
    }

    fn about(
        code: u16,
        reason: &'static str,
        group: &str,
        kind: &str,
        name: &str,
        message: impl FnOnce(&str) -> String,
    ) -> Self {
        let details = Details { name: name.into(), group: group.into(), kind: kind.into(), ..Details::default() };
        Self { details: Some(Box::new(details)), ..Self::plain(code, reason, message(&qualified(kind, group))) }
    }

    /// The `Status` object.
    pub(crate) fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if let Some(token) = &self.continue_token {
            status["metadata"]["continue"] = token.as_str().into();
        }
        if let Some(reason) = self.reason {
            status["reason"] = reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.to_json();
        }
        status
    }
}

impl Details {
    fn to_json(&self) -> Value {
        let mut details = json!({});
        for (key, value) in [("name", &self.name), ("group", &self.group), ("kind", &self.kind)] {
            if !value.is_empty() {
                details[key] = value.as_str().into();
            }
        }
        if let Some(seconds) = self.retry_after_seconds {
            details["retryAfterSeconds"] = seconds.into();
        }
        if !self.causes.is_empty() {
            details["causes"] = self
                .causes
                .iter()
                .map(|cause| {
                    let mut value = json!({"message": cause.message});
                    if !cause.reason.is_empty() {
                        value["reason"] = cause.reason.as_str().into();
                    }
                    if !cause.field.is_empty() {
                        value["field"] = cause.field.as_str().into();
                    }
                    value
                })
                .collect();
        }
        details
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// The `Status` of a completed deletion.
pub(crate) fn deleted(group: &str, resource: &str, name: &str, uid: &str) -> Value {
    let mut details = json!({"name": name, "kind": resource, "uid": uid});
    if !group.is_empty() {
        details["group"] = group.into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
