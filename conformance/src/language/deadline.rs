//! How long a step may wait: a name whose meaning belongs to the target, or an exact time.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::diagnostic::did_you_mean;

/// What a step waits for, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// An object's status settles.
    Status,
    /// A workload answers.
    Ready,
    /// A deleted object disappears.
    Gone,
    /// An MCP or HTTP request is answered.
    Call,
    /// A change reaches a running gateway.
    Live,
    /// A request shows in a journal.
    Journal,
    /// A line shows in a log.
    Logs,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Status, Self::Ready, Self::Gone, Self::Call, Self::Live, Self::Journal, Self::Logs];

    /// The name in scenario files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Ready => "ready",
            Self::Gone => "gone",
            Self::Call => "call",
            Self::Live => "live",
            Self::Journal => "journal",
            Self::Logs => "logs",
        }
    }

    /// How long a target of ordinary speed may take.
    pub fn ordinary(self) -> Duration {
        Duration::from_secs(match self {
            Self::Status => 30,
            Self::Ready => 90,
            Self::Gone => 60,
            Self::Call | Self::Journal | Self::Logs => 15,
            Self::Live => 45,
        })
    }

    /// The moment of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|moment| moment.name() == name)
    }
}

/// A step's deadline as its file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// By name.
    Named(Moment),
    /// Exactly this long.
    Exact(Duration),
}

/// Reads `500ms`, `2s`, `3m` or `1h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3600)?)),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Deadline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some(moment) = Moment::named(&text) {
            return Ok(Self::Named(moment));
        }
        duration(&text).map(Self::Exact).ok_or_else(|| {
            let names = Moment::ALL.map(Moment::name);
            de::Error::custom(format!(
                "`{text}` is no deadline: expected {} or a time such as 5s{}",
                names.join(", "),
                did_you_mean(&text, names)
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Some(Duration::from_mins(2)));
        assert_eq!(duration("5"), None);
        assert_eq!(duration("s"), None);
    }
}
