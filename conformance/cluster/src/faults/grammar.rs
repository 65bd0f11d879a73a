//! Faults as text, for command lines and files.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::StatusCode;
use jiff::SignedDuration;

use super::request::{Effect, RequestFault, Requests};

/// How a fault is written: one effect, and any of the others, separated by commas.
pub const GRAMMAR: &str = "EFFECT[,KEY=VALUE]... where EFFECT is latency=DURATION, status=CODE[,retry-after=SECONDS] or hang, \
                           and KEY is verb, resource, namespace, name, path, user-agent, user, times or for, as in \
                           latency=200ms,resource=pods,verb=list or status=429,retry-after=2,times=3";

/// A text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; expected {GRAMMAR}")]
pub struct GrammarError {
    problem: String,
}

fn error<T>(problem: impl Into<String>) -> Result<T, GrammarError> {
    Err(GrammarError { problem: problem.into() })
}

impl FromStr for RequestFault {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, GrammarError> {
        let mut effect = None;
        let mut retry_after = None;
        let mut requests = Requests::default();
        let (mut times, mut duration) = (None, None);
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let (key, value) = (key.trim(), value.trim());
            if value.is_empty() && key != "hang" {
                return error(format!("{part:?} is not KEY=VALUE"));
            }
            match key {
                "latency" => set(key, &mut effect, Effect::Latency(span(key, value)?))?,
                "status" => set(key, &mut effect, Effect::Answer { code: code(value)?, retry_after: None })?,
                "hang" if part.contains('=') => return error("hang has no value"),
                "hang" => set(key, &mut effect, Effect::Hang)?,
                "retry-after" => set(key, &mut retry_after, number(key, value)?)?,
                "verb" => set(key, &mut requests.verb, value.to_owned())?,
                "resource" => set(key, &mut requests.resource, value.to_owned())?,
                "namespace" => set(key, &mut requests.namespace, value.to_owned())?,
                "name" => set(key, &mut requests.name, value.to_owned())?,
                "path" => set(key, &mut requests.path, value.to_owned())?,
                "user-agent" => set(key, &mut requests.user_agent, value.to_owned())?,
                "user" => set(key, &mut requests.user, value.to_owned())?,
                "times" => set(key, &mut times, number(key, value)?)?,
                "for" => set(key, &mut duration, span(key, value)?)?,
                _ => return error(format!("there is no key {key:?}")),
            }
        }
        let effect = match (effect, retry_after) {
            (Some(Effect::Answer { code, .. }), retry_after) => Effect::Answer { code, retry_after },
            (Some(_), Some(_)) => return error("retry-after goes with status alone"),
            (Some(effect), None) => effect,
            (None, _) => return error(format!("{text:?} has no effect")),
        };
        Ok(Self { requests, effect, times, duration })
    }
}

fn set<T>(key: &str, place: &mut Option<T>, value: T) -> Result<(), GrammarError> {
    if place.replace(value).is_some() {
        return error(format!("{key} stands where there is such a value already"));
    }
    Ok(())
}

fn number(key: &str, value: &str) -> Result<u32, GrammarError> {
    value.parse().or_else(|_| error(format!("{key}={value} is not a number")))
}

fn span(key: &str, value: &str) -> Result<Duration, GrammarError> {
    let parsed = value.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    parsed.map_or_else(|| error(format!("{key}={value} is not a duration such as 200ms, 10s or 5m")), Ok)
}

fn code(value: &str) -> Result<StatusCode, GrammarError> {
    let code = value.parse::<StatusCode>().ok().filter(|code| code.is_client_error() || code.is_server_error());
    code.map_or_else(|| error(format!("status={value} is not an HTTP code from 400 to 599")), Ok)
}

impl fmt::Display for RequestFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.effect {
            Effect::Latency(latency) => write!(formatter, "latency={}", Span(*latency))?,
            Effect::Answer { code, retry_after } => {
                write!(formatter, "status={}", code.as_u16())?;
                if let Some(seconds) = retry_after {
                    write!(formatter, ",retry-after={seconds}")?;
                }
            }
            Effect::Hang => formatter.write_str("hang")?,
        }
        let Requests { verb, resource, namespace, name, path, user_agent, user } = &self.requests;
        for (key, value) in [
            ("verb", verb),
            ("resource", resource),
            ("namespace", namespace),
            ("name", name),
            ("path", path),
            ("user-agent", user_agent),
            ("user", user),
        ] {
            if let Some(value) = value {
                write!(formatter, ",{key}={value}")?;
            }
        }
        if let Some(times) = self.times {
            write!(formatter, ",times={times}")?;
        }
        if let Some(duration) = self.duration {
            write!(formatter, ",for={}", Span(duration))?;
        }
        Ok(())
    }
}

/// A duration as the grammar has it.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_nanos() == 0 {
            write!(formatter, "{}s", self.0.as_secs())
        } else if self.0.subsec_nanos().is_multiple_of(1_000_000) {
            write!(formatter, "{}ms", self.0.as_millis())
        } else {
            write!(formatter, "{}ns", self.0.as_nanos())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_fault_reads_as_it_is_written() {
        for text in [
            "hang",
            "latency=200ms,verb=list,resource=pods",
            "status=429,retry-after=2,times=3",
            "status=503,namespace=a,name=b,path=/apis,user-agent=kubectl/v1,user=system:serviceaccount:a:b,for=90s",
        ] {
            assert_eq!(text.parse::<RequestFault>().unwrap().to_string(), text);
        }
        assert_eq!("latency=1m".parse::<RequestFault>().unwrap().effect, Effect::Latency(Duration::from_mins(1)));
    }

    #[test]
    fn a_bad_fault_is_refused_with_the_grammar() {
        for (text, problem) in [
            ("", "\"\" is not KEY=VALUE"),
            ("verb=list", "\"verb=list\" has no effect"),
            ("latency=soon", "latency=soon is not a duration such as 200ms, 10s or 5m"),
            ("latency=-1s", "latency=-1s is not a duration such as 200ms, 10s or 5m"),
            ("status=200", "status=200 is not an HTTP code from 400 to 599"),
            ("hang,status=500", "status stands where there is such a value already"),
            ("hang=1s", "hang has no value"),
            ("hang,retry-after=1", "retry-after goes with status alone"),
            ("hang,times=often", "times=often is not a number"),
            ("hang,verbs=list", "there is no key \"verbs\""),
            ("hang,verb=", "\"verb=\" is not KEY=VALUE"),
        ] {
            let error = text.parse::<RequestFault>().unwrap_err().to_string();
            assert_eq!(error, format!("{problem}; expected {GRAMMAR}"));
        }
    }
}
