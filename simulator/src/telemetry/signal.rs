//! The kinds of telemetry, and what both encodings share.

/// What an endpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    pub(super) const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// Where below the base URL it is taken.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    /// The member of a partial success that counts what is rejected.
    pub(super) fn rejected(self) -> &'static str {
        match self {
            Self::Traces => "rejectedSpans",
            Self::Metrics => "rejectedDataPoints",
            Self::Logs => "rejectedLogRecords",
        }
    }
}

/// `SpanKind` as the journal writes it.
pub(super) fn span_kind(number: i64) -> String {
    let names = ["unspecified", "internal", "server", "client", "producer", "consumer"];
    usize::try_from(number).ok().and_then(|index| names.get(index)).unwrap_or(&"unspecified").to_string()
}

/// `StatusCode` as the journal writes it.
pub(super) fn status_code(number: i64) -> String {
    match number {
        1 => "ok",
        2 => "error",
        _ => "unset",
    }
    .to_owned()
}
