//! Tools of the gateway itself: search over tools, and scripts over tools.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Duration, Secret,
    operational::{number, seconds},
    schema::Integer,
};

/// Offers a search over the tools instead of the tools themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "embeddingHeaders is only supported when embeddingProvider is 'openai'",
        "rule": "!has(self.embeddingHeaders) || (has(self.embeddingProvider) && self.embeddingProvider == 'openai')"
    },
    {
        "message": "embeddingHeaders names must be valid HTTP header names and must not include Authorization or Content-Type",
        "rule": "!has(self.embeddingHeaders) || self.embeddingHeaders.all(k, k.matches('^[!#$%&\\\\x27*+.^_\\\\x60|~0-9A-Za-z-]+$') && !(k.lowerAscii() in ['authorization', 'content-type']))"
    }
]))]
pub struct Optimizer {
    /// Where embeddings are computed; words alone are searched when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_service: Option<String>,
    /// How long one request to it may take.
    #[serde(default = "seconds::<30>")]
    pub embedding_service_timeout: Duration,
    /// The API that it speaks.
    #[serde(default)]
    pub embedding_provider: EmbeddingProvider,
    /// The model that it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_model: Option<String>,
    /// Headers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "maxProperties" = 32,
        "additionalProperties" = {
            "type": "string", "minLength": 1, "maxLength": 8192, "pattern": "^[^\\x00-\\x08\\x0A-\\x1F\\x7F]*$"
        }
    ))]
    pub embedding_headers: Option<BTreeMap<String, Secret>>,
    /// How many tools one search returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Integer>", extend("minimum" = 1, "maximum" = 50))]
    pub max_tools_to_return: Option<i64>,
    /// Share of results by meaning, from 0.0 to 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]*[.])?[0-9]+$"))]
    pub hybrid_search_semantic_ratio: Option<String>,
    /// Distance above which a result is dropped, from 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]*[.])?[0-9]+$"))]
    pub semantic_distance_threshold: Option<String>,
}

/// The API of an embedding service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmbeddingProvider {
    /// Text Embeddings Inference.
    #[default]
    Tei,
    /// The API of `OpenAI`.
    OpenAi,
}

/// Offers a tool that runs scripts over the tools.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeMode {
    /// Whether it is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Steps after which a script is stopped.
    #[serde(default = "number::<100_000>")]
    #[schemars(range(min = 1))]
    pub step_limit: i64,
    /// Calls that a script makes at once.
    #[serde(default = "number::<10>")]
    #[schemars(with = "Integer", range(min = 1))]
    pub parallel_max_concurrency: i64,
    /// How long one call may take.
    #[serde(default = "seconds::<30>")]
    pub tool_call_timeout: Duration,
}
