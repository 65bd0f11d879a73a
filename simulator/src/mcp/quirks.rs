//! How servers answer what the specification forbids, where implementations differ: a table of the strict server and of the profiles.

use http::StatusCode;
use serde_json::Value;

use super::jsonrpc::{HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, MethodError, PARSE_ERROR, TRANSPORT_ERROR};
use crate::wire::{Outcome, json_response};
use crate::world::{Profile, Server};

/// A refusal. The body is a JSON-RPC error where there is a code, and else a sentence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    status: StatusCode,
    code: Option<i64>,
}

impl Refused {
    const fn error(status: StatusCode, code: i64) -> Self {
        Self { status, code: Some(code) }
    }

    const fn sentence(status: StatusCode) -> Self {
        Self { status, code: None }
    }

    /// The refusal for this reason.
    pub(super) fn because(self, reason: impl Into<String>) -> Box<Outcome> {
        let reason = reason.into();
        Box::new(match self.code {
            None => Outcome::refused_with(self.status, reason),
            Some(code) => {
                let error = MethodError::new(code, reason);
                Outcome::refused(json_response(self.status, &error.response(&Value::Null)), error.message)
            }
        })
    }
}

/// Whether batches are taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Batches {
    /// In the revision that has them.
    OfTheirRevision,
    Always,
    Never(Refused),
}

/// What a server does about requests that break the rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quirks {
    pub(super) missing_session: Refused,
    /// For one that has ended, too.
    pub(super) unknown_session: Refused,
    /// A revision in `MCP-Protocol-Version` that is not supported.
    pub(super) wrong_version: Refused,
    /// Whether `Accept: */*` counts as listing what must be listed.
    pub(super) takes_wildcards: bool,
    pub(super) wrong_content_type: Refused,
    pub(super) no_json: Refused,
    pub(super) batches: Batches,
    /// Pages of another origin; `None`: they may call.
    pub(super) foreign_origin: Option<Refused>,
    /// A `Host` that is not the server's; `None`: it is served. It must be routed to the server, which only profiles ask for.
    pub(super) foreign_host: Option<Refused>,
    /// The answer to DELETE.
    pub(super) deleted: StatusCode,
    /// The code for a header that names another revision than `_meta` (2026-07-28).
    pub(super) other_version_in_header: i64,
}

/// The server that is as strict as the specification allows.
const STRICT: Quirks = Quirks {
    missing_session: Refused::error(StatusCode::BAD_REQUEST, TRANSPORT_ERROR),
    unknown_session: Refused::error(StatusCode::NOT_FOUND, TRANSPORT_ERROR),
    wrong_version: Refused::error(StatusCode::BAD_REQUEST, TRANSPORT_ERROR),
    takes_wildcards: false,
    wrong_content_type: Refused::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, TRANSPORT_ERROR),
    no_json: Refused::error(StatusCode::BAD_REQUEST, PARSE_ERROR),
    batches: Batches::OfTheirRevision,
    foreign_origin: Some(Refused::error(StatusCode::FORBIDDEN, TRANSPORT_ERROR)),
    foreign_host: None,
    deleted: StatusCode::OK,
    other_version_in_header: HEADER_MISMATCH,
};

const TYPESCRIPT_SDK_1: Quirks = Quirks {
    unknown_session: Refused::error(StatusCode::BAD_REQUEST, TRANSPORT_ERROR),
    batches: Batches::Always,
    foreign_origin: None,
    ..STRICT
};

const TYPESCRIPT_SDK_2: Quirks = Quirks { batches: Batches::Always, foreign_origin: None, ..STRICT };

const RMCP: Quirks = Quirks {
    missing_session: Refused::sentence(StatusCode::BAD_REQUEST),
    unknown_session: Refused::sentence(StatusCode::NOT_FOUND),
    no_json: Refused::sentence(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    batches: Batches::Never(Refused::sentence(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
    foreign_origin: None,
    foreign_host: Some(Refused::sentence(StatusCode::FORBIDDEN)),
    deleted: StatusCode::ACCEPTED,
    ..STRICT
};

const PYTHON_SDK: Quirks = Quirks {
    missing_session: Refused::error(StatusCode::BAD_REQUEST, INVALID_REQUEST),
    wrong_version: Refused::error(StatusCode::BAD_REQUEST, INVALID_PARAMS),
    takes_wildcards: true,
    wrong_content_type: Refused::sentence(StatusCode::BAD_REQUEST),
    batches: Batches::Never(Refused::error(StatusCode::BAD_REQUEST, INVALID_REQUEST)),
    foreign_origin: Some(Refused::sentence(StatusCode::FORBIDDEN)),
    foreign_host: Some(Refused::sentence(StatusCode::MISDIRECTED_REQUEST)),
    other_version_in_header: INVALID_REQUEST,
    ..STRICT
};

const FASTMCP: Quirks = Quirks { foreign_origin: None, foreign_host: None, ..PYTHON_SDK };

impl Quirks {
    /// Those of the server.
    pub(super) fn of(server: &Server) -> &'static Self {
        match server.behaves_like {
            None => &STRICT,
            Some(Profile::TypescriptSdk1) => &TYPESCRIPT_SDK_1,
            Some(Profile::TypescriptSdk2) => &TYPESCRIPT_SDK_2,
            Some(Profile::Rmcp) => &RMCP,
            Some(Profile::PythonSdk) => &PYTHON_SDK,
            Some(Profile::Fastmcp) => &FASTMCP,
        }
    }
}
