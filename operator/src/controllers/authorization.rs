//! The policies that a spec holds, or names by a ConfigMap.

use operator_api::{Authorization, AuthorizationConfigMap, InlineAuthorization};

use super::authz_config::{
    cedar,
    validate::{document_problem, entities_problem},
};
use crate::runtime::contents::Texts;

/// What is wrong with policies, by where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// The ConfigMap is not there.
    MapNotFound(String),
    /// The ConfigMap holds no policies.
    MapInvalid(String),
    /// The spec holds texts that are no policies.
    Inline(String),
}

/// What is wrong with `authz`, the field `place` of a spec, whose ConfigMap has the texts `found`.
pub(super) fn problems(authz: &Authorization, place: &str, found: Option<&Texts>) -> Vec<Problem> {
    let map = authz.config_map.as_ref().and_then(|map| map_problem(map, place, found));
    let inline = authz.inline.iter().flat_map(|inline| inline_problems(inline, place));
    map.into_iter().chain(inline.map(Problem::Inline)).collect()
}

fn map_problem(map: &AuthorizationConfigMap, place: &str, found: Option<&Texts>) -> Option<Problem> {
    let AuthorizationConfigMap { name, key } = map;
    let Some(texts) = found else {
        return Some(Problem::MapNotFound(format!(
            "{place}.configMap: ConfigMap {name:?} does not exist in this namespace: create it with the key {key:?}"
        )));
    };
    let problem = match texts.get(key) {
        None => "has no text under this key".to_owned(),
        Some(text) if text.trim().is_empty() => "has nothing under this key: store the policies there".to_owned(),
        Some(text) => document_problem(text)?,
    };
    Some(Problem::MapInvalid(format!("{place}.configMap: ConfigMap {name:?}, key {key:?}, {problem}")))
}

fn inline_problems(inline: &InlineAuthorization, place: &str) -> Vec<String> {
    let policies = inline.policies.iter().enumerate();
    let policies = policies.filter_map(|(index, policy)| Some((index, cedar::problem(policy)?)));
    let mut problems: Vec<_> =
        policies.map(|(index, problem)| format!("{place}.inline.policies[{index}]: {problem}")).collect();
    let entities = entities_problem(&inline.entities_json);
    problems.extend(entities.map(|problem| format!("{place}.inline.entitiesJson{problem}")));
    problems
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    const POLICY: &str = "permit(principal, action, resource);";

    fn found(authz: serde_json::Value, texts: Option<&[(&str, &str)]>) -> Vec<Problem> {
        let texts =
            texts.map(|texts| texts.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect());
        problems(&serde_json::from_value(authz).unwrap(), "spec.authzConfig", texts.as_ref())
    }

    fn of_document(text: &str) -> Option<Problem> {
        found(json!({"type": "configMap", "configMap": {"name": "policies"}}), Some(&[("authz.json", text)])).pop()
    }

    #[test]
    fn documents_of_config_maps_are_json_or_yaml() {
        let json = format!(
            r#"{{"version": "1.0", "type": "cedarv1", "cedar": {{"policies": ["{POLICY}"], "entities_json": "[]"}}}}"#
        );
        let yaml = format!("version: '1.0'\ntype: cedarv1\ncedar:\n  policies:\n    - {POLICY}\n");
        assert_eq!((of_document(&json), of_document(&yaml)), (None, None));
        for (text, expected) in [
            ("", "has nothing under this key"),
            ("{\"type\": ", "is neither JSON nor YAML"),
            ("policies", "is neither JSON nor YAML"),
            ("{}", "has type \"\", which is not known: use cedarv1"),
            ("{\"type\": \"httpv1\"}", "has type httpv1, which is not supported"),
            ("{\"type\": \"cedarv1\"}", "has no object cedar"),
            (
                "{\"type\": \"cedarv1\", \"cedar\": {\"policies\": [\"permit\"]}}",
                "cannot be used: cedar.policies[0]: expected (",
            ),
            ("{\"type\": \"cedarv1\", \"cedar\": {}}", "cannot be used: cedar.policies is required"),
        ] {
            match of_document(text) {
                Some(Problem::MapInvalid(message)) => assert!(message.contains(expected), "{message}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_config_map_that_is_missing_or_has_another_key_is_told_apart() {
        let authz = || json!({"type": "configMap", "configMap": {"name": "policies", "key": "mine"}});
        let missing = found(authz(), None);
        assert!(matches!(&missing[..], [Problem::MapNotFound(message)] if message.contains("with the key \"mine\"")));
        let other = found(authz(), Some(&[("authz.json", "{}")]));
        assert!(matches!(&other[..], [Problem::MapInvalid(message)] if message.contains("has no text under this key")));
    }

    #[test]
    fn policies_in_place_are_named_by_their_field() {
        let inline = json!({"type": "inline", "inline": {"policies": [POLICY, "permit"], "entitiesJson": "{}"}});
        let found = found(inline, None);
        let place = "spec.authzConfig.inline";
        assert!(
            matches!(&found[..], [Problem::Inline(policy), Problem::Inline(entities)]
                if policy.starts_with(&format!("{place}.policies[1]: expected ("))
                && entities.starts_with(&format!("{place}.entitiesJson is no JSON list"))),
            "{found:?}"
        );
    }
}
