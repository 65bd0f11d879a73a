//! What clients see, and under which names (virtualmcpserver-api, aggregation).
//!
//! For tools, overrides come first, then the filter, then what the strategy does to names. Prompts are named like tools,
//! but nobody can give a prompt another name: where tools are named by hand, prompts have the prefix. Resources and
//! templates have their own URIs; of two backends with the same one, the first by name has it.

use crate::jsonrpc::Object;
use crate::offers::Kind;
use crate::selection::ToolSelection;
use std::collections::BTreeMap;
use vmcp_config::{Aggregation, ConflictResolution, ToolVisibility, WorkloadTools};

/// The place of the backend's name in a prefix format.
const WORKLOAD: &str = "{workload}";

/// All names, as a configuration wants them.
#[derive(Debug, PartialEq)]
pub struct Naming {
    strategy: Strategy,
    prefix: PrefixFormat,
    /// What the configuration says of a backend's tools.
    backends: BTreeMap<String, Shown>,
    /// What holds for a backend of which it says nothing.
    others: Shown,
}

/// The prefix of a backend's names: the parts of the format between which its own name stands.
#[derive(Debug, PartialEq, Eq)]
struct PrefixFormat(Vec<String>);

impl PrefixFormat {
    /// Reads a format with `{workload}` for the backend's name.
    fn parse(format: &str) -> Self {
        Self(format.split(WORKLOAD).map(str::to_owned).collect())
    }

    /// `name` with the prefix.
    fn put_before(&self, name: &str, backend: &str) -> String {
        self.0.join(backend) + name
    }

    /// `name` without the prefix, if it has it.
    fn strip<'a>(&self, name: &'a str, backend: &str) -> Option<&'a str> {
        let (first, rest) = self.0.split_first()?;
        let name = name.strip_prefix(first.as_str())?;
        rest.iter().try_fold(name, |name, part| name.strip_prefix(backend)?.strip_prefix(part.as_str()))
    }
}

/// How names that several backends have are kept apart.
#[derive(Debug, PartialEq)]
enum Strategy {
    /// Each name gets the prefix.
    Prefix,
    /// The first backend in the order has the name. Those that the order does not name come after it, by name.
    Priority(Vec<String>),
    /// People give each tool a name of its own.
    Manual,
}

/// What clients see of one backend's tools.
#[derive(Debug, PartialEq)]
enum Shown {
    Nothing,
    Selected(ToolSelection),
}

impl Naming {
    /// The names of an aggregation.
    pub fn of(aggregation: Aggregation) -> Self {
        let prefix = PrefixFormat::parse(&aggregation.prefix_format());
        let order = aggregation.conflict_resolution_config.and_then(|config| config.priority_order);
        let strategy = match aggregation.conflict_resolution {
            ConflictResolution::Prefix => Strategy::Prefix,
            ConflictResolution::Priority => Strategy::Priority(order.unwrap_or_default()),
            ConflictResolution::Manual => Strategy::Manual,
        };
        let all_hidden = aggregation.exclude_all_tools == Some(true);
        let tools = aggregation.tools.filter(|_| !all_hidden).unwrap_or_default();
        let others_hidden = all_hidden || aggregation.default_tool_visibility == Some(ToolVisibility::Deny);
        Self {
            strategy,
            prefix,
            backends: tools.into_iter().map(|tools| (tools.workload.clone(), Shown::of(tools))).collect(),
            others: if others_hidden { Shown::Nothing } else { Shown::Selected(ToolSelection::default()) },
        }
    }

    /// The names of one backend, as they are but for what `tools` says.
    pub fn of_one(tools: ToolSelection) -> Self {
        Self {
            strategy: Strategy::Priority(Vec::new()),
            prefix: PrefixFormat::parse(""),
            backends: BTreeMap::new(),
            others: Shown::Selected(tools),
        }
    }

    /// What clients call `name` of `backend`, if they see it.
    pub fn exposed(&self, kind: Kind, backend: &str, name: &str) -> Option<String> {
        let name = if kind == Kind::Tools { self.selection(backend)?.exposed(name)? } else { name };
        Some(if self.has_prefix(kind) { self.prefix.put_before(name, backend) } else { name.to_owned() })
    }

    /// What `backend` itself calls what clients call `exposed`, if it can be the backend's.
    pub fn original<'a>(&'a self, kind: Kind, backend: &str, exposed: &'a str) -> Option<&'a str> {
        let name = if self.has_prefix(kind) { self.prefix.strip(exposed, backend)? } else { exposed };
        if kind == Kind::Tools { self.selection(backend)?.original(name) } else { Some(name) }
    }

    /// Whether the configuration changes anything about the backend's `tool` besides its name.
    pub(crate) fn changes(&self, backend: &str, tool: &str) -> bool {
        self.selection(backend).is_some_and(|selection| selection.changes(tool))
    }

    /// The backend's `tool` with what the configuration changes besides its name.
    pub(crate) fn changed<'a>(&self, backend: &str, tool: &str, item: Object<'a>) -> Object<'a> {
        match self.selection(backend) {
            Some(selection) => selection.changed(tool, item),
            None => item,
        }
    }

    /// The place of `backend` among those that claim one name: the lowest comes first, equal ones by name.
    pub(crate) fn rank(&self, kind: Kind, backend: &str) -> usize {
        match (&self.strategy, kind) {
            (Strategy::Priority(order), Kind::Tools | Kind::Prompts) => {
                order.iter().position(|name| name == backend).unwrap_or(order.len())
            }
            _ => 0,
        }
    }

    /// Whether backends that claim one name stand in the same order in both.
    pub(crate) fn ranks_like(&self, other: &Self) -> bool {
        self.strategy == other.strategy
    }

    /// Whether a name that two backends claim is an error.
    pub(crate) fn is_manual(&self, kind: Kind) -> bool {
        kind == Kind::Tools && matches!(self.strategy, Strategy::Manual)
    }

    /// The tools of `backend` that clients see, if they see any.
    pub(crate) fn selection(&self, backend: &str) -> Option<&ToolSelection> {
        match self.backends.get(backend).unwrap_or(&self.others) {
            Shown::Nothing => None,
            Shown::Selected(selection) => Some(selection),
        }
    }

    fn has_prefix(&self, kind: Kind) -> bool {
        matches!(
            (&self.strategy, kind),
            (Strategy::Prefix, Kind::Tools | Kind::Prompts) | (Strategy::Manual, Kind::Prompts)
        )
    }
}

impl Default for Naming {
    fn default() -> Self {
        Self::of(Aggregation::default())
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
    pub(crate) fn prefix(format: &str) -> Self {
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
            assert_eq!(Naming::prefix(format).exposed(Kind::Tools, "partner-tools", "echo").as_deref(), Some(exposed));
        }
    }

    #[test]
    fn a_name_with_another_prefix_is_not_the_backends() {
        let naming = Naming::prefix("{workload}_");
        assert_eq!(naming.original(Kind::Tools, "a", "a_b_echo"), Some("b_echo"));
        assert_eq!(naming.original(Kind::Tools, "a_b", "a_b_echo"), Some("echo"));
        assert_eq!(naming.original(Kind::Tools, "b", "a_b_echo"), None);
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
            let found = naming.exposed(Kind::Tools, backend, tool);
            assert_eq!(found.as_deref(), exposed, "{backend} {tool} {aggregation}");
            let back = exposed.and_then(|exposed| naming.original(Kind::Tools, backend, exposed));
            assert_eq!(back, exposed.map(|_| tool), "{backend} {tool} {aggregation}");
        }
    }

    #[test]
    fn prompts_are_named_by_strategy_and_resources_by_themselves() {
        for (strategy, prompt) in [("prefix", "b_x"), ("manual", "b_x"), ("priority", "x")] {
            let hidden = json!({"conflictResolution": strategy, "excludeAllTools": true});
            let naming = naming(hidden);
            assert_eq!(naming.exposed(Kind::Prompts, "b", "x").as_deref(), Some(prompt), "{strategy}");
            assert_eq!(naming.original(Kind::Prompts, "b", prompt), Some("x"), "{strategy}");
            for kind in [Kind::Resources, Kind::Templates] {
                assert_eq!(naming.exposed(kind, "b", "x:y").as_deref(), Some("x:y"), "{strategy}");
                assert_eq!(naming.original(kind, "b", "x:y"), Some("x:y"), "{strategy}");
            }
        }
    }

    proptest! {
        #[test]
        fn an_exposed_name_leads_back_to_the_original(
            format in "[a-z_.]{0,4}(\\{workload\\})?[a-z_.]{0,4}", backend in "[a-z0-9-]{1,12}", tool in ".{0,20}",
        ) {
            let naming = Naming::prefix(&format);
            let exposed = naming.exposed(Kind::Tools, &backend, &tool).unwrap();
            prop_assert_eq!(naming.original(Kind::Tools, &backend, &exposed), Some(tool.as_str()));
        }
    }
}
