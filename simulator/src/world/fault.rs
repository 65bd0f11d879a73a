//! What a server does wrong, and to which requests.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::duration;

/// A fault of a server. All faults whose requests match act on a request together, in the order of the list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The requests that it acts on. Absent: all.
    #[serde(default)]
    pub on: Requests,
    /// How many of them pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// On how many it then acts. Absent: on all that follow.
    #[serde(default)]
    pub times: Option<NonZeroU32>,
    /// What happens to them.
    pub does: Misbehaviour,
}

/// Which requests: all that is said must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requests {
    /// The HTTP method.
    #[serde(default)]
    pub http: Option<String>,
    /// The path.
    #[serde(default)]
    pub path: Option<String>,
    /// The JSON-RPC method.
    #[serde(default)]
    pub method: Option<String>,
    /// The tool that `tools/call` names.
    #[serde(default)]
    pub tool: Option<String>,
}

/// One way to go wrong. In YAML: a mapping with the one key that names it, or the name alone where nothing more is to be said.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Misbehaviour {
    /// Answers later.
    Latency(Delay),
    /// Answers when so many requests, this one among them, have arrived.
    Barrier(NonZeroUsize),
    /// Never answers; the connection stays open.
    Hang,
    /// Resets the connection instead of an answer.
    Reset,
    /// Closes the connection instead of an answer.
    Close,
    /// Ends its own side of the connection and goes on listening, without an answer.
    HalfClose,
    /// Answers this, and the server does nothing.
    Respond(Page),
    /// Sets headers of the answer; null removes one.
    Headers(BTreeMap<String, Option<String>>),
    /// Changes the JSON-RPC answer by this merge patch (RFC 7396).
    Merge(Map<String, Value>),
    /// Sends the JSON-RPC answer so often, on a stream.
    Repeat(NonZeroUsize),
    /// Does what was asked, and ends the answer's stream without it.
    Unanswered,
    /// Names another address for messages (HTTP+SSE).
    Endpoint(String),
    /// Sends so many bytes of the body, then no more; the connection stays open.
    Stall(u64),
    /// Sends so many bytes of the body, then closes the connection.
    Truncate(u64),
    /// Sends the body in small pieces.
    Drip(Drip),
    /// Puts so many bytes before the body that mean nothing: spaces, or a comment of an event stream.
    Pad(u64),
    /// Puts a byte order mark before the body.
    ByteOrderMark,
    /// Ends lines of an event stream otherwise.
    Lines(Lines),
    /// Puts comments before each event of a stream.
    Comments,
    /// Acknowledges a subscription wrongly (2026-07-28).
    Acknowledgement(Acknowledgement),
    /// Sends a notification over and over on every event stream that it answers with.
    Storm(Storm),
    /// Forgets all sessions of the server before it answers.
    ForgetSessions,
}

/// How a subscription is acknowledged, other than before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledgement {
    /// Not at all; its notifications come all the same.
    Never,
    /// After its first notification.
    Late,
}

/// How long an answer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Always as long.
    Fixed(Duration),
    /// Any time of a range, each as likely. The same seed gives the same times.
    Between {
        /// The shortest.
        from: Duration,
        /// The longest.
        to: Duration,
        /// Where chance begins; none: where the world says.
        seed: Option<u64>,
    },
}

/// A whole answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Page {
    /// The status, 200 to 599.
    pub status: u16,
    /// The headers. Without `Content-Type` the body has none.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: String,
}

/// How slowly a body is sent.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drip {
    /// Bytes at a time.
    pub bytes: NonZeroUsize,
    /// The time between two pieces.
    #[serde(deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    pub every: Duration,
}

/// A notification without an end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Storm {
    /// The time between two of them.
    #[serde(deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    pub every: Duration,
    /// Its method. Absent: that the list of tools has changed.
    #[serde(default = "list_changed")]
    pub method: String,
}

fn list_changed() -> String {
    "notifications/tools/list_changed".to_owned()
}

/// How lines end, other than with a line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lines {
    /// Carriage return and line feed.
    CrLf,
    /// Carriage return alone.
    Cr,
}

impl Misbehaviour {
    /// The name, as it is written in a world and found in the journal.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Barrier(_) => "barrier",
            Self::Hang => "hang",
            Self::Reset => "reset",
            Self::Close => "close",
            Self::HalfClose => "halfClose",
            Self::Respond(_) => "respond",
            Self::Headers(_) => "headers",
            Self::Merge(_) => "merge",
            Self::Repeat(_) => "repeat",
            Self::Unanswered => "unanswered",
            Self::Endpoint(_) => "endpoint",
            Self::Stall(_) => "stall",
            Self::Truncate(_) => "truncate",
            Self::Drip(_) => "drip",
            Self::Pad(_) => "pad",
            Self::ByteOrderMark => "byteOrderMark",
            Self::Lines(_) => "lines",
            Self::Comments => "comments",
            Self::Acknowledgement(_) => "acknowledgement",
            Self::Storm(_) => "storm",
            Self::ForgetSessions => "forgetSessions",
        }
    }

    /// Whether it acts on JSON-RPC messages, which only MCP servers send.
    pub(crate) fn is_about_messages(&self) -> bool {
        matches!(
            self,
            Self::Merge(_)
                | Self::Repeat(_)
                | Self::Unanswered
                | Self::Endpoint(_)
                | Self::Acknowledgement(_)
                | Self::Storm(_)
                | Self::ForgetSessions
        )
    }
}

/// A range of delays, as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenRange {
    /// The shortest delay.
    #[serde(deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    from: Duration,
    /// The longest delay.
    #[serde(deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    to: Duration,
    /// Where chance begins: the same seed gives the same delays. Absent: the world's seed.
    #[serde(default)]
    seed: Option<u64>,
}

impl JsonSchema for Delay {
    fn schema_name() -> Cow<'static, str> {
        "Delay".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How long an answer waits: a duration, or any time of a range.",
            "anyOf": [generator.subschema_for::<duration::Written>(), generator.subschema_for::<WrittenRange>()],
        })
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DelayVisitor;

        impl<'de> serde::de::Visitor<'de> for DelayVisitor {
            type Value = Delay;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a duration such as `90s`, or a mapping with `from`, `to` and perhaps `seed`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Delay, E> {
                duration::deserialize(serde::de::value::StrDeserializer::new(text)).map(Delay::Fixed)
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Delay, E> {
                Ok(Delay::Fixed(Duration::from_secs(seconds)))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Delay, A::Error> {
                let WrittenRange { from, to, seed } =
                    WrittenRange::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Delay::Between { from, to, seed })
            }
        }

        deserializer.deserialize_any(DelayVisitor)
    }
}

/// What is wrong with each of `faults`: its field below the fault, and the sentence. `messages` says whether whoever has them
/// sends JSON-RPC, `announces` whether over HTTP+SSE.
pub(super) fn problems(faults: &[Fault], messages: bool, announces: bool) -> Vec<(usize, &'static str, String)> {
    let mut found = Vec::new();
    for (index, fault) in faults.iter().enumerate() {
        let mut add = |field, message| found.push((index, field, message));
        let on = &fault.on;
        if let Some(method) = &on.http
            && (method.is_empty() || method.chars().any(|letter| !letter.is_ascii_uppercase()))
        {
            add("on.http", format!("`{method}` is not an HTTP method: expected one like POST"));
        }
        if let Some(path) = on.path.as_ref().filter(|path| !path.starts_with('/')) {
            add("on.path", format!("`{path}` is not a path: expected a leading slash"));
        }
        if on.tool.is_some() && on.method.as_deref().is_some_and(|method| method != "tools/call") {
            add("on.tool", "only `tools/call` names a tool: leave `method` out".to_owned());
        }
        if fault.does.is_about_messages() && !messages {
            let name = fault.does.name();
            add("does", format!("`{name}` is for MCP servers: an authorization server sends no JSON-RPC messages"));
        }
        match &fault.does {
            Misbehaviour::Latency(Delay::Between { from, to, .. }) if from > to => {
                add("does.latency", "`from` is longer than `to`".to_owned());
            }
            Misbehaviour::Storm(storm) if storm.every.is_zero() => {
                add("does.storm.every", "expected a time between two notifications, such as `5ms`".to_owned());
            }
            Misbehaviour::Endpoint(_) if messages && !announces => {
                add("does", "only the transport `sse` announces an endpoint".to_owned());
            }
            Misbehaviour::Respond(page) => {
                if !(200..=599).contains(&page.status) {
                    add("does.respond.status", format!("{} is not a status between 200 and 599", page.status));
                }
                for (name, value) in &page.headers {
                    if let Some(problem) = header_problem(name, value) {
                        add("does.respond.headers", problem);
                    }
                }
            }
            Misbehaviour::Headers(headers) => {
                for (name, value) in headers {
                    if let Some(problem) = header_problem(name, value.as_deref().unwrap_or_default()) {
                        add("does.headers", problem);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

fn header_problem(name: &str, value: &str) -> Option<String> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Some(format!("`{name}` is not a header name"));
    }
    http::HeaderValue::from_str(value)
        .is_err()
        .then(|| format!("the value of `{name}` has characters that none may have"))
}
