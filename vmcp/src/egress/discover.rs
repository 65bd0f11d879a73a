//! `server/discover`: which revisions a server speaks and, where it is one without sessions, what it offers (2026-07-28,
//! discovery; streamable HTTP, backward compatibility).

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::MAX_MESSAGE;
use super::behind::reached;
use super::era::{Endpoint, Era, Learned};
use super::error::{Cause, EgressError};
use super::events::EventStream;
use super::exchange::Exchange;
use super::handshake::{SPOKEN, shown};
use super::http_client::read_body;
use super::inbound::{self, InFailure, Inbound};
use super::news::Agreed;
use super::response::{drain, failure_body, media_type, protocol};
use super::session::Reply;
use super::stateless::{Message, Sender};
use crate::backend::Caller;
use crate::jsonrpc::{Object, code};
use crate::offers::{Declared, Offers};
use crate::stateless::VERSION;
use crate::stateless::meta::KEEPS_SESSIONS;

/// How long a server may take. One that has not answered by then may be one that stays silent before a handshake.
const PATIENCE: Duration = Duration::from_secs(3);
/// The id of the request, which is the only one of its exchange.
const ID: u64 = 0;

/// What a server has shown of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Discovered {
    /// It speaks the revision without sessions; what it offers, if it said so.
    Stateless(Option<Agreed>),
    /// It does not.
    Sessions,
    /// Its answer proves nothing. A handshake may tell more.
    Unclear,
}

impl Discovered {
    /// How to speak with the server next.
    pub(super) fn era(&self) -> Era {
        self.proven().unwrap_or(Era::Sessions)
    }

    /// What it proves the server to be.
    pub(super) fn proven(&self) -> Option<Era> {
        match self {
            Self::Stateless(_) => Some(Era::Stateless),
            Self::Sessions => Some(Era::Sessions),
            Self::Unclear => None,
        }
    }
}

/// Asks the server of `exchange`. What proves nothing of its revisions and keeps a handshake from working too is an error: 401, 403,
/// 429, 5xx, no connection.
pub(super) async fn discover(exchange: &Exchange, caller: &Caller) -> Result<Discovered, EgressError> {
    let asked = async {
        let message = Message::new(ID, "server/discover", None, &[], Sender::Gateway);
        let message = message.map_err(|error| protocol(&error.to_string()))?;
        judge(message.post(exchange, caller).await?).await
    };
    let discovered = tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Ok(Discovered::Unclear))?;
    tracing::debug!(backend = exchange.backend.name, era = ?discovered.era(), "asked a server for its revisions");
    Ok(discovered)
}

/// The era of the server of `exchange`, which is asked if nobody knows.
pub(super) async fn learn(
    endpoint: &Endpoint,
    exchange: &Arc<Exchange>,
    caller: &Caller,
) -> Result<Learned, EgressError> {
    let ask = || {
        let (exchange, caller) = (Arc::clone(exchange), caller.clone());
        async move { discover(&exchange, &caller).await }
    };
    endpoint.learn(ask).await
}

async fn judge(response: Response<Incoming>) -> Result<Discovered, EgressError> {
    let status = response.status();
    if status.is_success() {
        return match answer(response).await? {
            Some(reply) => judge_reply(&reached(reply)?),
            None if status == StatusCode::ACCEPTED => Ok(Discovered::Sessions),
            None => Ok(Discovered::Unclear),
        };
    }
    let text = failure_body(response).await;
    let failed = || protocol(&format!("the backend answered {status}")).with_status(status);
    match inbound::read_failure(&text, ID) {
        _ if status == StatusCode::TOO_MANY_REQUESTS => Err(failed()),
        InFailure::Unattributed(_) | InFailure::Nothing if status.is_server_error() => Err(failed()),
        InFailure::Answer(reply) | InFailure::Unattributed(reply) => judge_reply(&reply),
        InFailure::Nothing => Ok(Discovered::Sessions),
    }
}

/// The answer in a successful response, if there is one.
async fn answer(response: Response<Incoming>) -> Result<Option<Reply>, EgressError> {
    let of = |text: &[u8]| match inbound::read(text, &super::peer::Hearer::Gateway) {
        Ok(Inbound::Answer { reply: Ok(reply), .. }) => Some(reply),
        _ => None,
    };
    match media_type(&response).as_str() {
        "application/json" => Ok(of(&read_body(response.into_body(), MAX_MESSAGE).await?)),
        "text/event-stream" => {
            let mut events = EventStream::new(response.into_body());
            loop {
                for event in events.next().await? {
                    if let Some(reply) = of(event.data.as_bytes()) {
                        drain(events.into_body());
                        return Ok(Some(reply));
                    }
                }
            }
        }
        _ => Ok(None),
    }
}

#[derive(Deserialize)]
struct DiscoverResult<'a> {
    #[serde(rename = "supportedVersions")]
    supported: Vec<String>,
    #[serde(borrow, default)]
    capabilities: Declared<'a>,
    #[serde(borrow, default)]
    instructions: Option<&'a RawValue>,
    #[serde(rename = "_meta", borrow, default)]
    meta: Option<&'a RawValue>,
}

impl DiscoverResult<'_> {
    /// Whether a proxy says that the server behind it keeps sessions.
    fn keeps_sessions(&self) -> bool {
        let meta = self.meta.and_then(|meta| Object::parse(meta, "_meta", &[KEEPS_SESSIONS]).ok());
        meta.is_some_and(|meta| meta.field(KEEPS_SESSIONS).is_some_and(|value| value.get() == "true"))
    }
}

#[derive(Deserialize)]
struct DiscoverError {
    code: i64,
    #[serde(default)]
    data: Option<Supported>,
}

#[derive(Deserialize)]
struct Supported {
    #[serde(default)]
    supported: Vec<String>,
}

fn judge_reply(reply: &Reply) -> Result<Discovered, EgressError> {
    match reply {
        Reply::Result(result) => {
            // A server that takes any method for one of its own does not know this one.
            let Ok(result) = serde_json::from_str::<DiscoverResult<'_>>(result.get()) else {
                return Ok(Discovered::Sessions);
            };
            if result.keeps_sessions() {
                return Ok(Discovered::Sessions);
            }
            let agreed = Agreed {
                revision: VERSION,
                offers: Offers::of(&result.capabilities, VERSION),
                instructions: result.instructions.and_then(|text| serde_json::from_str(text.get()).ok()),
            };
            of_supported(&result.supported, Some(agreed))
        }
        Reply::Error(error) => match serde_json::from_str::<DiscoverError>(error.get()) {
            Ok(DiscoverError { code: code::HEADER_MISMATCH | code::MISSING_CLIENT_CAPABILITY, .. }) => {
                Ok(Discovered::Stateless(None))
            }
            Ok(DiscoverError { code: code::UNSUPPORTED_PROTOCOL_VERSION, data: Some(data) }) => {
                of_supported(&data.supported, None)
            }
            _ => Ok(Discovered::Sessions),
        },
    }
}

/// What a server is that supports these revisions.
fn of_supported(supported: &[String], agreed: Option<Agreed>) -> Result<Discovered, EgressError> {
    if supported.iter().any(|version| version == VERSION) {
        return Ok(Discovered::Stateless(agreed));
    }
    // Some servers answer although they go on with a handshake.
    if supported.is_empty() || supported.iter().any(|version| SPOKEN.contains(&version.as_str())) {
        return Ok(Discovered::Sessions);
    }
    let message = format!(
        "the backend speaks MCP {}, the gateway speaks {VERSION}, {}",
        shown(&supported.join(", ")),
        SPOKEN.join(", ")
    );
    Err(EgressError::new(Cause::Protocol, message).answered())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::jsonrpc::raw;

    fn result(result: &Value) -> Result<Discovered, Cause> {
        judge_reply(&Reply::Result(raw(result))).map_err(|error| error.cause())
    }

    fn error(error: &Value) -> Result<Discovered, Cause> {
        judge_reply(&Reply::Error(raw(error))).map_err(|error| error.cause())
    }

    #[test]
    fn a_result_counts_by_the_revisions_that_it_names() {
        let offers = Offers { tools: true, ..Offers::default() };
        let agreed = Agreed { revision: VERSION, offers, instructions: Some("Do.".into()) };
        let told = |versions: Value| json!({"supportedVersions": versions, "capabilities": {"tools": {}}, "instructions": "Do."});
        assert_eq!(result(&told(json!(["2026-07-28", "2025-11-25"]))), Ok(Discovered::Stateless(Some(agreed))));
        assert_eq!(result(&told(json!(["2025-11-25"]))), Ok(Discovered::Sessions));
        let mut bridged = told(json!(["2026-07-28", "2025-11-25"]));
        bridged["_meta"] = json!({"vmcp/keeps-sessions": true});
        assert_eq!(result(&bridged), Ok(Discovered::Sessions), "there is more to have in a session");
        assert_eq!(result(&json!({})), Ok(Discovered::Sessions));
        assert_eq!(result(&told(json!("2026-07-28"))), Ok(Discovered::Sessions));
        assert_eq!(result(&told(json!(["2031-01-01"]))), Err(Cause::Protocol));
    }

    #[test]
    fn an_error_counts_by_its_code() {
        for (code, expected) in [
            (-32020, Discovered::Stateless(None)),
            (-32021, Discovered::Stateless(None)),
            (-32022, Discovered::Sessions),
            (-32601, Discovered::Sessions),
            (-32600, Discovered::Sessions),
            (-32000, Discovered::Sessions),
        ] {
            assert_eq!(error(&json!({"code": code, "message": "no"})), Ok(expected), "{code}");
        }
        let unsupported = |versions: Value| error(&json!({"code": -32022, "data": {"supported": versions}}));
        assert_eq!(unsupported(json!(["2026-07-28"])), Ok(Discovered::Stateless(None)));
        assert_eq!(unsupported(json!(["2025-06-18"])), Ok(Discovered::Sessions));
        assert_eq!(unsupported(json!(["2031-01-01"])), Err(Cause::Protocol));
    }
}
