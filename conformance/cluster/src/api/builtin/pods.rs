//! Pods and pod templates: defaults and the service-account volume.

use serde_json::Value;

/// Adds the projected token volume to a pod.
pub(crate) fn mount_token(pod: &mut Value) {
    let _ = pod;
}
