//! Headers that users may add to requests to remote servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use operator_api::{HeaderForward, HeaderFromSecret};
use vmcp_config::{header_problem, is_header_value};

use super::secrets;
use crate::runtime::contents::Keys;

/// What is wrong with the names and the values of `forward`.
pub(super) fn problems(forward: &HeaderForward) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let secret = forward.add_headers_from_secret.iter().map(|header| &header.header_name);
    for name in forward.add_plaintext_headers.keys().chain(secret) {
        if let Some(reason) = header_problem(name) {
            problems.push(format!("header {name:?} cannot be set: {reason}"));
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            problems.push(format!("header {name:?} is set twice"));
        }
    }
    for (name, value) in &forward.add_plaintext_headers {
        if !is_header_value(value) {
            problems.push(format!("header {name:?} has a value with characters that a header cannot carry"));
        }
    }
    problems
}

/// The Secrets that `forward` names.
pub(super) fn secrets(forward: &HeaderForward) -> impl Iterator<Item = &str> {
    forward.add_headers_from_secret.iter().map(|header| header.value_secret_ref.name.as_str())
}

/// Which headers of `forward` have no value in `secrets`, the Secrets that exist.
pub(super) fn secret_problems(forward: &HeaderForward, secrets: &BTreeMap<String, Arc<Keys>>) -> Vec<String> {
    let problem = |header: &HeaderFromSecret| {
        let reference = &header.value_secret_ref;
        let problem = secrets::problem(&reference.name, &reference.key, secrets)?;
        Some(format!("header {:?}: {problem}", header.header_name))
    };
    forward.add_headers_from_secret.iter().filter_map(problem).collect()
}

/// Whether `name` can be the name of a header.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}
