//! One list out of many: what all backends have of one kind, as clients see it, and who owns a name that several claim.
//!
//! The result depends on configuration and lists alone, not on the order in which the lists arrived.

use super::{Exposed, ExposedList};
use crate::naming::Naming;
use crate::offers::Kind;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What clients see of the lists of all backends, by the backend's name.
pub type Lists = BTreeMap<String, Arc<ExposedList>>;

/// A name that two backends claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collision {
    /// The name.
    pub name: String,
    /// The backend that comes first.
    pub owner: String,
    /// The other one.
    pub loser: String,
}

/// Everything of `kind` that clients see, backends in the order of `naming`, each one's items in its own order; and the
/// names that were taken.
pub fn merge<'a>(kind: Kind, lists: &'a Lists, naming: &Naming) -> (Vec<&'a Exposed>, Vec<Collision>) {
    let mut owners: HashMap<&str, &str> = HashMap::new();
    let mut items = Vec::new();
    let mut collisions = Vec::new();
    let mut ordered: Vec<_> = lists.iter().collect();
    ordered.sort_by_key(|(backend, _)| naming.rank(kind, backend));
    for (backend, list) in ordered {
        for item in list.iter() {
            if let Some(owner) = owners.get(item.name.as_str()) {
                collisions.push(Collision {
                    name: item.name.clone(),
                    owner: (*owner).to_owned(),
                    loser: backend.clone(),
                });
            } else {
                owners.insert(&item.name, backend);
                items.push(item);
            }
        }
    }
    (items, collisions)
}

/// The backends that could own the name `exposed`, in the order of `naming`, each with its own name for it.
pub fn candidates<'a>(
    kind: Kind,
    backends: impl Iterator<Item = &'a str>,
    naming: &'a Naming,
    exposed: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let mut candidates: Vec<_> =
        backends.filter_map(|backend| Some((backend, naming.original(kind, backend, exposed)?))).collect();
    candidates.sort_unstable_by_key(|(backend, _)| (naming.rank(kind, backend), *backend));
    candidates
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::ItemList;
    use super::super::items::Page;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn lists(kind: Kind, naming: &Naming, backends: &[(String, Vec<String>)]) -> Lists {
        let list = |backend: &str, names: &[String]| {
            let items: Vec<_> = names.iter().map(|name| json!({ (kind.key()): name })).collect();
            let result = crate::jsonrpc::raw(&json!({ (kind.member()): items }));
            let mut list = ItemList::new(kind);
            list.add(&Page::parse(kind, &result).unwrap(), |_| {});
            Arc::new(ExposedList::of(&list, backend, naming))
        };
        backends.iter().map(|(backend, names)| (backend.clone(), list(backend, names))).collect()
    }

    #[test]
    fn the_later_backend_loses_a_colliding_name() {
        let naming = Naming::prefix("");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let backends = [("b".to_owned(), names(&["x", "y"])), ("a".to_owned(), names(&["x", "z"]))];
        let lists = lists(Kind::Tools, &naming, &backends);
        let (tools, collisions) = merge(Kind::Tools, &lists, &naming);
        assert_eq!(tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["x", "z", "y"]);
        let collision = Collision { name: "x".to_owned(), owner: "a".to_owned(), loser: "b".to_owned() };
        assert_eq!(collisions, [collision]);
        assert_eq!(candidates(Kind::Tools, ["b", "a"].into_iter(), &naming, "x"), [("a", "x"), ("b", "x")]);
    }

    #[test]
    fn only_a_backend_whose_prefix_fits_is_a_candidate() {
        let naming = Naming::prefix("{workload}_");
        let backends = ["a", "a_b", "c"];
        assert_eq!(candidates(Kind::Tools, backends.into_iter(), &naming, "a_b_x"), [("a", "b_x"), ("a_b", "x")]);
        assert_eq!(candidates(Kind::Tools, backends.into_iter(), &naming, "x"), []);
    }

    fn naming_of(strategy: &str) -> Naming {
        Naming::of(match strategy {
            "priority" => aggregation(json!({
                "conflictResolution": "priority",
                "conflictResolutionConfig": {"priorityOrder": ["b", "a_"]},
                "tools": [{"workload": "a", "overrides": {"a": {"name": "b"}}}, {"workload": "b", "filter": ["a", "ab"]}]
            })),
            "manual" => {
                aggregation(json!({"conflictResolution": "manual", "tools": [{"workload": "a", "excludeAll": true}]}))
            }
            format => aggregation(json!({"conflictResolutionConfig": {"prefixFormat": format}})),
        })
    }

    fn aggregation(value: serde_json::Value) -> vmcp_config::Aggregation {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_order_of_priority_decides_who_owns_a_name() {
        let naming = Naming::of(aggregation(
            json!({"conflictResolution": "priority", "conflictResolutionConfig": {"priorityOrder": ["c", "b"]}}),
        ));
        let list = || vec!["x".to_owned()];
        let lists = lists(
            Kind::Tools,
            &naming,
            &[("a".to_owned(), list()), ("b".to_owned(), list()), ("c".to_owned(), list())],
        );
        let (tools, collisions) = merge(Kind::Tools, &lists, &naming);
        assert_eq!(tools.len(), 1);
        assert_eq!(
            collisions.iter().map(|found| (&*found.owner, &*found.loser)).collect::<Vec<_>>(),
            [("c", "b"), ("c", "a")]
        );
        assert_eq!(
            candidates(Kind::Tools, ["a", "b", "c"].into_iter(), &naming, "x"),
            [("c", "x"), ("b", "x"), ("a", "x")]
        );
    }

    proptest! {
        #[test]
        fn the_merged_list_and_the_owners_do_not_depend_on_arrival(
            kind in prop::sample::select(Kind::ALL.to_vec()),
            format in prop_oneof![Just("{workload}_"), Just("{workload}"), Just("priority"), Just("manual")],
            backends in prop::collection::btree_map("[ab_]{1,3}", prop::collection::vec("[ab_]{1,3}", 0..5), 0..5),
            seed in any::<u64>(),
        ) {
            let naming = naming_of(format);
            let sorted: Vec<_> = backends.into_iter().collect();
            let mut shuffled = sorted.clone();
            let half = shuffled.len().max(1);
            shuffled.rotate_left(usize::try_from(seed % half as u64).unwrap());
            let (one, two) = (lists(kind, &naming, &sorted), lists(kind, &naming, &shuffled));
            let (tools, collisions) = merge(kind, &one, &naming);
            let (same_tools, same_collisions) = merge(kind, &two, &naming);
            let names = |tools: &[&Exposed]| tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>();
            prop_assert_eq!(names(&tools), names(&same_tools));
            prop_assert_eq!(collisions, same_collisions);
            // Whoever shows a name in the list is the first candidate that has the tool.
            for tool in tools {
                let candidates = candidates(kind, one.keys().map(String::as_str), &naming, &tool.name);
                let has = |backend: &str, name: &str| {
                    sorted.iter().any(|(known, names)| known == backend && names.iter().any(|known| known == name))
                };
                let (owner, original) = candidates.iter().find(|(backend, name)| has(backend, name)).unwrap();
                prop_assert_eq!(naming.exposed(kind, owner, original), Some(tool.name.clone()));
            }
        }
    }
}
