//! Errors of the token endpoint (RFC 6749, 5.2, and RFC 8693, 2.2.2).

use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::wire::{Outcome, json_response};

/// An error response of the token endpoint.
#[derive(Debug)]
pub(super) struct TokenEndpointError {
    pub(super) code: ErrorCode,
    pub(super) description: String,
    /// Whether the client tried HTTP Basic, so that the answer must name a scheme.
    pub(super) tried_basic: bool,
}

/// The `error` member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidScope,
    InvalidTarget,
    UnauthorizedClient,
    UnsupportedGrantType,
    ServerError,
}

impl ErrorCode {
    fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::ServerError => "server_error",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl TokenEndpointError {
    pub(super) fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        Self { code, description: description.into(), tried_basic: false }
    }

    pub(super) fn into_outcome(self) -> Outcome {
        let code = self.code.as_str();
        let mut response =
            json_response(self.code.status(), &json!({"error": code, "error_description": self.description}));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.tried_basic && self.code == ErrorCode::InvalidClient {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"token endpoint\", charset=\"UTF-8\""),
            );
        }
        Outcome::refused(response, format!("{code}: {}", self.description))
    }
}
