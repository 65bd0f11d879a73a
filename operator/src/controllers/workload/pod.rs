//! The pods: security, probes, and the template that a user may add to.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Owner, strategic_merge};

/// The user of the processes.
const USER: u32 = 65532;
/// A change of this annotation starts new pods. It changes with what programs read when they start and not again; what they
/// follow while they run is not part of it, so that sessions outlive its changes.
pub const CHECKSUM: &str = "toolhive.stacklok.dev/config-checksum";

/// The security context of a pod.
pub fn security() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// The security context of a container.
pub fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// A probe of `path` at the port `http`: every `period` seconds, and `failures` answers that take longer than `timeout`
/// seconds, or are no success, in a row count.
pub fn probe(path: &str, period: u32, timeout: u32, failures: u32) -> Value {
    json!({
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    })
}

/// What changes when `config` does.
pub fn checksum(config: &str) -> String {
    Sha256::digest(config).iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Merges the template of a user into `template`. The labels by which `owner` finds its pods stay.
pub fn customize(template: &mut Value, user: &Value, owner: &Owner) {
    strategic_merge::merge(template, user);
    for (key, value) in owner.labels() {
        template["metadata"]["labels"][key] = value.into();
    }
}

/// Why `template` is no pod template, if so. `container` is the name of the container that the operator makes.
pub fn template_problem(template: &Value, container: &str) -> Option<String> {
    strategic_merge::problem(template, container).map(|why| format!("podTemplateSpec: {why}"))
}
