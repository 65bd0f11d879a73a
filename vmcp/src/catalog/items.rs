//! What one backend lists of one kind: its own names, and items that stay raw. What clients see of it is another thing
//! ([`Exposed`](super::Exposed)), which changes with the configuration.

use crate::jsonrpc::{Object, ParseError, array};
use crate::offers::Kind;
use crate::selection::TOOL_KEYS;
use crate::stateless::mirrored::{MarkError, Mirrored, mirrored};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How many items of one kind are taken from one backend.
const MAX_ITEMS: usize = 10_000;

/// One tool, prompt, resource or template, as its backend has it.
#[derive(Debug)]
pub struct Item {
    /// The name, URI or template by which the backend speaks of it.
    pub name: String,
    /// The item of the list.
    pub item: Arc<RawValue>,
    /// The arguments that a tool's schema wants to see in headers too.
    pub marked: Vec<Mirrored>,
}

/// What one backend has of one kind.
#[derive(Debug)]
pub struct ItemList {
    kind: Kind,
    items: Vec<Item>,
    by_name: HashMap<String, usize>,
    /// Whether the backend's revision has arguments in headers: a tool that asks for them in a wrong way is left out.
    has_mirrored: bool,
    /// How long the backend says that it may be kept.
    ttl: Option<Duration>,
    is_private: bool,
}

/// One page of a backend's list.
pub(super) struct Page<'a> {
    items: Vec<&'a RawValue>,
    /// Where the next page starts, if there is one.
    pub(super) next: Option<String>,
    /// How long the page may be kept, if the backend says so (2026-07-28, caching).
    ttl: Option<Duration>,
    /// Whether it is not for everyone, by what the backend says.
    is_private: bool,
}

impl<'a> Page<'a> {
    /// Reads the result of the method that lists things of `kind`.
    pub(super) fn parse(kind: Kind, result: &'a RawValue) -> Result<Self, ParseError> {
        let member = kind.member();
        let object = Object::parse(result, "result", &[member, "nextCursor", "ttlMs", "cacheScope"])?;
        let items = object.borrowed(member).map(|items| array(items, "result", member)).transpose()?;
        let next = object.typed::<Option<String>>("nextCursor", "a string")?.flatten();
        // Hints that make no sense are none.
        let ttl = object.typed::<i64>("ttlMs", "an integer").ok().flatten();
        let ttl = ttl.map(|ttl| Duration::from_millis(u64::try_from(ttl).unwrap_or_default()));
        let is_private = object.string("cacheScope").ok().flatten().is_some_and(|scope| scope != "public");
        Ok(Self { items: items.unwrap_or_default(), next, ttl, is_private })
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
    /// A tool that asks for arguments in headers in a wrong way.
    #[error("the tool {0:?} cannot be called: {1}")]
    Mirrored(String, MarkError),
    /// The backend lists more than are taken.
    #[error("there are more than {MAX_ITEMS}")]
    TooMany,
}

impl ItemList {
    /// No items of `kind` yet.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, items: Vec::new(), by_name: HashMap::new(), has_mirrored: false, ttl: None, is_private: false }
    }

    /// The same of a backend whose revision has arguments in headers.
    #[must_use]
    pub(super) fn with_mirrored(mut self) -> Self {
        self.has_mirrored = self.kind == Kind::Tools;
        self
    }

    /// Adds a page. An item that is not usable is left out, alone, and reported to `rejected`.
    pub(super) fn add(&mut self, page: &Page<'_>, mut rejected: impl FnMut(ItemError)) {
        self.ttl = [self.ttl, page.ttl].into_iter().flatten().min();
        self.is_private |= page.is_private;
        for item in &page.items {
            if let Err(error) = self.add_item(item) {
                let stop = error == ItemError::TooMany;
                rejected(error);
                if stop {
                    return;
                }
            }
        }
    }

    fn add_item(&mut self, item: &RawValue) -> Result<(), ItemError> {
        let (kind, key) = (self.kind, self.kind.key());
        if self.items.len() >= MAX_ITEMS {
            return Err(ItemError::TooMany);
        }
        let owned: &[&str] = if kind == Kind::Tools { &TOOL_KEYS } else { &[key] };
        let object = Object::parse(item, kind.noun(), owned)?;
        let name = object.string(key)?.filter(|name| !name.is_empty()).ok_or(ItemError::Nameless(key))?;
        if self.by_name.contains_key(&name) {
            return Err(ItemError::Duplicate(name));
        }
        let schema = object.field("inputSchema").filter(|_| kind == Kind::Tools);
        let marked = match schema.map_or(Ok(Vec::new()), mirrored) {
            Err(error) if self.has_mirrored => return Err(ItemError::Mirrored(name, error)),
            // To everyone else marks mean nothing, and clients that know them leave the tool out.
            marked => marked.unwrap_or_default(),
        };
        let item = Arc::from(item.to_owned());
        self.by_name.insert(name.clone(), self.items.len());
        self.items.push(Item { name, item, marked });
        Ok(())
    }

    /// Of which kind the items are.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The arguments that the tool `name` wants to see in headers too.
    pub(super) fn mirrored(&self, name: &str) -> &[Mirrored] {
        self.item(name).filter(|_| self.has_mirrored).map_or(&[], |item| &item.marked)
    }

    /// Whether the backend has something that it calls `name`.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// What the backend calls `name`.
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.by_name.get(name).and_then(|place| self.items.get(*place))
    }

    /// How long the list may be kept, if its backend says so: as long as each of its pages.
    pub(super) fn ttl(&self) -> Option<Duration> {
        self.ttl
    }

    /// Whether the backend says that the list is that of one user.
    pub(super) fn is_private(&self) -> bool {
        self.is_private
    }

    /// The items in the backend's order.
    pub fn iter(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
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
        list.add(&page, |error| rejected.push(error));
        (list, rejected)
    }

    #[test]
    fn a_bad_item_is_left_out_alone() {
        let (list, rejected) = list(
            Kind::Tools,
            r#"{"tools":[{"name":"a","name":"b"},{"name":"c","Name":"d"},{},{"name":1},7,{"name":"e"},{"name":"e"}]}"#,
        );
        assert_eq!(list.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["e"]);
        assert_eq!(rejected.len(), 6);
        assert_eq!(rejected[2], ItemError::Nameless("name"));
        assert_eq!(rejected[5], ItemError::Duplicate("e".to_owned()));
    }

    #[test]
    fn the_key_of_each_kind_must_be_there_once() {
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
    fn a_tool_that_asks_for_headers_in_a_wrong_way_is_left_out_where_there_are_such() {
        let tool = |name: &str, header: &str| {
            let property = format!(r#"{{"type":"string","x-mcp-header":"{header}"}}"#);
            format!(r#"{{"name":"{name}","inputSchema":{{"properties":{{"a":{property}}}}}}}"#)
        };
        let result = format!(r#"{{"tools":[{},{}]}}"#, tool("good", "Region"), tool("bad", "no token"));
        let result = RawValue::from_string(result).unwrap();
        for (list, expected) in
            [(ItemList::new(Kind::Tools).with_mirrored(), [true, false]), (ItemList::new(Kind::Tools), [true, true])]
        {
            let (mut list, mut rejected) = (list, Vec::new());
            let marks = list.has_mirrored;
            list.add(&Page::parse(Kind::Tools, &result).unwrap(), |error| rejected.push(error));
            assert_eq!([list.has("good"), list.has("bad")], expected);
            assert_eq!(list.mirrored("good").len(), usize::from(marks));
            assert_eq!(rejected.len(), usize::from(marks));
            assert!(list.mirrored("other").is_empty());
        }
    }

    #[test]
    fn a_list_is_kept_as_long_as_each_of_its_pages_may_be() {
        let list = |pages: &[&str]| {
            let mut list = ItemList::new(Kind::Tools);
            for page in pages {
                let page = RawValue::from_string((*page).to_owned()).unwrap();
                list.add(&Page::parse(Kind::Tools, &page).unwrap(), |_| {});
            }
            (list.ttl().map(|ttl| ttl.as_millis()), list.is_private())
        };
        assert_eq!(list(&["{}"]), (None, false));
        assert_eq!(
            list(&[r#"{"ttlMs":7,"cacheScope":"public"}"#, r#"{"ttlMs":5,"cacheScope":"private"}"#]),
            (Some(5), true)
        );
        assert_eq!(list(&[r#"{"ttlMs":-7}"#]), (Some(0), false));
        assert_eq!(list(&[r#"{"ttlMs":"long","cacheScope":1}"#]), (None, false));
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
