//! A collector at its endpoints (OTLP 1.10, OTLP/HTTP).

use http::{HeaderValue, Method, StatusCode, header};

use super::coding::Coding;
use super::signal::Signal;
use super::{json, protobuf};
use crate::journal::TelemetryFacts;
use crate::wire::{Outcome, Received, method_not_allowed, page};
use crate::world;

/// `INVALID_ARGUMENT` of gRPC, the code of what cannot be read.
const INVALID_ARGUMENT: i32 = 3;

/// What is larger, decoded, would take many times its size.
const LARGEST_EXPORT: usize = 2 * 1024 * 1024;
/// So many spans, data points or log records are taken at once.
const MOST_ITEMS: usize = 10_000;

/// A collector of a world.
pub(crate) struct Collector {
    definition: world::Collector,
}

/// How an export is written.
#[derive(Clone, Copy)]
enum Encoding {
    Protobuf,
    Json,
}

impl Collector {
    pub(crate) fn new(definition: world::Collector) -> Self {
        Self { definition }
    }

    pub(crate) fn definition(&self) -> &world::Collector {
        &self.definition
    }

    /// Whether it takes something at `path`.
    pub(crate) fn serves(&self, path: &str) -> bool {
        self.signal(path).is_some()
    }

    fn signal(&self, path: &str) -> Option<Signal> {
        let below = path.strip_prefix(self.definition.url.path().trim_end_matches('/'))?;
        Signal::ALL.into_iter().find(|signal| signal.path() == below)
    }

    pub(crate) fn answer(&self, received: &Received) -> Outcome {
        if received.method != Method::POST {
            return method_not_allowed("POST", "telemetry is posted");
        }
        let Some(signal) = self.signal(&received.path) else {
            return Outcome::refused_with(StatusCode::NOT_FOUND, "no telemetry is taken here");
        };
        let encoding = match received.media_type().as_deref() {
            Some("application/x-protobuf") => Encoding::Protobuf,
            Some("application/json") => Encoding::Json,
            other => {
                let found = other.unwrap_or("no content type");
                let reason = format!("found {found}, expected application/x-protobuf or application/json");
                return Outcome::refused_with(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason);
            }
        };
        let given = received.header(header::CONTENT_ENCODING.as_str()).unwrap_or("identity");
        let Some(coding) = Coding::named(given) else {
            let reason = format!("found the content encoding {given}, expected gzip, deflate or identity");
            return refused(encoding, StatusCode::UNSUPPORTED_MEDIA_TYPE, &reason);
        };
        let body = match coding.decode(&received.body, LARGEST_EXPORT) {
            Ok(body) => body,
            Err(error) => {
                let reason = format!("the body is not encoded as {given}: {error}");
                return refused(encoding, StatusCode::BAD_REQUEST, &reason);
            }
        };
        if body.len() > LARGEST_EXPORT {
            let reason = format!("the export is larger than {LARGEST_EXPORT} bytes: send smaller batches");
            return refused(encoding, StatusCode::PAYLOAD_TOO_LARGE, &reason);
        }
        match encoding.read(signal, &body) {
            Err(reason) => refused(encoding, StatusCode::BAD_REQUEST, &reason),
            Ok(facts) if facts.items() > MOST_ITEMS => {
                let reason = format!("the export holds more than {MOST_ITEMS} items: send smaller batches");
                refused(encoding, StatusCode::PAYLOAD_TOO_LARGE, &reason)
            }
            Ok(facts) => {
                let rejected = self
                    .definition
                    .rejects
                    .as_deref()
                    .map(|reason| (i64::try_from(facts.items()).unwrap_or(i64::MAX), reason));
                let mut outcome = Outcome::answered(encoding.page(StatusCode::OK, encoding.response(signal, rejected)));
                outcome.verdict = rejected.map(|(_, reason)| format!("everything is rejected: {reason}"));
                outcome.telemetry = Some(Box::new(facts));
                outcome
            }
        }
    }
}

fn refused(encoding: Encoding, status: StatusCode, reason: &str) -> Outcome {
    let body = match encoding {
        Encoding::Protobuf => protobuf::status(INVALID_ARGUMENT, reason),
        Encoding::Json => json::status(INVALID_ARGUMENT, reason),
    };
    Outcome::refused(encoding.page(status, body), reason)
}

impl Encoding {
    fn read(self, signal: Signal, body: &[u8]) -> Result<TelemetryFacts, String> {
        match self {
            Self::Protobuf => {
                protobuf::read(signal, body).map_err(|error| format!("the body is no export in protobuf: {error}"))
            }
            Self::Json => json::read(signal, body).map_err(|error| format!("the body is no export in JSON: {error}")),
        }
    }

    fn response(self, signal: Signal, rejected: Option<(i64, &str)>) -> Vec<u8> {
        match self {
            Self::Protobuf => protobuf::response(signal, rejected),
            Self::Json => json::response(signal, rejected),
        }
    }

    fn page(self, status: StatusCode, body: Vec<u8>) -> http::Response<crate::wire::Body> {
        let mut response = page(status, body);
        let media_type = match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        response
    }
}
