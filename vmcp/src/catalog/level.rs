//! Levels of log messages (MCP 2025-11-25, logging).

use crate::jsonrpc::told;
use serde::{Deserialize, Serialize};

/// A level, the least severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of RFC 5424")]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Level {
    /// How errors name all of them.
    pub(crate) const EXPECTED: &str = "one of debug, info, notice, warning, error, critical, alert and emergency";

    /// Whether a log message is of this level or above, so that whoever has asked for it hears the message. Not every backend keeps to
    /// the level that it was told, nor does each tell the level of its messages.
    pub(crate) fn lets_through(self, message: &[u8]) -> bool {
        told(message, "level").is_none_or(|level: Self| level >= self)
    }
}
