//! Content negotiation: which representation an answer takes.

use http::HeaderMap;
use http::header::ACCEPT;

use super::status::{ApiError, ApiResult};

/// The serialization of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Yaml,
}

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The object as it is.
    Object,
    /// Rows for people, `meta.k8s.io/v1 Table`.
    Table,
    /// Metadata alone, `meta.k8s.io/v1 PartialObjectMetadata` or its list.
    Metadata,
    /// Aggregated discovery.
    Discovery,
}

/// What the client accepts first among what the server can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Representation {
    pub(crate) format: Format,
    pub(crate) shape: Shape,
}

impl Representation {
    /// Plain JSON.
    pub(crate) const JSON: Self = Self { format: Format::Json, shape: Shape::Object };

    /// Picks a representation by the `Accept` header; 406 when none fits.
    pub(crate) fn negotiate(headers: &HeaderMap) -> ApiResult<Self> {
        let accepted: Vec<&str> = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect();
        if accepted.is_empty() {
            return Ok(Self::JSON);
        }
        accepted.iter().find_map(|clause| Self::of(clause)).ok_or_else(not_acceptable)
    }

    fn of(clause: &str) -> Option<Self> {
        let mut parts = clause.split(';').map(str::trim);
        let format = match parts.next()? {
            "application/json" | "*/*" | "application/*" => Format::Json,
            "application/yaml" => Format::Yaml,
            _ => return None,
        };
        let (mut shape, mut group, mut version) = ("", "", "");
        for part in parts {
            match part.split_once('=') {
                Some(("as", value)) => shape = value,
                Some(("g", value)) => group = value,
                Some(("v", value)) => version = value,
                _ => {}
            }
        }
        let shape = match (shape, group, version) {
            ("", _, _) => Shape::Object,
            ("Table", "meta.k8s.io", "v1") => Shape::Table,
            ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1") => Shape::Metadata,
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Shape::Discovery,
            _ => return None,
        };
        Some(Self { format, shape })
    }
}

fn not_acceptable() -> ApiError {
    let media = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    ApiError::plain(406, "NotAcceptable", format!("only the following media types are accepted: {media}"))
}
