//! The rules of roles as sets of rights: what one set lacks of another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// A rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PolicyRule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    non_resource_urls: Vec<String>,
    resource_names: Vec<String>,
    verbs: Vec<String>,
}

impl PolicyRule {
    /// Reads a rule as roles have it.
    pub(crate) fn read(rule: &Value) -> Self {
        let list = |field: &str| {
            rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            api_groups: list("apiGroups"),
            resources: list("resources"),
            non_resource_urls: list("nonResourceURLs"),
            resource_names: list("resourceNames"),
            verbs: list("verbs"),
        }
    }

    /// The rules of someone who may do everything.
    pub(crate) fn everything() -> [Self; 2] {
        let all = || vec!["*".to_owned()];
        [
            Self { api_groups: all(), resources: all(), verbs: all(), ..Self::default() },
            Self { non_resource_urls: all(), verbs: all(), ..Self::default() },
        ]
    }

    /// The single rights that the rule consists of.
    fn rights(&self) -> Vec<Self> {
        let one = |text: &String| vec![text.clone()];
        let mut rights = Vec::new();
        for group in &self.api_groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let right =
                        Self { api_groups: one(group), resources: one(resource), verbs: one(verb), ..Self::default() };
                    if self.resource_names.is_empty() {
                        rights.push(right);
                    } else {
                        rights.extend(
                            self.resource_names.iter().map(|name| Self { resource_names: one(name), ..right.clone() }),
                        );
                    }
                }
            }
        }
        for url in &self.non_resource_urls {
            rights.extend(self.verbs.iter().map(|verb| Self {
                non_resource_urls: one(url),
                verbs: one(verb),
                ..Self::default()
            }));
        }
        rights
    }

    /// Whether a right is part of the rule.
    fn grants(&self, right: &Self) -> bool {
        let has = |own: &[String], wanted: &[String]| wanted.iter().all(|item| own.contains(item));
        let any = |own: &[String], wanted: &[String]| own.iter().any(|item| item == "*") || has(own, wanted);
        any(&self.verbs, &right.verbs)
            && any(&self.api_groups, &right.api_groups)
            && right.resources.iter().all(|resource| self.has_resource(resource))
            && right.non_resource_urls.iter().all(|url| self.has_url(url))
            && (self.resource_names.is_empty()
                || !right.resource_names.is_empty() && has(&self.resource_names, &right.resource_names))
    }

    fn has_resource(&self, resource: &str) -> bool {
        let of_all = resource.split_once('/').map(|(_, subresource)| format!("*/{subresource}"));
        self.resources.iter().any(|own| own == "*" || own == resource || Some(own) == of_all.as_ref())
    }

    fn has_url(&self, url: &str) -> bool {
        self.non_resource_urls
            .iter()
            .any(|own| own == url || own.strip_suffix('*').is_some_and(|prefix| url.starts_with(prefix)))
    }

    /// The group and resource of a rule about nothing else.
    fn is_simple(&self) -> Option<(String, String)> {
        match (self.api_groups.as_slice(), self.resources.as_slice()) {
            ([group], [resource]) if self.resource_names.is_empty() && self.non_resource_urls.is_empty() => {
                Some((group.clone(), resource.clone()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for PolicyRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let parts = parts.into_iter().filter(|(_, list)| !list.is_empty());
        let parts: Vec<String> = parts.map(|(name, list)| format!("{name}:{}", quoted(list))).collect();
        write!(formatter, "{{{}}}", parts.join(", "))
    }
}

/// A list of texts as Go shows it.
pub(crate) fn quoted(list: &[String]) -> String {
    let items: Vec<String> = list.iter().map(|item| format!("{item:?}")).collect();
    format!("[{}]", items.join(" "))
}

/// What `wanted` has and `held` lacks, one line for each resource; nothing when `held` has it all.
pub(crate) fn missing(held: &[PolicyRule], wanted: &[PolicyRule]) -> BTreeSet<String> {
    let rights = wanted.iter().flat_map(PolicyRule::rights);
    let mut lines = BTreeSet::new();
    // Rights to the same resource are told together.
    let mut simple: BTreeMap<(String, String), PolicyRule> = BTreeMap::new();
    for right in rights.filter(|right| !held.iter().any(|rule| rule.grants(right))) {
        match right.is_simple() {
            Some(resource) => match simple.get_mut(&resource) {
                Some(rule) => rule.verbs.extend(right.verbs),
                None => drop(simple.insert(resource, right)),
            },
            None => drop(lines.insert(right.to_string())),
        }
    }
    lines.extend(simple.values().map(PolicyRule::to_string));
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    fn lacks(held: &Value, wanted: &Value) -> Vec<String> {
        let rules = |rules: &Value| rules.as_array().unwrap().iter().map(PolicyRule::read).collect::<Vec<_>>();
        missing(&rules(held), &rules(wanted)).into_iter().collect()
    }

    fn rule(group: &str, resource: &str, verbs: &[&str]) -> Value {
        json!({"apiGroups": [group], "resources": [resource], "verbs": verbs})
    }

    #[test]
    fn several_rules_together_hold_what_one_grants() {
        let held = json!([rule("", "pods", &["get"]), rule("", "pods", &["list"]), rule("apps", "*", &["*"])]);
        let wanted = json!([
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"], "resourceNames": ["a"]},
            rule("apps", "deployments/scale", &["patch"]),
        ]);
        assert_eq!(lacks(&held, &wanted), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_told_by_resource() {
        let held = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a"]}]);
        let wanted = json!([
            {"apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a", "b"]},
            {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
        ]);
        let expected = [
            r#"{APIGroups:[""], Resources:["pods"], ResourceNames:["b"], Verbs:["get"]}"#,
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#,
            r#"{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "list"]}"#,
            r#"{NonResourceURLs:["/metrics"], Verbs:["get"]}"#,
        ];
        assert_eq!(lacks(&held, &wanted), expected);
    }

    #[test]
    fn wildcards_are_held_by_wildcards_alone() {
        let every_verb = json!([rule("", "pods", &["create", "delete", "get", "list", "patch", "update", "watch"])]);
        assert_eq!(lacks(&every_verb, &json!([rule("", "pods", &["*"])])).len(), 1);
        let scales = json!([rule("*", "*/scale", &["get"]), {"nonResourceURLs": ["/api*"], "verbs": ["get"]}]);
        let wanted =
            json!([rule("apps", "deployments/scale", &["get"]), {"nonResourceURLs": ["/api/v1"], "verbs": ["get"]}]);
        assert_eq!(lacks(&scales, &wanted), Vec::<String>::new());
        assert_eq!(lacks(&scales, &json!([rule("apps", "deployments", &["get"])])).len(), 1);
    }
}
