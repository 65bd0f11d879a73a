//! Which tools of a backend clients see, and how (MCPToolConfig; virtualmcpserver-api, aggregation).

use crate::jsonrpc::{Object, ParseError, array, raw};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, HashSet};
use vmcp_config::proxy::ProxyConfig;
use vmcp_config::{ToolAnnotations, ToolOverride};

/// The keys of a tool that a selection may change.
pub(crate) const TOOL_KEYS: [&str; 3] = ["name", "description", "annotations"];

/// A selection of tools. Everything that it does not speak of stays as the backend has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolSelection {
    /// Names as clients see them; all tools are shown without it.
    shown: Option<HashSet<String>>,
    overrides: BTreeMap<String, ToolOverride>,
    /// The backend's names of renamed tools, by the name that clients see.
    originals: HashMap<String, String>,
}

impl ToolSelection {
    /// The tools that `filter` names, or all without it, changed as `overrides` says. The filter has the names that clients
    /// see, the overrides are by the backend's own.
    pub fn new(filter: Option<&[String]>, overrides: BTreeMap<String, ToolOverride>) -> Self {
        let renamed = overrides.iter().filter_map(|(original, change)| Some((change.name.clone()?, original.clone())));
        Self { shown: filter.map(|names| names.iter().cloned().collect()), originals: renamed.collect(), overrides }
    }

    /// The selection of a proxy.
    pub fn of_proxy(config: &ProxyConfig) -> Self {
        let tools = config.tools.clone().unwrap_or_default();
        Self::new(tools.filter.as_deref(), tools.overrides)
    }

    /// Whether every tool is shown as it is.
    pub fn is_empty(&self) -> bool {
        self.shown.is_none() && self.overrides.is_empty()
    }

    /// The backend's name of the tool that clients call `exposed`; `None` when they see no such tool.
    pub fn original<'a>(&'a self, exposed: &'a str) -> Option<&'a str> {
        if self.shown.as_ref().is_some_and(|shown| !shown.contains(exposed)) {
            return None;
        }
        match self.originals.get(exposed) {
            Some(original) => Some(original),
            // A tool with a new name is not known by its old one.
            None if self.overrides.get(exposed).is_some_and(|change| change.name.is_some()) => None,
            None => Some(exposed),
        }
    }

    /// The name under which clients see the backend's tool `original`, if they see it. A name that an override gives
    /// to a tool is that tool's alone.
    pub fn exposed<'a>(&'a self, original: &'a str) -> Option<&'a str> {
        let name = self.overrides.get(original).and_then(|change| change.name.as_deref()).unwrap_or(original);
        (self.original(name) == Some(original)).then_some(name)
    }

    /// A result of `tools/list` with the tools that clients see. Other members stay as they are. An item that names no
    /// tool is left out.
    pub fn select(&self, result: &RawValue) -> Result<Box<RawValue>, ParseError> {
        let object = Object::parse(result, "result", &["tools"])?;
        let Some(items) = object.borrowed("tools") else { return Ok(result.to_owned()) };
        let items: Vec<_> = array(items, "result", "tools")?.into_iter().filter_map(|item| self.item(item)).collect();
        Ok(object.with("tools", raw(&items)).to_raw())
    }

    fn item(&self, item: &RawValue) -> Option<Box<RawValue>> {
        let object = Object::parse(item, "tool", &TOOL_KEYS)
            .inspect_err(|error| tracing::warn!(%error, "a tool is left out"))
            .ok()?;
        let original = object.string("name").ok().flatten()?;
        let exposed = self.exposed(&original)?;
        if !self.overrides.contains_key(&original) {
            return Some(item.to_owned());
        }
        Some(self.changed(&original, object).with("name", raw(exposed)).to_raw())
    }

    /// Whether the tool `original` has another description or other annotations.
    pub(crate) fn changes(&self, original: &str) -> bool {
        let change = self.overrides.get(original);
        change.is_some_and(|change| change.description.is_some() || change.annotations.is_some())
    }

    /// The backend's tool `original` with its new description and annotations, and still with its own name. `tool` was read with
    /// [`TOOL_KEYS`].
    pub(crate) fn changed<'a>(&self, original: &str, tool: Object<'a>) -> Object<'a> {
        let Some(change) = self.overrides.get(original) else { return tool };
        let mut object = tool;
        if let Some(description) = &change.description {
            object = object.with("description", raw(description));
        }
        if let Some(annotations) = &change.annotations {
            let annotated = annotated(object.field("annotations"), annotations);
            object = object.with("annotations", annotated);
        }
        object
    }
}

/// A tool's own annotations with those of an override. What the override does not say stays.
fn annotated(own: Option<&RawValue>, changes: &ToolAnnotations) -> Box<RawValue> {
    let text = changes.title.as_ref().map(|title| ("title", raw(title)));
    let hints = [
        ("readOnlyHint", changes.read_only_hint),
        ("destructiveHint", changes.destructive_hint),
        ("idempotentHint", changes.idempotent_hint),
        ("openWorldHint", changes.open_world_hint),
    ];
    let hints = hints.into_iter().filter_map(|(key, hint)| Some((key, raw(&hint?))));
    let own = own.and_then(|own| Object::parse(own, "annotations", &[]).ok());
    let annotations = own.unwrap_or_else(|| Object::empty("annotations"));
    text.into_iter().chain(hints).fold(annotations, |object, (key, value)| object.with(key, value)).to_raw()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};
    use vmcp_config::proxy::ProxyTools;

    fn selection(tools: Value) -> ToolSelection {
        let tools: ProxyTools = serde_json::from_value(tools).unwrap();
        ToolSelection::new(tools.filter.as_deref(), tools.overrides)
    }

    fn select(selection: &ToolSelection, result: &str) -> String {
        selection.select(&RawValue::from_string(result.to_owned()).unwrap()).unwrap().get().to_owned()
    }

    #[test]
    fn without_a_configuration_nothing_is_touched() {
        assert!(selection(json!({})).is_empty());
        assert!(!selection(json!({"filter": []})).is_empty(), "an empty list shows no tool");
        assert_eq!(selection(json!({"filter": []})).original("a"), None);
    }

    #[test]
    fn names_lead_to_the_tool_that_clients_see_and_to_no_other() {
        let renamed =
            json!({"get_x": {"name": "lookup"}, "get_y": {"description": "Y"}, "a": {"name": "b"}, "b": {"name": "a"}});
        let tools = selection(json!({ "overrides": renamed }));
        for (exposed, original) in [
            ("lookup", Some("get_x")),
            ("get_x", None),
            ("get_y", Some("get_y")),
            ("other", Some("other")),
            ("a", Some("b")),
            ("b", Some("a")),
        ] {
            assert_eq!(tools.original(exposed), original, "{exposed}");
        }
        let filtered = selection(json!({"filter": ["lookup", "get_y"], "overrides": renamed}));
        assert_eq!(filtered.original("lookup"), Some("get_x"));
        assert_eq!(
            (filtered.original("get_x"), filtered.original("other"), filtered.original("a")),
            (None, None, None)
        );
    }

    #[test]
    fn a_list_shows_what_can_be_called_and_is_otherwise_untouched() {
        let tools = selection(json!({
            "filter": ["lookup", "kept"],
            "overrides": {"get_x": {"name": "lookup", "description": "New.", "annotations": {"readOnlyHint": true}}}
        }));
        let list = concat!(
            r#"{"nextCursor":"c","tools":[{"x":1.0,"name":"kept"},{"name":"hidden"},{"name":"lookup"},"#,
            r#"{"name":"get_x","description":"Old.","annotations":{"title":"X"},"inputSchema":{"b":1, "a":2}},7,"#,
            r#"{"name":"kept","Name":"evil"}],"_meta":{"k":  1}}"#
        );
        let expected = concat!(
            r#"{"nextCursor":"c","tools":[{"x":1.0,"name":"kept"},"#,
            r#"{"name":"lookup","description":"New.","annotations":{"title":"X","readOnlyHint":true},"#,
            r#""inputSchema":{"b":1, "a":2}}],"_meta":{"k":  1}}"#
        );
        assert_eq!(select(&tools, list), expected);
    }
}
