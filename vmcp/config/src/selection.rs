//! The rules of a selection of tools, wherever one is written: for a backend, for a proxy, as an MCPToolConfig.

use std::collections::BTreeMap;

use crate::{ToolOverride, Violation};

/// Every rule that a selection of tools breaks. `filter` and `overrides` come with the paths that messages name.
///
/// Names in the filter are those that clients see: the new one of a tool that is renamed.
pub fn selection_problems(
    (filter_path, filter): (&str, &[String]),
    (overrides_path, overrides): (&str, &BTreeMap<String, ToolOverride>),
) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, name) in filter.iter().enumerate() {
        if name.is_empty() {
            found.push(Violation::new(format!("{filter_path}[{index}]"), "must not be empty: name a tool"));
        }
    }
    let mut shown = BTreeMap::new();
    for (original, change) in overrides {
        let path = format!("{overrides_path}.{original}");
        if original.is_empty() {
            found.push(Violation::new(overrides_path, "must not have an empty key: name a tool of the server"));
        }
        if change.name.is_none() && change.description.is_none() && change.annotations.is_none() {
            found.push(Violation::new(&path, "changes nothing: set name, description or annotations"));
        }
        let name = change.name.as_ref().unwrap_or(original);
        if change.name.as_ref().is_some_and(String::is_empty) {
            found.push(Violation::new(format!("{path}.name"), "must not be empty: leave it out to keep the name"));
        } else if let Some(other) = shown.insert(name, original) {
            let message = format!("{other:?} is called {name:?} too: give each tool a name of its own");
            found.push(Violation::new(format!("{path}.name"), message));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::{Value, json};

    use super::*;

    fn paths(filter: &[&str], overrides: Value) -> Vec<String> {
        let filter: Vec<_> = filter.iter().map(|name| (*name).to_owned()).collect();
        let overrides = serde_json::from_value(overrides).unwrap();
        let problems = selection_problems(("filter", &filter), ("overrides", &overrides));
        problems.iter().map(|problem| problem.path().to_owned()).collect()
    }

    #[test]
    fn tools_have_names_and_each_its_own() {
        for (filter, overrides, expected) in [
            (vec!["a"], json!({"a": {"name": "b"}}), vec![]),
            (vec![], json!({"a": {"name": "b"}, "b": {"name": "a"}}), vec![]),
            (vec![], json!({"a": {"name": "a", "description": "same name"}}), vec![]),
            (vec!["a", ""], json!({}), vec!["filter[1]"]),
            (vec![], json!({"": {"name": "b"}}), vec!["overrides"]),
            (vec![], json!({"a": {}}), vec!["overrides.a"]),
            (vec![], json!({"a": {"name": ""}}), vec!["overrides.a.name"]),
            (vec![], json!({"a": {"name": "x"}, "b": {"name": "x"}}), vec!["overrides.b.name"]),
            (vec![], json!({"a": {"name": "b"}, "b": {"description": "keeps its name"}}), vec!["overrides.b.name"]),
        ] {
            assert_eq!(paths(&filter, overrides.clone()), expected, "{filter:?} {overrides}");
        }
    }
}
