//! From the path of a problem, such as `servers[2].certificate.issuer`, to its place in the files.

use super::collect::Finding;
use super::tree::{Content, Node};
use crate::world::Problem;

/// The problem at its place. `None` when something was taken out on the way to it, from which it may follow.
pub(super) fn finding(root: &Node, problem: &Problem) -> Option<Finding> {
    let mut node = root;
    // Others may have been taken out of a list: the path that is told counts them.
    let mut told = String::new();
    let mut known = true;
    // A key that holds dots stands in quotes: `dns["a.example.com"].ttl`.
    let mut quoted = false;
    let steps = problem.path.split_inclusive(|letter| {
        quoted ^= letter == '"';
        !quoted && matches!(letter, '.' | '[' | ']')
    });
    for step in steps {
        let name = step.trim_end_matches(['.', '[', ']']).trim_matches('"');
        let next = match (&node.content, name.parse::<usize>()) {
            _ if name.is_empty() || !known => None,
            (Content::List(items), Ok(index)) => items.get(index),
            _ => node.entry(name).map(|entry| &entry.value),
        };
        match (next, &node.content) {
            (Some(next), Content::List(_)) => told.push_str(&step.replace(name, &next.index.to_string())),
            _ => told.push_str(step),
        }
        match next {
            Some(next) => node = next,
            // What is missing is shown where it should be.
            None => known = known && name.is_empty(),
        }
        if known && matches!(node.content, Content::Map(_)) && !node.missing.is_empty() {
            return None;
        }
    }
    Some((node.place, format!("{told}: {}", problem.message)))
}

/// Whether all that was taken out was part of a server: nothing else refers to one.
pub(super) fn only_servers_lack_something(root: &Node) -> bool {
    let Content::Map(entries) = &root.content else { return false };
    root.missing.is_empty() && entries.iter().filter(|entry| entry.key != "servers").all(|entry| is_whole(&entry.value))
}

fn is_whole(node: &Node) -> bool {
    node.missing.is_empty()
        && match &node.content {
            Content::List(items) => items.iter().all(is_whole),
            Content::Map(entries) => entries.iter().all(|entry| is_whole(&entry.value)),
            _ => true,
        }
}
