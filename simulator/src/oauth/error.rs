//! Errors of the endpoints that clients call (RFC 6749, 5.2; RFC 8693, 2.2.2; RFC 7591, 3.2.2).

use std::borrow::Cow;

use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::wire::{Outcome, json_response};

/// An error response.
#[derive(Debug)]
pub(super) struct OAuthError {
    /// The `error` member.
    pub(super) code: Cow<'static, str>,
    pub(super) description: String,
    status: StatusCode,
    /// Whether the client tried HTTP Basic, so that the answer must name a scheme.
    pub(super) tried_basic: bool,
}

/// The errors that an authorization server makes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorCode {
    AccessDenied,
    InvalidClient,
    InvalidClientMetadata,
    InvalidGrant,
    InvalidRedirectUri,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    LoginRequired,
    RequestNotSupported,
    ServerError,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
}

impl ErrorCode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InvalidClient => "invalid_client",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::LoginRequired => "login_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::ServerError => "server_error",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
        }
    }
}

impl OAuthError {
    pub(super) fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        let status =
            if code == ErrorCode::ServerError { StatusCode::INTERNAL_SERVER_ERROR } else { usual(code.as_str()) };
        Self { code: code.as_str().into(), description: description.into(), status, tried_basic: false }
    }

    /// An error that the world file asks for.
    pub(super) fn scripted(code: &str, description: Option<&str>, status: Option<u16>) -> Self {
        let status = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or_else(|| usual(code));
        let description = description.unwrap_or("the world refuses this exchange").to_owned();
        Self { code: code.to_owned().into(), description, status, tried_basic: false }
    }

    pub(super) fn into_outcome(self) -> Outcome {
        let Self { code, description, status, tried_basic } = self;
        let mut response = json_response(status, &json!({"error": code, "error_description": description}));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if tried_basic && code == ErrorCode::InvalidClient.as_str() {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"token endpoint\", charset=\"UTF-8\""),
            );
        }
        Outcome::refused(response, format!("{code}: {description}"))
    }
}

/// RFC 6749, 5.2: a client that is not known gets 401.
fn usual(code: &str) -> StatusCode {
    if code == ErrorCode::InvalidClient.as_str() { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST }
}
