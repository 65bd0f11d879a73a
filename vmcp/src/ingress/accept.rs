//! Content negotiation as Streamable HTTP asks for it: `Accept` and `Content-Type`.

use http::{HeaderMap, header};

/// What an `Accept` header lets us answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    /// `application/json`.
    pub json: bool,
    /// `text/event-stream`.
    pub events: bool,
}

/// Reads the `Accept` headers of a request. Ranges count, and `q=0` excludes; without the header nothing is accepted,
/// because MCP requires it.
pub(super) fn accepted(headers: &HeaderMap) -> Accepted {
    Accepted { json: accepts(headers, "application", "json"), events: accepts(headers, "text", "event-stream") }
}

/// Whether the body of a request is declared as JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The most specific range that matches decides, the first one of several (RFC 9110, section 12.5.1).
fn accepts(headers: &HeaderMap, kind: &str, subtype: &str) -> bool {
    let ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(range);
    let mut decides = (0, false);
    for (range, wanted) in ranges {
        let precision = precision(range, kind, subtype);
        if precision > decides.0 {
            decides = (precision, wanted);
        }
    }
    decides.1
}

/// One media range, and whether it is wanted at all.
fn range(text: &str) -> (&str, bool) {
    let mut parts = text.split(';');
    let range = parts.next().unwrap_or_default().trim();
    let is_excluded = parts
        .filter_map(|part| part.split_once('='))
        .any(|(name, weight)| name.trim().eq_ignore_ascii_case("q") && weight.trim().parse() == Ok(0.0_f32));
    (range, !is_excluded)
}

/// How precisely a range means a media type; 0 when it does not.
fn precision(range: &str, kind: &str, subtype: &str) -> u8 {
    match range.split_once('/') {
        Some(("*", "*")) => 1,
        Some((own, "*")) if own.eq_ignore_ascii_case(kind) => 2,
        Some((own, sub)) if own.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_most_specific_range_decides() {
        for (accept, json, events) in [
            ("application/json, text/event-stream", true, true),
            ("APPLICATION/JSON;q=0.9,text/event-stream; q=0.1", true, true),
            ("application/json", true, false),
            ("text/event-stream", false, true),
            ("*/*", true, true),
            ("text/*", false, true),
            ("*/*, text/event-stream;q=0", true, false),
            ("*/*, text/event-stream;Q=0", true, false),
            ("*/*, text/event-stream ; q = 0.000", true, false),
            ("text/html", false, false),
            ("", false, false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(accepted(&headers), Accepted { json, events }, "{accept}");
        }
        assert_eq!(accepted(&HeaderMap::new()), Accepted { json: false, events: false });
    }

    #[test]
    fn only_json_is_a_json_content_type() {
        for (content_type, json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/json-seq", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
            assert_eq!(is_json(&headers), json, "{content_type}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
