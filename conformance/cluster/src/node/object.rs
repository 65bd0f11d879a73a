//! The Node object.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

/// Creates the object, or takes over the one that is there, and says that the node is ready.
///
/// The node and the API server live and die together, so there is neither a heartbeat nor a Lease.
pub(super) async fn register(client: &Client, name: &str, address: Ipv4Addr) -> kube::Result<()> {
    let nodes = Api::<Node>::all(client.clone());
    let labels = json!({
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": std::env::consts::OS,
        "kubernetes.io/arch": if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" },
    });
    let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}});
    if let Ok(node) = serde_json::from_value(object) {
        match nodes.create(&PostParams::default(), &node).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            other => drop(other?),
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let resources = json!({"cpu": cores, "memory": "8Gi", "pods": "4000"});
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now, "lastTransitionTime": now
    });
    let status = json!({
        "capacity": resources,
        "allocatable": resources,
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
        "conditions": [ready],
        "nodeInfo": {
            "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "",
            "containerRuntimeVersion": concat!("process://", env!("CARGO_PKG_VERSION")),
            "kubeletVersion": "v1.36.0", "kubeProxyVersion": "",
            "operatingSystem": std::env::consts::OS,
            "architecture": if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" },
        }
    });
    let params = PatchParams { field_manager: Some("kubelet".to_owned()), ..PatchParams::default() };
    nodes.patch_status(name, &params, &Patch::Merge(json!({"status": status}))).await?;
    Ok(())
}
