//! How the control API says no.

use std::time::Duration;

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::live::WorldError;
use crate::tls::ClientCertificateError;
use crate::token::TokenError;
use crate::world::WorldFileError;

/// The body of a refusal.
#[derive(Serialize, JsonSchema)]
pub(super) struct Refused {
    /// All reasons.
    error: String,
}

/// A request that is refused, with all reasons.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    pub(super) fn no_world(name: &str, known: &[String]) -> Self {
        let known =
            if known.is_empty() { "there is none".to_owned() } else { format!("there are {}", known.join(", ")) };
        Self { status: StatusCode::NOT_FOUND, reason: format!("there is no world `{name}`: {known}") }
    }

    pub(super) fn no_authority(name: &str, known: &[String]) -> Self {
        let reason = format!("there is no authority `{name}`: there are {}", known.join(", "));
        Self { status: StatusCode::NOT_FOUND, reason }
    }

    pub(super) fn no_such_file(file: &str) -> Self {
        let reason = format!("there is nothing called {file}: expected AUTHORITY.pem");
        Self { status: StatusCode::NOT_FOUND, reason }
    }

    pub(super) fn exists(name: &str) -> Self {
        let reason = format!("there is a world `{name}` already: end it first, or choose another name");
        Self { status: StatusCode::CONFLICT, reason }
    }

    pub(super) fn misdirected(host: &str) -> Self {
        let reason = format!("the request is for {host:?}: expected localhost or a loopback address");
        Self { status: StatusCode::MISDIRECTED_REQUEST, reason }
    }

    /// Fewer entries than were waited for.
    pub(super) fn too_few(found: usize, wanted: usize, time: Duration) -> Self {
        let reason = format!("{found} of {wanted} entries arrived within {} s", time.as_secs_f64());
        Self { status: StatusCode::NOT_FOUND, reason }
    }

    /// A body that is no JSON, or none of the kind.
    pub(super) fn unreadable(reason: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason }
    }

    /// A form would be sent by any web page without asking.
    pub(super) fn wrong_type() -> Self {
        let reason = "the body is not declared as JSON: expected content-type: application/json".to_owned();
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, reason }
    }
}

impl From<WorldFileError> for Refusal {
    fn from(error: WorldFileError) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, reason: error.to_string() }
    }
}

impl From<WorldError> for Refusal {
    fn from(error: WorldError) -> Self {
        let status = match error {
            WorldError::Problems(_) | WorldError::Unknown(_) => StatusCode::UNPROCESSABLE_ENTITY,
            WorldError::NoAddress => StatusCode::INSUFFICIENT_STORAGE,
            WorldError::Listen { .. } | WorldError::Making { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        Self { status, reason: format!("{error}{cause}") }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, reason: error.to_string() }
    }
}

impl From<ClientCertificateError> for Refusal {
    fn from(error: ClientCertificateError) -> Self {
        let status = match error {
            ClientCertificateError::Request(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ClientCertificateError::Making(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, reason: error.to_string() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(Refused { error: self.reason })).into_response()
    }
}

pub(super) async fn unknown_path(uri: Uri) -> Refusal {
    let reason = format!("there is nothing at {}: expected /worlds, a path below it, or /openapi.json", uri.path());
    Refusal { status: StatusCode::NOT_FOUND, reason }
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal { status: StatusCode::METHOD_NOT_ALLOWED, reason: format!("{method} does nothing at {}", uri.path()) }
}
