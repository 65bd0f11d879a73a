//! A change wakes the objects that look at what changed, and no others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::world::{Id, World, block_on, merge, read, settled_base};

/// What a change of the objects that the tests begin with wakes.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// A merge patch that names the object; all of it counts, also the status.
    #[serde(default)]
    change: Option<Value>,
    /// Or the object that is deleted.
    #[serde(default)]
    delete: Option<String>,
    /// The objects that are reconciled for it.
    wakes: BTreeSet<String>,
}

#[test]
fn a_change_wakes_whom_it_concerns() {
    let cases: BTreeMap<String, Case> = read("wakes/cases.yaml");
    let settled = settled_base();
    let mut problems = Vec::new();
    block_on(async {
        for (rule, case) in cases {
            let world = World::resumed(settled.clone());
            let woken = if let Some(change) = &case.change {
                let mut object =
                    settled.get(&Id::of(change)).unwrap_or_else(|| panic!("{rule}: no such object")).clone();
                merge(&mut object, change);
                world.concerns(object)
            } else {
                world.concerns_deletion(&Id::parse(&case.delete.unwrap_or_else(|| panic!("{rule}: what changes?"))))
            };
            let woken: BTreeSet<_> =
                woken.iter().map(|target| format!("{}/{}", target.kind, target.key.name)).collect();
            if woken != case.wakes {
                let missed: Vec<_> = case.wakes.difference(&woken).collect();
                let more: Vec<_> = woken.difference(&case.wakes).collect();
                problems.push(format!("{rule}: {missed:?} sleep, and {more:?} are woken in vain"));
            }
        }
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
