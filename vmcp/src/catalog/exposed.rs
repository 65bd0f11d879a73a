//! What clients see of one backend's list: the items that a configuration shows, under the names that it gives them.
//!
//! It is made of the backend's own list, so that another configuration needs no answer of the backend to take effect.

use super::{Item, ItemList};
use crate::jsonrpc::{Object, raw};
use crate::naming::Naming;
use crate::offers::Kind;
use crate::selection::TOOL_KEYS;
use serde_json::value::RawValue;
use std::sync::Arc;

/// One item as clients see it.
#[derive(Debug)]
pub struct Exposed {
    /// The name, URI or template by which clients speak of it.
    pub name: String,
    /// The backend's own item but for the name and what an override changes.
    pub item: Arc<RawValue>,
}

/// What clients see of one kind of one backend.
#[derive(Debug, Default)]
pub struct ExposedList(Vec<Exposed>);

impl ExposedList {
    /// What clients see of `list`, which is that of `backend`.
    pub fn of(list: &ItemList, backend: &str, naming: &Naming) -> Self {
        Self(list.iter().filter_map(|item| exposed(list.kind(), item, backend, naming)).collect())
    }

    /// The items in the backend's order.
    pub fn iter(&self) -> impl Iterator<Item = &Exposed> {
        self.0.iter()
    }

    /// Whether clients see the same in both lists.
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.iter().zip(other.iter()).all(|(one, two)| one.item.get() == two.item.get())
    }
}

fn exposed(kind: Kind, item: &Item, backend: &str, naming: &Naming) -> Option<Exposed> {
    let name = naming.exposed(kind, backend, &item.name)?;
    let is_changed = kind == Kind::Tools && naming.changes(backend, &item.name);
    // What stays is not even spelled otherwise.
    if name == item.name && !is_changed {
        return Some(Exposed { name, item: Arc::clone(&item.item) });
    }
    let key = kind.key();
    let owned: &[&str] = if kind == Kind::Tools { &TOOL_KEYS } else { &[key] };
    // It was read in the same way when it was listed.
    let object = Object::parse(&item.item, kind.noun(), owned).ok()?;
    let object = if is_changed { naming.changed(backend, &item.name, object) } else { object };
    let object = if name == item.name { object } else { object.with(key, raw(&name)) };
    Some(Exposed { name, item: Arc::from(object.to_raw()) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::items::Page;
    use super::*;
    use serde_json::json;

    fn list(kind: Kind, result: &str) -> ItemList {
        let result = RawValue::from_string(result.to_owned()).unwrap();
        let mut list = ItemList::new(kind);
        list.add(&Page::parse(kind, &result).unwrap(), |error| panic!("{error}"));
        list
    }

    fn items(list: &ExposedList) -> Vec<&str> {
        list.iter().map(|item| item.item.get()).collect()
    }

    #[test]
    fn an_item_changes_in_its_name_only() {
        let tool = r#"{"title":"T","name":"echo","inputSchema":{"z":1,"a":1.0,"a":2},"x":{"Name":null}}"#;
        let list = list(Kind::Tools, &format!(r#"{{"tools":[{tool}]}}"#));
        let prefixed = ExposedList::of(&list, "b", &Naming::prefix("{workload}_"));
        assert_eq!(items(&prefixed), [tool.replace("echo", "b_echo")]);
        let same = ExposedList::of(&list, "b", &Naming::prefix(""));
        assert_eq!(items(&same), [tool]);
        assert!(!same.same_as(&prefixed) && same.same_as(&ExposedList::of(&list, "c", &Naming::prefix(""))));
    }

    #[test]
    fn an_override_changes_what_it_says_and_a_filter_hides_the_rest() {
        let list = list(Kind::Tools, r#"{"tools":[{"name":"get","description":"Old.","x":1.0},{"name":"put"}]}"#);
        let naming = Naming::of(
            serde_json::from_value(json!({"conflictResolution": "priority", "tools": [{
                "workload": "b", "filter": ["get"], "overrides": {"get": {"description": "New."}},
            }]}))
            .unwrap(),
        );
        assert_eq!(items(&ExposedList::of(&list, "b", &naming)), [r#"{"name":"get","description":"New.","x":1.0}"#]);
    }

    #[test]
    fn prompts_have_prefixes_and_resources_their_own_uris() {
        for (kind, result, item) in [
            (Kind::Prompts, r#"{"prompts":[{"name":"ask","a":1.0}]}"#, r#"{"name":"b_ask","a":1.0}"#),
            (Kind::Resources, r#"{"resources":[{"uri":"x:y","name":"N"}]}"#, r#"{"uri":"x:y","name":"N"}"#),
            (Kind::Templates, r#"{"resourceTemplates":[{"uriTemplate":"x:{y}"}]}"#, r#"{"uriTemplate":"x:{y}"}"#),
        ] {
            let exposed = ExposedList::of(&list(kind, result), "b", &Naming::prefix("{workload}_"));
            assert_eq!(items(&exposed), [item]);
        }
    }
}
