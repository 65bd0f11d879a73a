//! Which tools clients see, and under which names (virtualmcpserver-api, aggregation).
//!
//! Overrides come first, then the filter, then what the strategy does to names.

use crate::jsonrpc::Object;
use crate::selection::ToolSelection;
use std::collections::BTreeMap;
use vmcp_config::{Aggregation, ConflictResolution, ToolVisibility, WorkloadTools};

/// The place of the backend's name in a prefix format.
const WORKLOAD: &str = "{workload}";

/// The names of all tools, as a configuration wants them.
#[derive(Debug)]
pub struct Naming {
    strategy: Strategy,
    /// What the configuration says of a backend's tools.
    backends: BTreeMap<String, Shown>,
    /// What holds for a backend of which it says nothing.
    others: Shown,
}

/// How names that several backends have are kept apart.
#[derive(Debug)]
enum Strategy {
    /// Each name gets a prefix, with `{workload}` for the name of the backend.
    Prefix(String),
    /// The first backend in the order has the name. Those that the order does not name come after it, by name.
    Priority(Vec<String>),
    /// People give each tool a name of its own.
    Manual,
}

/// What clients see of one backend's tools.
#[derive(Debug)]
enum Shown {
    Nothing,
    Selected(ToolSelection),
}

impl Naming {
    /// The names of an aggregation.
    pub fn of(aggregation: Aggregation) -> Self {
        let prefix = aggregation.prefix_format();
        let order = aggregation.conflict_resolution_config.and_then(|config| config.priority_order);
        let strategy = match aggregation.conflict_resolution {
            ConflictResolution::Prefix => Strategy::Prefix(prefix),
            ConflictResolution::Priority => Strategy::Priority(order.unwrap_or_default()),
            ConflictResolution::Manual => Strategy::Manual,
        };
        let all_hidden = aggregation.exclude_all_tools == Some(true);
        let tools = aggregation.tools.filter(|_| !all_hidden).unwrap_or_default();
        let others_hidden = all_hidden || aggregation.default_tool_visibility == Some(ToolVisibility::Deny);
        Self {
            strategy,
            backends: tools.into_iter().map(|tools| (tools.workload.clone(), Shown::of(tools))).collect(),
            others: if others_hidden { Shown::Nothing } else { Shown::Selected(ToolSelection::default()) },
        }
    }

    /// The name under which clients see `tool` of `backend`, if they see it.
    pub fn exposed(&self, backend: &str, tool: &str) -> Option<String> {
        let name = self.selection(backend)?.exposed(tool)?;
        Some(match self.prefix_of(backend) {
            Some(prefix) => prefix + name,
            None => name.to_owned(),
        })
    }

    /// The name that `backend` would have given to the tool that clients call `exposed`, if it can be its tool.
    pub fn original<'a>(&'a self, backend: &str, exposed: &'a str) -> Option<&'a str> {
        let name = match self.prefix_of(backend) {
            Some(prefix) => exposed.strip_prefix(&prefix)?,
            None => exposed,
        };
        self.selection(backend)?.original(name)
    }

    /// The backend's `tool` with what the configuration changes besides its name.
    pub(super) fn changed<'a>(&self, backend: &str, tool: &str, item: Object<'a>) -> Object<'a> {
        match self.selection(backend) {
            Some(selection) => selection.changed(tool, item),
            None => item,
        }
    }

    /// The place of `backend` among those that claim one name: the lowest comes first, equal ones by name.
    pub(super) fn rank(&self, backend: &str) -> usize {
        match &self.strategy {
            Strategy::Priority(order) => order.iter().position(|name| name == backend).unwrap_or(order.len()),
            Strategy::Prefix(_) | Strategy::Manual => 0,
        }
    }

    /// Whether a name that two backends claim is an error.
    pub(super) fn is_manual(&self) -> bool {
        matches!(self.strategy, Strategy::Manual)
    }

    fn selection(&self, backend: &str) -> Option<&ToolSelection> {
        match self.backends.get(backend).unwrap_or(&self.others) {
            Shown::Nothing => None,
            Shown::Selected(selection) => Some(selection),
        }
    }

    fn prefix_of(&self, backend: &str) -> Option<String> {
        match &self.strategy {
            Strategy::Prefix(format) => Some(format.replace(WORKLOAD, backend)),
            Strategy::Priority(_) | Strategy::Manual => None,
        }
    }
}

impl Shown {
    fn of(tools: WorkloadTools) -> Self {
        if tools.exclude_all == Some(true) {
            return Self::Nothing;
        }
        Self::Selected(ToolSelection::new(tools.filter.as_deref(), tools.overrides.unwrap_or_default()))
    }
}

#[cfg(test)]
impl Naming {
    /// Names with a prefix, with `{workload}` for the name of the backend.
    pub(super) fn prefix(format: &str) -> Self {
        let config = vmcp_config::ConflictResolutionConfig { prefix_format: format.to_owned(), priority_order: None };
        Self::of(Aggregation { conflict_resolution_config: Some(config), ..Aggregation::default() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn naming(aggregation: Value) -> Naming {
        Naming::of(serde_json::from_value(aggregation).unwrap())
    }

    #[test]
    fn a_prefix_is_the_format_with_the_backends_name() {
        for (format, exposed) in [
            ("{workload}_", "partner-tools_echo"),
            ("{workload}.", "partner-tools.echo"),
            ("{workload}", "partner-toolsecho"),
            ("x-{workload}-{workload}/", "x-partner-tools-partner-tools/echo"),
            ("all_", "all_echo"),
        ] {
            assert_eq!(Naming::prefix(format).exposed("partner-tools", "echo").as_deref(), Some(exposed));
        }
    }

    #[test]
    fn a_name_with_another_prefix_is_not_the_backends() {
        let naming = Naming::prefix("{workload}_");
        assert_eq!(naming.original("a", "a_b_echo"), Some("b_echo"));
        assert_eq!(naming.original("a_b", "a_b_echo"), Some("echo"));
        assert_eq!(naming.original("b", "a_b_echo"), None);
    }

    #[test]
    fn tools_are_renamed_then_filtered_then_prefixed() {
        let tools = json!([
            {"workload": "a", "filter": ["new", "kept"], "overrides": {"old": {"name": "new"}}},
            {"workload": "hidden", "excludeAll": true},
        ]);
        for (more, backend, tool, exposed) in [
            (json!({}), "a", "old", Some("a_new")),
            (json!({}), "a", "new", None),
            (json!({}), "a", "kept", Some("a_kept")),
            (json!({}), "a", "other", None),
            (json!({}), "hidden", "x", None),
            (json!({}), "b", "x", Some("b_x")),
            (json!({"defaultToolVisibility": "allow"}), "b", "x", Some("b_x")),
            (json!({"defaultToolVisibility": "deny"}), "b", "x", None),
            (json!({"defaultToolVisibility": "deny"}), "a", "old", Some("a_new")),
            (json!({"excludeAllTools": true}), "a", "old", None),
            (json!({"excludeAllTools": true}), "b", "x", None),
            (json!({"excludeAllTools": false}), "b", "x", Some("b_x")),
            (json!({"conflictResolution": "manual"}), "a", "old", Some("new")),
            (json!({"conflictResolution": "priority"}), "b", "x", Some("x")),
        ] {
            let mut aggregation = json!({ "tools": tools });
            aggregation.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let naming = naming(aggregation.clone());
            let found = naming.exposed(backend, tool);
            assert_eq!(found.as_deref(), exposed, "{backend} {tool} {aggregation}");
            let back = exposed.and_then(|exposed| naming.original(backend, exposed));
            assert_eq!(back, exposed.map(|_| tool), "{backend} {tool} {aggregation}");
        }
    }

    proptest! {
        #[test]
        fn an_exposed_name_leads_back_to_the_original(
            format in "[a-z_.]{0,4}(\\{workload\\})?[a-z_.]{0,4}", backend in "[a-z0-9-]{1,12}", tool in ".{0,20}",
        ) {
            let naming = Naming::prefix(&format);
            let exposed = naming.exposed(&backend, &tool).unwrap();
            prop_assert_eq!(naming.original(&backend, &exposed), Some(tool.as_str()));
        }
    }
}
