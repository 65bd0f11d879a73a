//! Headers that users may add to requests to remote servers.

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
