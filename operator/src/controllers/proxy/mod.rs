//! What the kinds have in common in front of whose server a proxy runs: MCPRemoteProxy and MCPServer.
//!
//! One controller serves them. A kind says what its spec wants of the proxy, what is wrong with the rest of the spec, and
//! which objects it takes beside those of the proxy.

pub mod build;
pub mod configuration;
mod events;
#[cfg(test)]
pub(super) mod fixtures;
pub mod front;
pub mod resolve;
pub mod status;
pub mod validate;

use kube::core::object::HasStatus;
use operator_api::{Condition, ProxyReason};
use serde::Serialize;
use serde_json::Value;

use self::{
    front::Front,
    resolve::References,
    status::{Pods, State},
    validate::{Proxy, Verdict},
};
use super::{Context, ReconcileError, Settings, workload::shared_sessions::SharedSessions};
use crate::runtime::{
    ObjectKey,
    apply::{ApplyError, Writable},
    conditions::now,
    observed::{OwnedKind, Reconciled},
};

/// A kind in front of whose server a proxy runs.
pub trait Proxied: Writable + Reconciled + HasStatus<Status: Serialize> {
    /// Why the condition Ready is False while the spec can be used and no client is served.
    const NOT_SERVING: ProxyReason;

    /// What the spec says of the proxy, and of the server behind it.
    fn front(&self) -> Front<'_>;

    /// What is wrong with the rest of the spec, the most telling first.
    fn problems(&self, references: &References) -> Vec<(ProxyReason, String)>;

    /// Every object of `proxy`, in the order in which they need each other.
    fn objects(&self, proxy: &Proxy<'_>, settings: &Settings) -> Vec<(OwnedKind, Value)>;

    /// The objects that some specs do not want.
    fn optional(&self) -> Vec<(OwnedKind, String)>;

    /// The state of an object whose objects are written and whose pods are as `pods` says.
    fn running(&self, pods: &Pods) -> State;

    /// The status of an object in this state.
    fn report(&self, state: State, verdict: &Verdict<'_>, conditions: Vec<Condition>, pods: &Pods) -> Self::Status;

    /// The conditions of `status`.
    fn conditions(status: &Self::Status) -> &[Condition];

    /// The conditions that the object has.
    fn live_conditions(&self) -> &[Condition] {
        self.status().map(Self::conditions).unwrap_or_default()
    }
}

/// Makes the world as the object `key` says, and says in its status how that went.
pub(super) async fn reconcile<K: Proxied>(context: &Context, key: &ObjectKey) -> Result<(), ReconcileError> {
    let Some(object) = K::cache(&context.shared.read()).get(key).cloned() else {
        return Ok(());
    };
    let references = resolve::references(context, &object.front()).await?;
    let verdict = validate::judge(object.as_ref(), &references);
    let deleted = object.meta().deletion_timestamp.is_some();
    let written = match &verdict.proxy {
        Some(proxy) if !deleted => write(context, object.as_ref(), proxy).await,
        _ => Ok(()),
    };
    let refused = written.as_ref().err().and_then(ApplyError::refusal);
    let pods = Pods::of(&context.shared.read(), &object.front());
    let status = status::of(object.as_ref(), &verdict, &pods, refused.as_deref(), now());
    if context.applier.status(object.as_ref(), &status).await? {
        events::tell(context, object.as_ref(), K::conditions(&status)).await;
    }
    Ok(written?)
}

/// Writes what is missing or differs, and deletes what an earlier spec wanted.
async fn write<K: Proxied>(context: &Context, object: &K, proxy: &Proxy<'_>) -> Result<(), ApplyError> {
    let (shared, owner) = (proxy.shared_sessions.as_ref(), proxy.front.owner(proxy.front.app));
    let shared_sessions = SharedSessions::with_seal_key(shared, context, &owner).await?;
    let proxy = &Proxy { shared_sessions, ..proxy.clone() };
    let objects = object.objects(proxy, &context.settings);
    for (kind, object) in &objects {
        context.applier.object(*kind, object).await?;
    }
    for (kind, name) in object.optional() {
        let wanted = objects.iter().any(|(other, object)| *other == kind && object["metadata"]["name"] == name);
        if !wanted {
            context.applier.delete(kind, &proxy.front.key.sibling(name), proxy.front.uid).await?;
        }
    }
    Ok(())
}
