//! The tools of one backend, as it lists them: its own names, and items that stay raw.

use super::Naming;
use crate::jsonrpc::{Object, ParseError, array, raw};
use crate::selection::TOOL_KEYS;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// How many tools of one backend are taken.
const MAX_TOOLS: usize = 10_000;

/// One tool.
#[derive(Debug)]
pub struct Tool {
    /// The name that clients see.
    pub exposed: String,
    /// The item of `tools/list` as clients see it: the backend's own but for the name and what an override changes.
    pub item: Box<RawValue>,
}

/// The tools of one backend that clients see.
#[derive(Debug, Default)]
pub struct ToolList {
    tools: Vec<Tool>,
    by_original: HashMap<String, usize>,
}

/// One page of a backend's answer to `tools/list`.
pub(super) struct Page<'a> {
    items: Vec<&'a RawValue>,
    /// Where the next page starts, if there is one.
    pub(super) next: Option<String>,
}

impl<'a> Page<'a> {
    /// Reads a result of `tools/list`.
    pub(super) fn parse(result: &'a RawValue) -> Result<Self, ParseError> {
        let object = Object::parse(result, "result", &["tools", "nextCursor"])?;
        let items = object.borrowed("tools").map(|tools| array(tools, "result", "tools")).transpose()?;
        let next = object.typed::<Option<String>>("nextCursor", "a string")?.flatten();
        Ok(Self { items: items.unwrap_or_default(), next })
    }
}

/// What is wrong with one item, for the log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// The item is not a tool that the gateway can name.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// A tool without a name.
    #[error("the tool has no name")]
    Nameless,
    /// The backend lists the same name twice.
    #[error("the tool {0:?} is listed twice")]
    Duplicate(String),
    /// The backend lists more tools than are taken.
    #[error("there are more than {MAX_TOOLS} tools")]
    TooMany,
}

impl ToolList {
    /// Adds a page. An item that is not usable is left out, alone, and reported to `rejected`.
    pub(super) fn add(&mut self, page: &Page<'_>, backend: &str, naming: &Naming, mut rejected: impl FnMut(ItemError)) {
        for item in &page.items {
            if let Err(error) = self.add_item(item, backend, naming) {
                let stop = error == ItemError::TooMany;
                rejected(error);
                if stop {
                    return;
                }
            }
        }
    }

    fn add_item(&mut self, item: &RawValue, backend: &str, naming: &Naming) -> Result<(), ItemError> {
        if self.tools.len() >= MAX_TOOLS {
            return Err(ItemError::TooMany);
        }
        let object = Object::parse(item, "tool", &TOOL_KEYS)?;
        let name = object.string("name")?.filter(|name| !name.is_empty()).ok_or(ItemError::Nameless)?;
        if self.by_original.contains_key(&name) {
            return Err(ItemError::Duplicate(name));
        }
        let Some(exposed) = naming.exposed(backend, &name) else { return Ok(()) };
        let object = naming.changed(backend, &name, object);
        let item = object.with("name", raw(&exposed)).to_raw();
        self.by_original.insert(name, self.tools.len());
        self.tools.push(Tool { exposed, item });
        Ok(())
    }

    /// Whether the backend has a tool of this name, its own name for it, that clients see.
    pub fn has(&self, original: &str) -> bool {
        self.by_original.contains_key(original)
    }

    /// The tools in the backend's order.
    pub fn iter(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter()
    }

    /// Whether clients see the same in both lists.
    pub fn same_as(&self, other: &Self) -> bool {
        self.tools.len() == other.tools.len()
            && self.tools.iter().zip(&other.tools).all(|(one, two)| one.item.get() == two.item.get())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn list(result: &str) -> (ToolList, Vec<ItemError>) {
        let result = RawValue::from_string(result.to_owned()).unwrap();
        let (mut list, mut rejected) = (ToolList::default(), Vec::new());
        let page = Page::parse(&result).unwrap();
        list.add(&page, "b", &Naming::prefix("{workload}_"), |error| rejected.push(error));
        (list, rejected)
    }

    #[test]
    fn an_item_changes_in_its_name_only() {
        let (list, rejected) =
            list(r#"{"tools":[{"title":"T","name":"echo","inputSchema":{"z":1,"a":1.0,"a":2},"x":{"Name":null}}]}"#);
        assert_eq!(rejected, []);
        let items: Vec<_> = list.iter().map(|tool| tool.item.get()).collect();
        assert_eq!(items, [r#"{"title":"T","name":"b_echo","inputSchema":{"z":1,"a":1.0,"a":2},"x":{"Name":null}}"#]);
        assert!(list.has("echo") && !list.has("b_echo"));
    }

    #[test]
    fn a_bad_item_is_left_out_alone() {
        let (list, rejected) = list(
            r#"{"tools":[{"name":"a","name":"b"},{"name":"c","Name":"d"},{},{"name":1},7,{"name":"e"},{"name":"e"}]}"#,
        );
        assert_eq!(list.iter().map(|tool| tool.exposed.as_str()).collect::<Vec<_>>(), ["b_e"]);
        assert_eq!(rejected.len(), 6);
        assert_eq!(rejected[2], ItemError::Nameless);
        assert_eq!(rejected[5], ItemError::Duplicate("e".to_owned()));
    }

    #[test]
    fn a_page_names_the_next_one() {
        let page = |text: &str| {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            Page::parse(&raw).map(|page| page.next)
        };
        assert_eq!(page(r#"{"tools":[],"nextCursor":"x"}"#), Ok(Some("x".to_owned())));
        assert_eq!(page(r#"{"tools":[],"nextCursor":null}"#), Ok(None));
        assert_eq!(page(r#"{"tools":[]}"#), Ok(None));
        assert!(page(r#"{"tools":{}}"#).is_err());
        assert!(page(r#"{"tools":[],"Tools":[]}"#).is_err());
    }
}
