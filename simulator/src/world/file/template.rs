//! Templates: an item of a list that stands for many.
//!
//! ```yaml
//! servers:
//!   - repeat: {count: 500, as: n}
//!     item: {url: "https://mcp-${n}.example.com/mcp", tools: [{name: "tool-${n}"}]}
//! ```

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::collect::{self, Finding};
use super::tree::{Content, Entry, Node};

/// So many values can be made by the templates of a file: a mistyped count must not take all memory.
const MOST: usize = 2_000_000;

/// How often an item is repeated. Exactly one of `count` and `over` is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Repeat {
    /// So many times, with the numbers 1, 2 and so on.
    #[serde(default)]
    count: Option<NonZeroUsize>,
    /// Once for each of these texts, numbers or booleans.
    #[serde(default)]
    over: Option<Vec<Value>>,
    /// The name under which strings of the item use the number or text: `${NAME}`.
    #[serde(rename = "as")]
    name: String,
}

/// An item of a list that stands for many.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Template {
    /// How often the item is repeated.
    #[expect(dead_code, reason = "the schema is made of it")]
    repeat: Repeat,
    /// The item. `${NAME}` in its strings is replaced, and a string that is nothing else becomes the number itself.
    #[expect(dead_code, reason = "the schema is made of it")]
    item: Value,
}

/// Puts into every list below `node` what its templates stand for.
pub(super) fn expand(node: &mut Node, findings: &mut Vec<Finding>) {
    Expansion { made: 0, findings }.expand(node);
}

struct Expansion<'a> {
    made: usize,
    findings: &'a mut Vec<Finding>,
}

impl Expansion<'_> {
    fn expand(&mut self, node: &mut Node) {
        match &mut node.content {
            Content::Map(entries) => {
                for entry in entries {
                    self.expand(&mut entry.value);
                }
            }
            Content::List(items) => {
                for item in std::mem::take(items) {
                    if is_template(&item) {
                        items.extend(self.repeated(item));
                    } else {
                        items.push(item);
                    }
                }
                // An item may hold templates of its own, whose counts and names may have come from this one.
                for item in items {
                    self.expand(item);
                }
            }
            _ => {}
        }
    }

    fn repeated(&mut self, mut template: Node) -> Vec<Node> {
        let place = template.place;
        let (Some(mut repeat), item) = (template.take("repeat"), template.take("item")) else { return Vec::new() };
        if let Content::Map(others) = &template.content {
            for other in others {
                let message = format!("unknown key `{}`: a template has the keys `repeat` and `item` alone", other.key);
                self.findings.push((other.place, message));
            }
        }
        let Some(Entry { value: item, .. }) = item else {
            self.findings.push((place, "the key `item` is missing here: what is to be repeated".to_owned()));
            return Vec::new();
        };
        let (read, findings) = collect::read::<Repeat>(&mut repeat.value);
        self.findings.extend(findings);
        let Some(Repeat { count, over, name }) = read else { return Vec::new() };
        let values: Vec<Value> = match (count, over) {
            (Some(count), None) => {
                // One more than can be made is enough to find that it is too much.
                (1..=count.get().min(MOST + 1)).map(Value::from).collect()
            }
            (None, Some(values)) if values.iter().all(|value| !value.is_object() && !value.is_array()) => values,
            (None, Some(_)) => {
                self.findings.push((repeat.place, "`over` is a list of texts, numbers or booleans".to_owned()));
                return Vec::new();
            }
            _ => {
                self.findings.push((repeat.place, "expected one of `count` and `over`".to_owned()));
                return Vec::new();
            }
        };
        self.made = self.made.saturating_add(values.len().saturating_mul(size(&item)));
        if self.made > MOST {
            self.findings.push((repeat.place, format!("the templates make more than {MOST} values: repeat less")));
            return Vec::new();
        }
        let variable = format!("${{{name}}}");
        let copy = |value: &Value| {
            let mut copy = item.clone();
            fill_in(&mut copy, &variable, value);
            copy
        };
        values.iter().map(copy).collect()
    }
}

/// `repeat` means something else where it is no mapping, and in a free form it may.
fn is_template(node: &Node) -> bool {
    node.entry("repeat").is_some_and(|entry| matches!(entry.value.content, Content::Map(_)))
}

/// Of how many values it consists.
fn size(node: &Node) -> usize {
    1 + match &node.content {
        Content::List(items) => items.iter().map(size).sum(),
        Content::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
        _ => 0,
    }
}

fn fill_in(node: &mut Node, variable: &str, value: &Value) {
    match &mut node.content {
        Content::Text(text) if text == variable => node.content = content(value),
        Content::Text(text) if text.contains(variable) => *text = text.replace(variable, &written(value)),
        Content::List(items) => items.iter_mut().for_each(|item| fill_in(item, variable, value)),
        Content::Map(entries) => {
            for entry in entries {
                if entry.key.contains(variable) {
                    entry.key = entry.key.replace(variable, &written(value));
                }
                fill_in(&mut entry.value, variable, value);
            }
        }
        _ => {}
    }
}

fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn content(value: &Value) -> Content {
    match value {
        Value::Null => Content::Null,
        Value::String(text) => Content::Text(text.clone()),
        scalar => Content::Scalar(scalar.clone(), scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn expanded(text: &str) -> (Value, Vec<Finding>) {
        let mut node = Node::parse(0, text).unwrap();
        let mut findings = Vec::new();
        expand(&mut node, &mut findings);
        (collect::read(&mut node).0.unwrap(), findings)
    }

    #[test]
    fn an_item_is_made_for_each_number_and_each_text() {
        let (value, findings) = expanded(
            "- first\n- repeat: {count: 2, as: n}\n  item: {name: 'a-${n}', size: '${n}', other: '${m}'}\n- repeat: {over: [x, y], as: k}\n  item: '<${k}>'",
        );
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(
            value,
            serde_json::json!(["first", {"name": "a-1", "size": 1, "other": "${m}"}, {"name": "a-2", "size": 2, "other": "${m}"}, "<x>", "<y>"])
        );
    }

    #[test]
    fn templates_hold_templates() {
        let (value, findings) = expanded(
            "- repeat: {over: [2, 1], as: rows}\n  item: {cells: [{repeat: {count: '${rows}', as: n}, item: '${rows}.${n}'}]}",
        );
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(value, serde_json::json!([{"cells": ["2.1", "2.2"]}, {"cells": ["1.1"]}]));
    }

    #[test]
    fn what_is_no_template_stays() {
        let (value, _) = expanded("- {repeat: 2}\n- {does: {repeat: {count: 2}}}");
        assert_eq!(value, serde_json::json!([{"repeat": 2}, {"does": {"repeat": {"count": 2}}}]));
    }
}
