//! What one backend lists of one kind: its own names, and items that stay raw.

use super::Naming;
use crate::jsonrpc::{Object, ParseError, array, raw};
use crate::offers::Kind;
use crate::selection::TOOL_KEYS;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// How many items of one kind are taken from one backend.
const MAX_ITEMS: usize = 10_000;

/// One tool, prompt, resource or template.
#[derive(Debug)]
pub struct Item {
    /// The name, URI or template by which clients speak of it.
    pub exposed: String,
    /// The item of the list as clients see it: the backend's own but for the name and what an override changes.
    pub item: Box<RawValue>,
}

/// What clients see of one kind of one backend.
#[derive(Debug)]
pub struct ItemList {
    kind: Kind,
    items: Vec<Item>,
    by_original: HashMap<String, usize>,
}

/// One page of a backend's list.
pub(super) struct Page<'a> {
    items: Vec<&'a RawValue>,
    /// Where the next page starts, if there is one.
    pub(super) next: Option<String>,
}

impl<'a> Page<'a> {
    /// Reads the result of the method that lists things of `kind`.
    pub(super) fn parse(kind: Kind, result: &'a RawValue) -> Result<Self, ParseError> {
        let member = kind.member();
        let object = Object::parse(result, "result", &[member, "nextCursor"])?;
        let items = object.borrowed(member).map(|items| array(items, "result", member)).transpose()?;
        let next = object.typed::<Option<String>>("nextCursor", "a string")?.flatten();
        Ok(Self { items: items.unwrap_or_default(), next })
    }
}

/// What is wrong with one item, for the log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// The item is not one that the gateway can name.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// An item without the key that tells it from others.
    #[error("it has no {0}")]
    Nameless(&'static str),
    /// The backend lists the same one twice.
    #[error("{0:?} is listed twice")]
    Duplicate(String),
    /// The backend lists more than are taken.
    #[error("there are more than {MAX_ITEMS}")]
    TooMany,
}

impl ItemList {
    /// No items of `kind` yet.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, items: Vec::new(), by_original: HashMap::new() }
    }

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
        let (kind, key) = (self.kind, self.kind.key());
        if self.items.len() >= MAX_ITEMS {
            return Err(ItemError::TooMany);
        }
        let owned: &[&str] = if kind == Kind::Tools { &TOOL_KEYS } else { &[key] };
        let object = Object::parse(item, kind.noun(), owned)?;
        let name = object.string(key)?.filter(|name| !name.is_empty()).ok_or(ItemError::Nameless(key))?;
        if self.by_original.contains_key(&name) {
            return Err(ItemError::Duplicate(name));
        }
        let Some(exposed) = naming.exposed(kind, backend, &name) else { return Ok(()) };
        let object = if kind == Kind::Tools { naming.changed(backend, &name, object) } else { object };
        // A name that stays is not even spelled otherwise.
        let object = if exposed == name { object } else { object.with(key, raw(&exposed)) };
        let item = object.to_raw();
        self.by_original.insert(name, self.items.len());
        self.items.push(Item { exposed, item });
        Ok(())
    }

    /// Whether clients see what the backend itself calls `original`.
    pub fn has(&self, original: &str) -> bool {
        self.by_original.contains_key(original)
    }

    /// What clients see of what the backend itself calls `original`.
    pub fn item(&self, original: &str) -> Option<&Item> {
        self.by_original.get(original).and_then(|place| self.items.get(*place))
    }

    /// The items in the backend's order.
    pub fn iter(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    /// Whether clients see the same in both lists.
    pub fn same_as(&self, other: &Self) -> bool {
        self.items.len() == other.items.len()
            && self.items.iter().zip(&other.items).all(|(one, two)| one.item.get() == two.item.get())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn list(kind: Kind, result: &str) -> (ItemList, Vec<ItemError>) {
        let result = RawValue::from_string(result.to_owned()).unwrap();
        let (mut list, mut rejected) = (ItemList::new(kind), Vec::new());
        let page = Page::parse(kind, &result).unwrap();
        list.add(&page, "b", &Naming::prefix("{workload}_"), |error| rejected.push(error));
        (list, rejected)
    }

    #[test]
    fn an_item_changes_in_its_name_only() {
        let (list, rejected) = list(
            Kind::Tools,
            r#"{"tools":[{"title":"T","name":"echo","inputSchema":{"z":1,"a":1.0,"a":2},"x":{"Name":null}}]}"#,
        );
        assert_eq!(rejected, []);
        let items: Vec<_> = list.iter().map(|item| item.item.get()).collect();
        assert_eq!(items, [r#"{"title":"T","name":"b_echo","inputSchema":{"z":1,"a":1.0,"a":2},"x":{"Name":null}}"#]);
        assert!(list.has("echo") && !list.has("b_echo"));
    }

    #[test]
    fn a_bad_item_is_left_out_alone() {
        let (list, rejected) = list(
            Kind::Tools,
            r#"{"tools":[{"name":"a","name":"b"},{"name":"c","Name":"d"},{},{"name":1},7,{"name":"e"},{"name":"e"}]}"#,
        );
        assert_eq!(list.iter().map(|item| item.exposed.as_str()).collect::<Vec<_>>(), ["b_e"]);
        assert_eq!(rejected.len(), 6);
        assert_eq!(rejected[2], ItemError::Nameless("name"));
        assert_eq!(rejected[5], ItemError::Duplicate("e".to_owned()));
    }

    #[test]
    fn prompts_have_prefixes_and_resources_their_own_uris() {
        for (kind, result, item) in [
            (Kind::Prompts, r#"{"prompts":[{"name":"ask","a":1.0}]}"#, r#"{"name":"b_ask","a":1.0}"#),
            (Kind::Resources, r#"{"resources":[{"uri":"x:y","name":"N"}]}"#, r#"{"uri":"x:y","name":"N"}"#),
            (Kind::Templates, r#"{"resourceTemplates":[{"uriTemplate":"x:{y}"}]}"#, r#"{"uriTemplate":"x:{y}"}"#),
        ] {
            let (list, rejected) = list(kind, result);
            assert_eq!((list.iter().map(|item| item.item.get()).collect::<Vec<_>>(), rejected), (vec![item], vec![]));
        }
        for (kind, result) in [
            (Kind::Prompts, r#"{"prompts":[{"name":"a","name":"b"},{"name":"a","NAME":"b"}]}"#),
            (Kind::Resources, r#"{"resources":[{"uri":"a","uri":"b"},{"uri":"a","Uri":"b"}]}"#),
            (Kind::Templates, r#"{"resourceTemplates":[{"uriTemplate":"a","URITemplate":"b"},{"name":"b"}]}"#),
        ] {
            let (list, rejected) = list(kind, result);
            assert_eq!((list.iter().count(), rejected.len()), (0, 2), "{result}");
        }
    }

    #[test]
    fn a_page_names_the_next_one() {
        let page = |text: &str| {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            Page::parse(Kind::Tools, &raw).map(|page| page.next)
        };
        assert_eq!(page(r#"{"tools":[],"nextCursor":"x"}"#), Ok(Some("x".to_owned())));
        assert_eq!(page(r#"{"tools":[],"nextCursor":null}"#), Ok(None));
        assert_eq!(page(r#"{"tools":[]}"#), Ok(None));
        assert!(page(r#"{"tools":{}}"#).is_err());
        assert!(page(r#"{"tools":[],"Tools":[]}"#).is_err());
    }
}
