//! Names that gateways may not connect to.

use super::Refusal;

/// Names of this machine, of metadata services and of the Kubernetes API, each with all names below it.
const NEVER: [(&str, &str); 19] = [
    ("localhost", "a name of the pod itself"),
    ("localhost.localdomain", "a name of the pod itself"),
    ("localhost6.localdomain6", "a name of the pod itself"),
    ("ip6-localhost", "a name of the pod itself"),
    ("ip6-loopback", "a name of the pod itself"),
    ("metadata.google.internal", "a cloud metadata endpoint"),
    ("metadata.goog", "a cloud metadata endpoint"),
    ("metadata.azure.internal", "a cloud metadata endpoint"),
    ("instance-data.ec2.internal", "a cloud metadata endpoint"),
    ("metadata.tencentyun.com", "a cloud metadata endpoint"),
    ("metadata.platformequinix.com", "a cloud metadata endpoint"),
    ("metadata.packet.net", "a cloud metadata endpoint"),
    ("metadata.azure.com", "a cloud metadata endpoint"),
    ("metadata.oraclecloud.com", "a cloud metadata endpoint"),
    ("metadata.digitalocean.com", "a cloud metadata endpoint"),
    ("api.metadata.cloud.ibm.com", "a cloud metadata endpoint"),
    ("rancher-metadata", "a cloud metadata endpoint"),
    ("metadata", "a cloud metadata endpoint"),
    ("instance-data", "a cloud metadata endpoint"),
];

/// The names under which a cluster serves its own API.
const KUBERNETES: [&str; 4] =
    ["kubernetes.default.svc.cluster.local", "kubernetes.default.svc", "kubernetes.default", "kubernetes"];

/// Whether, and why, gateways may not connect to `host`, which the URL parser has brought to lower case.
pub(super) fn judge(host: &str) -> Option<Refusal> {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    if name.is_empty() {
        return Some(Refusal::always("an empty name"));
    }
    if name.starts_with("instance-data.") && is_or_is_below(&name, "compute.internal") {
        return Some(Refusal::always("a cloud metadata endpoint"));
    }
    if let Some((_, what)) = NEVER.into_iter().find(|(refused, _)| is_or_is_below(&name, refused)) {
        return Some(Refusal::always(what));
    }
    if KUBERNETES.into_iter().any(|refused| is_or_is_below(&name, refused)) || is_kubernetes_api(&name) {
        return Some(Refusal::always("the Kubernetes API"));
    }
    if is_or_is_below(&name, "cluster.local") || is_or_is_below(&name, "svc") {
        return Some(Refusal::private("a name of the cluster"));
    }
    if !name.contains('.') {
        return Some(Refusal::private("a name without a domain, as the cluster's own are"));
    }
    None
}

/// The API's Service under another cluster domain than cluster.local.
fn is_kubernetes_api(name: &str) -> bool {
    name.starts_with("kubernetes.default.svc.")
}

fn is_or_is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
