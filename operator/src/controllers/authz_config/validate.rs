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
            Value::Object(config) => cedar_problems(config, "config"),
            _ => vec!["config is no object: write policies there".to_owned()],
        },
        HTTP => vec![format!("type {HTTP} is not supported by this release: use {CEDAR}")],
        other => vec![format!("type {other:?} is not known: use {CEDAR}")],
    }
}

/// What is wrong with the policies `config`, which stand at `place`.
fn cedar_problems(config: &Map<String, Value>, place: &str) -> Vec<String> {
    let mut problems = policies(config.get("policies"), place);
    if let Some(entities) = config.get("entities_json") {
        let problem = match entities.as_str() {
            Some(text) => entities_problem(text),
            None => Some(" is no text: write a JSON list as a text".to_owned()),
        };
        problems.extend(problem.map(|problem| format!("{place}.entities_json{problem}")));
    }
    for key in TEXTS {
        if config.get(key).is_some_and(|value| !value.is_string()) {
            problems.push(format!("{place}.{key} is no text"));
        }
    }
    let group = config.get("group_entity_type").and_then(Value::as_str);
    if let Some(group) = group.filter(|group| !cedar::is_identifier(group)) {
        problems.push(format!("{place}.group_entity_type {group:?} is no Cedar identifier: write one such as Group"));
    }
    let known = |key: &str| matches!(key, "policies" | "entities_json") || TEXTS.contains(&key);
    let unknown = config.keys().filter(|key| !known(key));
    problems.extend(unknown.map(|key| format!("{place}.{key} is no key of {CEDAR}: remove it")));
    problems
}

fn policies(value: Option<&Value>, place: &str) -> Vec<String> {
    let policies = match value {
        Some(Value::Array(policies)) if !policies.is_empty() => policies,
        // An empty set would refuse everyone; nobody means that.
        _ => return vec![format!("{place}.policies is required: list Cedar policies")],
    };
    let problem = |(index, policy): (usize, &Value)| {
        let problem = match policy.as_str() {
            Some(text) => cedar::problem(text)?,
            None => "it is no text".to_owned(),
        };
        Some(format!("{place}.policies[{index}]: {problem}"))
    };
    policies.iter().enumerate().filter_map(problem).collect()
}

/// What is wrong with entities, which are a JSON list of objects with a uid; it follows the name of the field.
pub(in crate::controllers) fn entities_problem(text: &str) -> Option<String> {
    let entities: Vec<Value> = match serde_json::from_str(text) {
        Ok(entities) => entities,
        Err(error) => return Some(format!(" is no JSON list: {error}")),
    };
    let named = |entity: &Value| {
        let uid = entity.pointer("/uid/__entity").or_else(|| entity.get("uid"));
        uid.is_some_and(|uid| uid["type"].is_string() && uid["id"].is_string())
    };
    let unnamed = entities.iter().position(|entity| !named(entity))?;
    Some(format!("[{unnamed}] has no uid: write {{\"uid\": {{\"type\": ..., \"id\": ...}}}}"))
}

/// What is wrong with a document of policies in a ConfigMap: `{version, type: cedarv1, cedar: {policies, ...}}`, in JSON or YAML.
pub(in crate::controllers) fn document_problem(text: &str) -> Option<String> {
    let document: Map<String, Value> = match serde_saphyr::from_str(text) {
        Ok(document) => document,
        Err(error) => {
            // The rest of it shows the document.
            let error = error.to_string();
            return Some(format!("is neither JSON nor YAML: {}", error.lines().next().unwrap_or_default()));
        }
    };
    match (document.get("type").and_then(Value::as_str), document.get("cedar")) {
        (Some(CEDAR), Some(Value::Object(config))) => {
            let problems = cedar_problems(config, "cedar");
            (!problems.is_empty()).then(|| format!("cannot be used: {}", problems.join("; ")))
        }
        (Some(CEDAR), _) => Some("has no object cedar: write the policies there".to_owned()),
        (Some(HTTP), _) => Some(format!("has type {HTTP}, which is not supported by this release: use {CEDAR}")),
        (found, _) => Some(format!("has type {:?}, which is not known: use {CEDAR}", found.unwrap_or_default())),
    }
}
