//! Nobody grants more than they have: the checks of writes to roles and to their bindings.
//!
//! A writer of roles needs every right that the role holds, or the verb `escalate` on roles; a writer of bindings needs every
//! right of the role that is bound, or the verb `bind` on it.

use serde_json::{Value, json};

use super::rbac::{self, Attributes, GROUP};
use super::rules::{PolicyRule, missing, quoted};
use super::{MASTERS, User};
use crate::api::call::Call;
use crate::api::state::State;
use crate::api::status::{ApiError, ApiResult};

/// Refuses to write a role or a binding that grants more than its writer has. Other kinds pass.
pub(crate) fn check(call: &Call<'_>, state: &State, old: Option<&Value>, new: &Value) -> ApiResult<()> {
    let (user, plural) = (call.user, call.resource.plural.as_str());
    if call.resource.group != GROUP || user.groups.iter().any(|group| group == MASTERS) {
        return Ok(());
    }
    if old.is_some_and(|old| is_for_collection(old, new)) {
        return Ok(());
    }
    let writer = Writer { user, state, namespace: call.namespace() };
    let refuse = |why: String| {
        let name = new["metadata"]["name"].as_str().unwrap_or_default();
        Err(ApiError::forbidden(GROUP, plural, name, why))
    };
    let rules = match plural {
        "roles" | "clusterroles" => {
            // A name that the server makes, or that is only in the body, is not known when the verb is judged.
            if writer.may("escalate", plural, call.name()) {
                return Ok(());
            }
            read(new["rules"].as_array().into_iter().flatten())
        }
        _ => {
            let role = &new["roleRef"];
            let (kind, name) = (&role["kind"], role["name"].as_str().unwrap_or_default());
            let collection = if kind == "ClusterRole" { "clusterroles" } else { "roles" };
            if writer.may("bind", collection, name) {
                return Ok(());
            }
            let rules = rbac::role_rules(state, role, call.namespace());
            read(rules.ok_or_else(|| ApiError::not_found(GROUP, collection, name))?.iter())
        }
    };
    if let Some(why) = writer.lacks(&rules) {
        return refuse(why);
    }
    let aggregates = |role: &Value| role["aggregationRule"].is_object();
    let is_aggregated = plural == "clusterroles" && (aggregates(new) || old.is_some_and(aggregates));
    if is_aggregated && writer.lacks(&PolicyRule::everything()).is_some() {
        return refuse("must have cluster-admin privileges to use the aggregationRule".to_owned());
    }
    Ok(())
}

/// Who writes, and where.
struct Writer<'a> {
    user: &'a User,
    state: &'a State,
    namespace: Option<&'a str>,
}

impl Writer<'_> {
    fn may(&self, verb: &str, resource: &str, name: &str) -> bool {
        let wanted = Attributes {
            verb: verb.to_owned(),
            group: GROUP.to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            namespace: self.namespace.map(str::to_owned),
            path: None,
        };
        rbac::allowed_by(self.state, self.user, &wanted).is_some()
    }

    /// What the writer does not have of the rules, in the words of the real server.
    fn lacks(&self, rules: &[PolicyRule]) -> Option<String> {
        let held = read(rbac::rules_for(self.state, self.user, self.namespace).iter());
        let missing: Vec<String> = missing(&held, rules).into_iter().collect();
        if missing.is_empty() {
            return None;
        }
        let User { name, groups, .. } = self.user;
        Some(format!(
            "user {name:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            quoted(groups),
            missing.join("\n")
        ))
    }
}

fn read<'a>(rules: impl Iterator<Item = &'a Value>) -> Vec<PolicyRule> {
    rules.map(PolicyRule::read).collect()
}

/// Whether a write changes only what garbage collection needs to delete the object.
fn is_for_collection(old: &Value, new: &Value) -> bool {
    let rest = |object: &Value| {
        let mut object = object.clone();
        for field in ["ownerReferences", "finalizers", "managedFields"] {
            object["metadata"][field] = json!(null);
        }
        object
    };
    rest(old) == rest(new)
}
