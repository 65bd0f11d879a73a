//! Which implementation a server behaves like where implementations differ.

use schemars::JsonSchema;
use serde::Deserialize;

use super::ProtocolVersion;

/// A server library of the field, as it behaves by default. Where these differ from the specification, so does the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Profile {
    /// `@modelcontextprotocol/sdk` 1.32 (TypeScript), as in `server-everything`.
    #[serde(rename = "typescript-sdk-1")]
    TypescriptSdk1,
    /// `@modelcontextprotocol/server` 2.4 (TypeScript).
    #[serde(rename = "typescript-sdk-2")]
    TypescriptSdk2,
    /// `rmcp` 3.9 (Rust).
    #[serde(rename = "rmcp")]
    Rmcp,
    /// `mcp` 2.3 (Python).
    #[serde(rename = "python-sdk")]
    PythonSdk,
    /// `fastmcp` 4.1 (Python).
    #[serde(rename = "fastmcp")]
    Fastmcp,
}

impl Profile {
    /// Whether it keeps sessions.
    #[must_use]
    pub fn keeps_sessions(self) -> bool {
        self != Self::TypescriptSdk2
    }

    /// The revisions that it supports.
    #[must_use]
    pub fn versions(self) -> Vec<ProtocolVersion> {
        let mut versions = ProtocolVersion::LEGACY.to_vec();
        if self != Self::TypescriptSdk1 {
            versions.push(ProtocolVersion::V20260728);
        }
        versions
    }
}
