//! The policies that a spec holds, or names by a ConfigMap.

use operator_api::{Authorization, AuthorizationConfigMap, InlineAuthorization, ProxyReason};
use serde_json::Value as Json;

use crate::{
    controllers::authz_config::cedar,
    runtime::contents::{Keys, Value},
};

/// What is wrong with `authz`, whose ConfigMap has the keys `found`.
pub(super) fn problems(authz: &Authorization, found: Option<&Keys>) -> Vec<(ProxyReason, String)> {
    let map = authz.config_map.as_ref().and_then(|map| map_problem(map, found));
    let inline = authz.inline.iter().flat_map(inline_problems);
    map.into_iter().chain(inline.map(|problem| (ProxyReason::AuthzPolicySyntaxInvalid, problem))).collect()
}

fn map_problem(map: &AuthorizationConfigMap, found: Option<&Keys>) -> Option<(ProxyReason, String)> {
    let AuthorizationConfigMap { name, key } = map;
    let Some(keys) = found else {
        let message = format!(
            "spec.authzConfig.configMap: ConfigMap {name:?} does not exist in this namespace: create it with the key {key:?}"
        );
        return Some((ProxyReason::AuthzConfigMapNotFound, message));
    };
    let problem = match keys.get(key) {
        None => format!("has no key {key:?}: {}", keys.summary()),
        Some(Value::Empty) => format!("has nothing under the key {key:?}: store the policies there"),
        Some(_) => return None,
    };
    let message = format!("spec.authzConfig.configMap: ConfigMap {name:?} {problem}");
    Some((ProxyReason::AuthzConfigMapInvalid, message))
}

fn inline_problems(inline: &InlineAuthorization) -> Vec<String> {
    let at = |place: &str| format!("spec.authzConfig.inline.{place}");
    let policies = inline.policies.iter().enumerate();
    let policies = policies.filter_map(|(index, policy)| Some((index, cedar::problem(policy)?)));
    let mut problems: Vec<_> =
        policies.map(|(index, problem)| format!("{}: {problem}", at(&format!("policies[{index}]")))).collect();
    if serde_json::from_str::<Vec<Json>>(&inline.entities_json).is_err() {
        problems.push(format!("{} is no JSON list of Cedar entities", at("entitiesJson")));
    }
    problems
}
