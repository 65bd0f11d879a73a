//! The rules of an authorization policy. The schema takes any object, so its shape is judged here.

use operator_api::MCPAuthzConfigSpec;
use serde_json::{Map, Value};

use super::cedar;

/// The language that is read.
const CEDAR: &str = "cedarv1";
/// The language that is known and not read yet.
const HTTP: &str = "httpv1";
/// The keys of a Cedar policy that are texts, beside `entities_json`.
const TEXTS: [&str; 4] = ["primary_upstream_provider", "group_claim_name", "role_claim_name", "group_entity_type"];

/// Everything that is wrong with `spec`.
pub(super) fn problems(spec: &MCPAuthzConfigSpec) -> Vec<String> {
    match spec.kind.as_str() {
        CEDAR => match &spec.config {
            Value::Object(config) => cedar_problems(config),
            _ => vec!["config is no object: write policies there".to_owned()],
        },
        HTTP => vec![format!("type {HTTP} is not supported by this release: use {CEDAR}")],
        other => vec![format!("type {other:?} is not known: use {CEDAR}")],
    }
}

fn cedar_problems(config: &Map<String, Value>) -> Vec<String> {
    let mut problems = policies(config.get("policies"));
    if let Some(entities) = config.get("entities_json") {
        problems.extend(entities_problem(entities));
    }
    for key in TEXTS {
        if config.get(key).is_some_and(|value| !value.is_string()) {
            problems.push(format!("config.{key} is no text"));
        }
    }
    let group = config.get("group_entity_type").and_then(Value::as_str);
    if let Some(group) = group.filter(|group| !cedar::is_identifier(group)) {
        problems.push(format!("config.group_entity_type {group:?} is no Cedar identifier: write one such as Group"));
    }
    let known = |key: &str| matches!(key, "policies" | "entities_json") || TEXTS.contains(&key);
    let unknown = config.keys().filter(|key| !known(key));
    problems.extend(unknown.map(|key| format!("config.{key} is no key of {CEDAR}: remove it")));
    problems
}

fn policies(value: Option<&Value>) -> Vec<String> {
    let policies = match value {
        Some(Value::Array(policies)) if !policies.is_empty() => policies,
        // An empty set would refuse everyone; nobody means that.
        _ => return vec!["config.policies is required: list Cedar policies".to_owned()],
    };
    let problem = |(index, policy): (usize, &Value)| {
        let problem = match policy.as_str() {
            Some(text) => cedar::problem(text)?,
            None => "it is no text".to_owned(),
        };
        Some(format!("config.policies[{index}]: {problem}"))
    };
    policies.iter().enumerate().filter_map(problem).collect()
}

/// Entities are a JSON list of objects with a uid, inside a text.
fn entities_problem(value: &Value) -> Option<String> {
    let Some(text) = value.as_str() else {
        return Some("config.entities_json is no text: write a JSON list as a text".to_owned());
    };
    let entities: Vec<Value> = match serde_json::from_str(text) {
        Ok(entities) => entities,
        Err(error) => return Some(format!("config.entities_json is no JSON list: {error}")),
    };
    let named = |entity: &Value| {
        let uid = entity.pointer("/uid/__entity").or_else(|| entity.get("uid"));
        uid.is_some_and(|uid| uid["type"].is_string() && uid["id"].is_string())
    };
    let unnamed = entities.iter().position(|entity| !named(entity))?;
    Some(format!("config.entities_json[{unnamed}] has no uid: write {{\"uid\": {{\"type\": ..., \"id\": ...}}}}"))
}
