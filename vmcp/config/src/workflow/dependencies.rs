//! The order of steps: ids are unique, dependencies exist, and no step waits for itself.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{Found, WorkflowFault};
use crate::Step;

pub(super) fn check(steps: &[Step], found: &mut Found) {
    let mut positions = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        if step.id.is_empty() {
            found.structure(format!("steps[{index}].id"), "required: the id of the step");
            continue;
        }
        match positions.entry(step.id.as_str()) {
            Entry::Vacant(entry) => {
                entry.insert(index);
            }
            Entry::Occupied(first) => found.structure(
                format!("steps[{index}].id"),
                format!("{:?} is the id of steps[{}] too: give each step an id of its own", step.id, first.get()),
            ),
        }
    }
    let mut waits_for = vec![Vec::new(); steps.len()];
    for (index, step) in steps.iter().enumerate() {
        for (position, name) in step.depends_on.iter().flatten().enumerate() {
            match positions.get(name.as_str()) {
                Some(other) => waits_for[index].push(*other),
                None => found.structure(
                    format!("steps[{index}].dependsOn[{position}]"),
                    format!("no step has the id {name:?}: name a step of this workflow"),
                ),
            }
        }
    }
    if let Some(cycle) = cycle(&waits_for) {
        let names: Vec<_> = cycle.iter().map(|index| steps[*index].id.as_str()).collect();
        found.add(
            WorkflowFault::DependencyCycle,
            format!("steps[{}].dependsOn", cycle[0]),
            format!("these steps wait for each other: {}: remove one of the dependencies", names.join(" -> ")),
        );
    }
}

/// Steps that wait for each other, the first one again at the end.
fn cycle(waits_for: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut waiting: Vec<usize> = waits_for.iter().map(Vec::len).collect();
    let mut followers = vec![Vec::new(); waits_for.len()];
    for (index, others) in waits_for.iter().enumerate() {
        for other in others {
            followers[*other].push(index);
        }
    }
    let mut runnable: Vec<usize> = (0..waiting.len()).filter(|index| waiting[*index] == 0).collect();
    while let Some(index) = runnable.pop() {
        for follower in &followers[index] {
            waiting[*follower] -= 1;
            if waiting[*follower] == 0 {
                runnable.push(*follower);
            }
        }
    }
    // Every step that is left waits for another one that is left: following them ends in a cycle.
    let mut path = vec![waiting.iter().position(|count| *count > 0)?];
    loop {
        let last = path[path.len() - 1];
        let next = *waits_for[last].iter().find(|other| waiting[**other] > 0)?;
        if let Some(start) = path.iter().position(|index| *index == next) {
            path.drain(..start);
            path.push(next);
            return Some(path);
        }
        path.push(next);
    }
}
