//! What the status of a group says.

use k8s_openapi::jiff::Timestamp;
use operator_api::{GroupCondition, GroupPhase, GroupReason, MCPGroup, MCPGroupStatus};

use super::Members;
use crate::runtime::conditions::Conditions;

/// The status of `group` with these members. A group is Ready also when it is empty.
pub(super) fn of(group: &MCPGroup, members: Members, now: Timestamp) -> MCPGroupStatus {
    let live = group.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut conditions = Conditions::new(live, group.metadata.generation, now);
    conditions.set(
        GroupCondition::MCPServersChecked,
        true,
        GroupReason::ListMCPServersCheckSucceeded,
        "The members of the group are known",
    );
    MCPGroupStatus {
        observed_generation: group.metadata.generation,
        phase: Some(GroupPhase::Ready),
        // An empty list is left out: the API server drops one whose last element goes.
        server_count: i32::try_from(members.servers.len()).ok(),
        servers: Some(members.servers).filter(|servers| !servers.is_empty()),
        remote_proxy_count: i32::try_from(members.remote_proxies.len()).ok(),
        remote_proxies: Some(members.remote_proxies).filter(|proxies| !proxies.is_empty()),
        entry_count: i32::try_from(members.entries.len()).ok(),
        entries: Some(members.entries).filter(|entries| !entries.is_empty()),
        conditions: conditions.finish(),
    }
}
