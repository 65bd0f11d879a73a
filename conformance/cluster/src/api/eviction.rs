//! `pods/eviction`: a deletion that observes the disruption budgets of the pod.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::Call;
use super::clock::seconds;
use super::metadata;
use super::options::{DeleteOptions, WriteOptions};
use super::registry::Resource;
use super::selector::LabelSelector;
use super::state::State;
use super::status::{ApiError, ApiResult, Cause, Details};
use super::write::{delete, patch};
use super::{body, builtin};

/// How many evictions may wait to be noticed by the controller of a budget.
const MAX_DISRUPTED: usize = 2000;

/// When a client may try again while a budget is still being computed, in seconds.
const RETRY_AFTER: u32 = 10;

const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// Handles `POST` on a pod's eviction.
pub(crate) fn evict(call: &Call<'_>, state: &mut State) -> ApiResult<Value> {
    let eviction = body::decode_builtin(call.headers, call.body, "policy/v1", "Eviction")?;
    // Clients may leave out the kind: the path tells it.
    if let Some(kind) = eviction["kind"].as_str().filter(|kind| *kind != "Eviction") {
        return Err(ApiError::bad_request(format!("an Eviction of policy/v1 is expected, not a {kind:?}")));
    }
    if metadata::name(&eviction) != call.name() {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut options = DeleteOptions::parse(call.query, Some(&eviction["deleteOptions"]))?;
    options.dry_run |= WriteOptions::parse(call.query, "CreateOptions", call.user_agent(), false)?.dry_run;
    let pod = patch::stored(call, state)?;
    // Checked before the budget is charged: whoever is refused for them disrupts nothing.
    delete::check_preconditions(call, &options, &pod)?;
    if !is_disrupted_anyway(&pod) {
        charge(call, state, &pod, options.dry_run)?;
    }
    delete::delete_stored(call, state, &options, &pod)?;
    Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}))
}

/// A pod that serves nobody disrupts nobody: it has ended, is about to, or has not begun.
fn is_disrupted_anyway(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed" | "Pending")) || metadata::is_terminating(pod)
}

/// Takes one disruption from the pod's budget, if it has one.
fn charge(call: &Call<'_>, state: &mut State, pod: &Value, dry_run: bool) -> ApiResult<()> {
    let Some((resource, _)) = state.registry.find("policy", "v1", "poddisruptionbudgets") else { return Ok(()) };
    let budgets = budgets_of(state, &resource, pod);
    let budget = match &budgets[..] {
        [] => return Ok(()),
        [budget] => budget,
        _ => {
            let message =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(ApiError::internal(message));
        }
    };
    if !is_ready(pod) && may_go_unready(budget) {
        return Ok(());
    }
    let mut budget = Value::clone(budget);
    decrement(&mut budget, metadata::name(pod), &seconds(call.now))?;
    if !dry_run {
        state.commit(call.server, &resource, budget);
    }
    Ok(())
}

fn budgets_of(state: &State, resource: &Resource, pod: &Value) -> Vec<Arc<Value>> {
    let selects = |budget: &Arc<Value>| {
        let selector = LabelSelector::from_spec(&budget["spec"]["selector"]);
        metadata::namespace(budget) == metadata::namespace(pod) && !selector.is_empty() && selector.matches(pod)
    };
    let all = state.store.collection(&resource.collection).into_iter().flat_map(|all| all.objects().values());
    all.map(|budget| budget.value()).filter(selects).collect()
}

fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Whether pods that are not ready may go without being counted.
fn may_go_unready(budget: &Value) -> bool {
    let number = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        || (number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0)
}

/// Notes the eviction in the budget's status.
fn decrement(budget: &mut Value, pod: &str, now: &str) -> ApiResult<()> {
    let name = metadata::name(budget).to_owned();
    let number = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    let generation = budget["metadata"]["generation"].as_i64().unwrap_or(0);
    let allowed = number("disruptionsAllowed");
    if number("observedGeneration") < generation {
        let message = format!("The disruption budget {name} is still being processed by the server.");
        return Err(too_many(message, Some(RETRY_AFTER)));
    }
    if allowed < 0 {
        let why = "pdb disruptions allowed is negative";
        return Err(ApiError::forbidden("policy", "poddisruptionbudget", &name, why));
    }
    if budget["status"]["disruptedPods"].as_object().is_some_and(|pods| pods.len() > MAX_DISRUPTED) {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(ApiError::forbidden("policy", "poddisruptionbudget", &name, why));
    }
    if allowed == 0 {
        let (desired, current) = (number("desiredHealthy"), number("currentHealthy"));
        let message = format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently");
        return Err(too_many(message, None));
    }
    let status = &mut budget["status"];
    status["disruptionsAllowed"] = (allowed - 1).into();
    builtin::pods::set(status, "disruptedPods", json!({}));
    status["disruptedPods"][pod] = now.into();
    if allowed == 1 {
        for condition in builtin::pods::items(status, "conditions").filter(|c| c["type"] == "DisruptionAllowed") {
            condition["status"] = "False".into();
            condition["reason"] = "InsufficientPods".into();
            condition["lastTransitionTime"] = now.into();
        }
    }
    Ok(())
}

/// 429 with its cause.
fn too_many(cause: String, retry_after_seconds: Option<u32>) -> ApiError {
    let causes = vec![Cause::new("DisruptionBudget", cause, "")];
    let details = Details { causes, retry_after_seconds, ..Details::default() };
    ApiError { details: Some(Box::new(details)), ..ApiError::plain(429, "TooManyRequests", REFUSED) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn budget(allowed: i64, observed: i64) -> Value {
        json!({"metadata": {"name": "b", "generation": 2}, "status": {
            "observedGeneration": observed, "disruptionsAllowed": allowed, "desiredHealthy": 2, "currentHealthy": 2,
            "conditions": [{"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods"}]}})
    }

    #[test]
    fn a_budget_pays_for_each_eviction_until_it_is_spent() {
        let mut spent = budget(1, 2);
        decrement(&mut spent, "web-0", "now").unwrap();
        assert_eq!(spent["status"]["disruptionsAllowed"], 0);
        assert_eq!(spent["status"]["disruptedPods"], json!({"web-0": "now"}));
        assert_eq!(spent["status"]["conditions"][0]["reason"], "InsufficientPods");
        let refused = decrement(&mut spent, "web-1", "now").unwrap_err().to_status();
        assert_eq!((&refused["code"], &refused["message"]), (&json!(429), &json!(REFUSED)));
        let message = "The disruption budget b needs 2 healthy pods and has 2 currently";
        assert_eq!(refused["details"], json!({"causes": [{"reason": "DisruptionBudget", "message": message}]}));
    }

    #[test]
    fn a_budget_that_the_controller_has_not_seen_is_not_spent() {
        let refused = decrement(&mut budget(1, 1), "web-0", "now").unwrap_err().to_status();
        assert_eq!(refused["details"]["retryAfterSeconds"], 10);
        assert!(
            refused["details"]["causes"][0]["message"].as_str().unwrap().ends_with("being processed by the server.")
        );
    }

    #[test]
    fn unready_pods_go_freely_where_enough_others_are_healthy() {
        assert!(may_go_unready(&budget(0, 2)));
        let mut poor = budget(0, 2);
        poor["status"]["currentHealthy"] = json!(1);
        assert!(!may_go_unready(&poor));
        poor["spec"] = json!({"unhealthyPodEvictionPolicy": "AlwaysAllow"});
        assert!(may_go_unready(&poor));
    }
}
