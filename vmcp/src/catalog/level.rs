//! Levels of log messages (MCP 2025-11-25, logging).

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
}
