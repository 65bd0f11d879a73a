//! MCPServerEntry: a remote MCP server that gateways connect to directly.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vmcp_config::Transport;

use crate::{
    CaBundleReference, Condition, ExternalAuthConfigReference, GroupReference, SecretKeyReference, conditions::names,
};

/// Where a remote MCP server is, and what connecting to it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "MCPServerEntry",
    plural = "mcpserverentries",
    singular = "mcpserverentry",
    shortname = "mcpentry",
    category = "toolhive",
    doc = "A remote MCP server that gateways connect to directly; nothing is deployed for it.",
    namespaced,
    status = "MCPServerEntryStatus",
    derive = "PartialEq",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Transport", type_ = "string", json_path = ".spec.transport"),
    printcolumn(name = "Remote URL", type_ = "string", json_path = ".spec.remoteUrl"),
    printcolumn(name = "Group", type_ = "string", json_path = ".spec.groupRef.name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct MCPServerEntrySpec {
    /// URL of the remote MCP server.
    #[schemars(regex(pattern = "^https?://"))]
    pub remote_url: String,
    /// How the remote server speaks MCP; there is no default, since a wrong guess shows late.
    pub transport: Transport,
    /// The group that this entry belongs to.
    pub group_ref: GroupReference,
    /// Permits a remoteUrl in a private range or in the cluster. Loopback, link-local and metadata addresses and the
    /// Kubernetes API stay refused.
    #[serde(default)]
    pub allow_private_endpoint: bool,
    /// How gateways authenticate to the remote server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_auth_config_ref: Option<ExternalAuthConfigReference>,
    /// Headers that every request to the remote server carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_forward: Option<HeaderForward>,
    /// Certificate authorities to trust for the remote server, beside those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<CaBundleReference>,
}

/// Headers that every request to a server carries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderForward {
    /// Values by header name. Everyone who may read this object sees them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add_plaintext_headers: BTreeMap<String, String>,
    /// Headers whose values are in Secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["headerName"]))]
    pub add_headers_from_secret: Vec<HeaderFromSecret>,
}

/// A header whose value is in a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderFromSecret {
    /// Name of the header.
    #[schemars(length(min = 1, max = 255))]
    pub header_name: String,
    /// Where the value is.
    pub value_secret_ref: SecretKeyReference,
}

/// Whether an entry can be used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPServerEntryStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether the entry can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Pending"))]
    pub phase: Option<EntryPhase>,
    /// What was checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Whether an entry can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EntryPhase {
    /// Every check passed.
    Valid,
    /// The operator has not seen the entry yet.
    Pending,
    /// A check failed; the conditions say which.
    Failed,
}

names! {
    /// Condition types of an MCPServerEntry.
    EntryCondition {
        /// Every other condition holds.
        Valid,
        /// The group exists and is Ready.
        GroupRefValidated,
        /// The auth config, if any, exists and is Valid.
        ExternalAuthConfigValidated,
        /// The CA bundle, if any, exists and has the key.
        CABundleRefValidated,
        /// The URL does not point where it must not.
        RemoteURLValidated,
        /// The Secrets of headers exist and have the keys; absent when there are none.
        HeaderSecretRefsValidated,
    }
}

names! {
    /// Condition reasons of an MCPServerEntry.
    EntryReason {
        /// Every check passed.
        ConfigValid,
        /// A check failed.
        ConfigInvalid,
        /// The group exists and is Ready.
        GroupRefIsValid,
        /// The group does not exist.
        GroupRefNotFound,
        /// The group exists and is not Ready.
        GroupRefNotReady,
        /// The auth config exists and is Valid.
        AuthConfigValid,
        /// The auth config does not exist.
        AuthConfigNotFound,
        /// The auth config exists and is not Valid.
        AuthConfigInvalid,
        /// There is no auth config.
        AuthConfigNotConfigured,
        /// The CA bundle exists and has the key.
        CABundleRefValid,
        /// The ConfigMap does not exist.
        CABundleRefNotFound,
        /// The ConfigMap has no such key, or no certificate under it.
        CABundleRefInvalid,
        /// There is no CA bundle.
        CABundleRefNotConfigured,
        /// The URL may be called.
        RemoteURLValid,
        /// The URL may not be called.
        RemoteURLInvalid,
        /// Every Secret of a header exists and has the key.
        HeaderSecretsValid,
        /// A Secret of a header, or a key in it, does not exist.
        HeaderSecretNotFound,
    }
}
