//! Host names that say by themselves where they lead.

use std::fmt;

/// What a host name is, as far as the guard cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// The metadata service of a cloud.
    Metadata,
    /// The Kubernetes API.
    KubernetesApi,
    /// This machine (RFC 6761, section 6.3).
    Localhost,
    /// A Service or a pod of the cluster.
    Cluster,
}

/// Each with all names below it.
const METADATA: &[&str] = &[
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.azure.com",
    "metadata.oraclecloud.com",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "metadata.packet.net",
    "metadata.digitalocean.com",
    "api.metadata.cloud.ibm.com",
    "instance-data",
    "instance-data.ec2.internal",
    "rancher-metadata",
];

/// The kind of a name, if it is one of these.
pub(super) fn kind(name: &str) -> Option<NameKind> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if is_metadata(&name) {
        Some(NameKind::Metadata)
    } else if name == "kubernetes" || name == "kubernetes.default" || name.starts_with("kubernetes.default.") {
        Some(NameKind::KubernetesApi)
    } else if is_localhost(&name) {
        Some(NameKind::Localhost)
    } else if !name.contains('.') || has_suffix(&name, "svc") || has_suffix(&name, "cluster.local") {
        Some(NameKind::Cluster)
    } else {
        None
    }
}

fn is_metadata(name: &str) -> bool {
    let by_region = name.starts_with("instance-data.") && has_suffix(name, "compute.internal");
    by_region || METADATA.iter().any(|refused| name == *refused || has_suffix(name, refused))
}

/// Whether a name is `localhost` or below it.
pub(in crate::egress) fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || has_suffix(&name.to_ascii_lowercase(), "localhost")
}

fn has_suffix(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'))
}

impl fmt::Display for NameKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Metadata => "that of the metadata service of a cloud",
            Self::KubernetesApi => "that of the Kubernetes API",
            Self::Localhost => "that of this machine",
            Self::Cluster => "a name of the cluster, which only allowPrivateEndpoint permits",
        })
    }
}
