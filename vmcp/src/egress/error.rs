//! What can go wrong between the gateway and a backend, in words that may be shown to any client.

use std::fmt;

/// The class of a failure, as clients see it in `error.data.cause`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No answer within the deadline.
    Timeout,
    /// The certificate or the handshake was not accepted.
    Tls,
    /// The host name has no address.
    Dns,
    /// No connection, or one that broke.
    Refused,
    /// The egress guard does not allow the address or name.
    Blocked,
    /// The backend, or the token endpoint on the way to it, did not accept the credentials.
    Unauthorized,
    /// What came back is not what HTTP or MCP ask for.
    Protocol,
    /// The backend was not asked, because it has failed too often.
    CircuitOpen,
    /// The backend was not asked, because too many requests to it are under way.
    Overloaded,
}

impl Cause {
    /// The name of the class.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Blocked => "blocked",
            Self::Unauthorized => "unauthorized",
            Self::Protocol => "protocol",
            Self::CircuitOpen => "circuit_open",
            Self::Overloaded => "overloaded",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A failed exchange with a backend. The message names neither addresses nor secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EgressError {
    cause: Cause,
    status: Option<u16>,
    origin: Origin,
    is_unexecuted: bool,
    code: Option<i64>,
    message: String,
}

/// What a failure came of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The backend, or the way to it.
    Backend,
    /// A well-formed answer of the backend.
    Answer,
    /// An answer to the request, which is no result and no error as MCP has them.
    MalformedAnswer,
    /// The token endpoint on the way to the backend.
    TokenEndpoint,
    /// The time that the request was given. Either the backend hangs or the tool takes its time.
    Deadline,
}

impl EgressError {
    /// A failure of class `cause`.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, status: None, origin: Origin::Backend, is_unexecuted: false, code: None, message: message.into() }
    }

    /// No answer within the time that a request was given.
    pub(super) fn overdue(message: impl Into<String>) -> Self {
        Self { origin: Origin::Deadline, ..Self::new(Cause::Timeout, message) }
    }

    /// The same failure with the HTTP status that showed it.
    #[must_use]
    pub fn with_status(mut self, status: http::StatusCode) -> Self {
        self.status = Some(status.as_u16());
        self
    }

    /// The same failure, which happened at the token endpoint on the way to the backend.
    #[must_use]
    pub(crate) fn at_token_endpoint(mut self) -> Self {
        self.origin = Origin::TokenEndpoint;
        self.message = format!("no token could be obtained at the token endpoint: {}", self.message);
        self
    }

    /// The same failure, which the backend told of in a well-formed answer.
    #[must_use]
    pub(crate) fn answered(mut self) -> Self {
        self.origin = Origin::Answer;
        self
    }

    /// An answer to a request, which is malformed for this reason.
    pub(super) fn malformed_answer(why: &str) -> Self {
        let message = format!("the backend's answer is malformed: {why}");
        Self { origin: Origin::MalformedAnswer, ..Self::new(Cause::Protocol, message) }
    }

    /// The same failure, with the code of the JSON-RPC error by which the backend told of it.
    #[must_use]
    pub(super) fn with_code(mut self, code: i64) -> Self {
        self.code = Some(code);
        self
    }

    /// The code of the JSON-RPC error by which the backend told of it, if it did.
    pub(crate) fn code(&self) -> Option<i64> {
        self.code
    }

    /// The same failure, by which the backend refused the request without executing it.
    #[must_use]
    pub(super) fn unexecuted(mut self) -> Self {
        self.is_unexecuted = true;
        self
    }

    /// Whether it is certain that the backend has not executed the request.
    pub(crate) fn is_unexecuted(&self) -> bool {
        self.is_unexecuted
    }

    /// Whether it shows that the backend is there: it told of it in an answer, or refused with a status of 3xx or 4xx.
    pub(super) fn shows_presence(&self) -> bool {
        match self.origin {
            Origin::Answer | Origin::MalformedAnswer => true,
            Origin::Backend => matches!(self.status, Some(300..500)),
            Origin::TokenEndpoint | Origin::Deadline => false,
        }
    }

    /// Whether the backend has answered the request, though not as MCP asks.
    pub(crate) fn is_malformed_answer(&self) -> bool {
        self.origin == Origin::MalformedAnswer
    }

    /// Whether the backend itself has failed: it could not be reached, answered 5xx, or with what is not MCP.
    pub(crate) fn is_outage(&self) -> bool {
        let is_of_backend = match self.cause {
            Cause::Timeout | Cause::Tls | Cause::Dns | Cause::Refused | Cause::Protocol => true,
            Cause::Blocked | Cause::Unauthorized | Cause::CircuitOpen | Cause::Overloaded => false,
        };
        is_of_backend && self.origin == Origin::Backend && !self.shows_presence()
    }

    /// Whether it happened at the token endpoint: it says nothing about the backend.
    pub fn is_at_token_endpoint(&self) -> bool {
        self.origin == Origin::TokenEndpoint
    }

    /// The class.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The HTTP status that the backend answered with, if the failure is one.
    pub fn status(&self) -> Option<u16> {
        self.status
    }
}
