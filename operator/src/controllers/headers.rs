//! Headers that users may add to requests to remote servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use operator_api::{HeaderForward, HeaderFromSecret};

use super::secrets;
use crate::runtime::contents::Keys;

/// What is wrong with the names and the values of `forward`.
pub(super) fn problems(forward: &HeaderForward) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let secret = forward.add_headers_from_secret.iter().map(|header| &header.header_name);
    for name in forward.add_plaintext_headers.keys().chain(secret) {
        if let Some(reason) = refusal(name) {
            problems.push(format!("header {name:?} cannot be set: {reason}"));
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            problems.push(format!("header {name:?} is set twice"));
        }
    }
    for (name, value) in &forward.add_plaintext_headers {
        if !is_value(value) {
            problems.push(format!("header {name:?} has a value with control characters"));
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

/// Why users may not set the header `name`, if so.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    const CONNECTION: [&str; 11] = [
        "connection",
        "content-length",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    if !is_name(name) {
        return Some("it is not a header name");
    }
    let lower = name.to_ascii_lowercase();
    if CONNECTION.contains(&lower.as_str()) {
        return Some("it belongs to the connection");
    }
    if lower == "host" {
        return Some("it follows from the URL");
    }
    if lower.starts_with("x-forwarded-") || matches!(lower.as_str(), "forwarded" | "x-real-ip") {
        return Some("it says where a request comes from");
    }
    if lower.starts_with("mcp-") || matches!(lower.as_str(), "accept" | "content-type") {
        return Some("it belongs to the protocol");
    }
    None
}

/// Whether `name` can be the name of a header.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

/// Whether `value` can be sent in a header.
pub(super) fn is_value(value: &str) -> bool {
    value.chars().all(|c| c == '\t' || !c.is_control())
}
