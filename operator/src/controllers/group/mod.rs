//! MCPGroup: who its members are.

mod status;

use crate::{
    controllers::{Context, ReconcileError},
    runtime::{ObjectKey, conditions::now, index::Referent},
};

/// The names of a group's members, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// MCPServerEntries.
    pub entries: Vec<String>,
    /// MCPRemoteProxies.
    pub remote_proxies: Vec<String>,
}

pub(super) async fn reconcile(context: &Context, key: &ObjectKey) -> Result<(), ReconcileError> {
    let (group, members) = {
        let observed = context.shared.read();
        let Some(group) = observed.groups.get(key).cloned() else {
            return Ok(());
        };
        let entries = observed.entries.referring(Referent::Group, key);
        let proxies = observed.remote_proxies.in_namespace(&key.namespace);
        let proxies = proxies.filter(|proxy| proxy.spec.group_ref.as_ref().is_some_and(|group| group.name == key.name));
        let members = Members {
            entries: entries.filter_map(|entry| entry.metadata.name.clone()).collect(),
            remote_proxies: proxies.filter_map(|proxy| proxy.metadata.name.clone()).collect(),
        };
        (group, members)
    };
    let status = status::of(&group, members, now());
    context.applier.status(group.as_ref(), &status).await?;
    Ok(())
}
