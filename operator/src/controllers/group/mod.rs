//! MCPGroup: who its members are.

mod status;

use operator_api::{MCPRemoteProxy, MCPServer, MCPServerEntry};

use crate::{
    controllers::{Context, ReconcileError},
    runtime::{Kind, ObjectKey, Target, conditions::now, index::Referent},
};

/// The names of a group's members, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// MCPServerEntries.
    pub entries: Vec<String>,
    /// MCPRemoteProxies.
    pub remote_proxies: Vec<String>,
    /// MCPServers.
    pub servers: Vec<String>,
}

pub(super) async fn reconcile(context: &Context, key: &ObjectKey) -> Result<(), ReconcileError> {
    let (group, members) = {
        let observed = context.shared.read();
        let Some(group) = observed.groups.get(key).cloned() else {
            return Ok(());
        };
        let referent = Referent::Ours(Kind::Group);
        let names = |targets: Vec<Target>| targets.into_iter().map(|target| target.key.name).collect();
        let members = Members {
            entries: names(observed.referring::<MCPServerEntry>(referent, key)),
            remote_proxies: names(observed.referring::<MCPRemoteProxy>(referent, key)),
            servers: names(observed.referring::<MCPServer>(referent, key)),
        };
        (group, members)
    };
    let status = status::of(&group, members, now());
    context.applier.status(group.as_ref(), &status).await?;
    Ok(())
}
