//! What a cluster has before anybody writes to it: namespaces, roles and bindings.

use serde_json::{Value, json};

use super::builtin::defaults;
use super::metadata;
use super::state::{Server, State};
use crate::access::bootstrap;

/// Stores the first objects.
pub(crate) fn bootstrap(server: &Server) {
    let state = &mut *server.lock();
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        let labels = json!({"kubernetes.io/metadata.name": name});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        store(state, server, "", "namespaces", namespace);
    }
    for role in bootstrap::cluster_roles() {
        store(state, server, "rbac.authorization.k8s.io", "clusterroles", role);
    }
    for binding in bootstrap::cluster_role_bindings() {
        store(state, server, "rbac.authorization.k8s.io", "clusterrolebindings", binding);
    }
}

fn store(state: &mut State, server: &Server, group: &str, plural: &str, mut object: Value) {
    let Some(resource) = state.registry.resource(group, plural).cloned() else { return };
    metadata::create(&mut object, server.clock.now());
    if let Some(builtin) = resource.builtin() {
        defaults::prepare_create(builtin, &mut object);
    }
    state.commit(server, &resource, object);
}
