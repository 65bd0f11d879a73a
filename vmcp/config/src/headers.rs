//! Which headers may be configured, and which of a client's may be passed on.

use crate::Violation;

/// Adds what is wrong with the header `name` that requests to a server are given.
pub(crate) fn name_rule(path: &str, name: &str, found: &mut Vec<Violation>) {
    if let Some(reason) = header_problem(name) {
        found.push(Violation::new(path, format!("header {name:?} cannot be set: {reason}")));
    }
}

/// Adds what is wrong with the value of a header, which the message does not repeat.
pub(crate) fn value_rule(path: &str, value: &str, found: &mut Vec<Violation>) {
    if !is_header_value(value) {
        found.push(Violation::new(path, "has characters that a header cannot carry"));
    }
}

/// Whether a header can have the value `value` (RFC 9110, section 5.5). Line breaks at the end, which files often have, do not count.
pub fn is_header_value(value: &str) -> bool {
    value.trim_end_matches(['\r', '\n']).bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

/// Why requests to a server may not be given the header `name`, if so. Credentials may be configured, and only passing
/// on the client's is refused.
pub fn header_problem(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "authorization" | "cookie" | "set-cookie" | "content-encoding" => None,
        _ => passthrough_problem(name),
    }
}

/// Why the header `name` of a client may not be passed on to backends, if so.
pub fn passthrough_problem(name: &str) -> Option<&'static str> {
    const HOP_BY_HOP: [&str; 10] = [
        "connection",
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
    let lower = name.to_ascii_lowercase();
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if lower.is_empty() || !lower.chars().all(token) {
        return Some("it is not a header name");
    }
    if lower.starts_with("x-forwarded-") || matches!(lower.as_str(), "forwarded" | "x-real-ip") {
        return Some("it says where a request comes from");
    }
    if lower.starts_with("mcp-") {
        return Some("it belongs to the protocol");
    }
    match lower.as_str() {
        "authorization" | "cookie" | "set-cookie" => Some("it holds the client's credentials"),
        "host" | "accept" | "content-length" | "content-type" | "content-encoding" | "last-event-id" => {
            Some("it belongs to the request itself")
        }
        other if HOP_BY_HOP.contains(&other) => Some("it belongs to one connection"),
        _ => None,
    }
}
