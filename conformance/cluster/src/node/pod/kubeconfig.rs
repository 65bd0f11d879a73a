//! The kubeconfig of a container.
//!
//! In a real pod a program finds its credentials below a fixed path. A local process finds them by `KUBECONFIG`: the
//! file names the token and the authority in the folder of the pod's own volume, so that renewed tokens are followed.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

/// Writes the file beside the pod's volumes; `credentials` is the folder of the service-account volume.
pub(super) fn write(pod_folder: &Path, credentials: &Path, server: &str, namespace: &str) -> io::Result<PathBuf> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "cluster",
            "cluster": {"server": server, "certificate-authority": credentials.join("ca.crt")}
        }],
        "users": [{"name": "pod", "user": {"tokenFile": credentials.join("token")}}],
        "contexts": [{"name": "pod", "context": {"cluster": "cluster", "user": "pod", "namespace": namespace}}],
        "current-context": "pod"
    });
    let path = pod_folder.join("kubeconfig");
    // JSON is YAML.
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}
