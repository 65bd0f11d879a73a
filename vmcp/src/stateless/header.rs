//! The headers that repeat what the body of a request says, so that intermediaries need not read it (2026-07-28,
//! streamable HTTP, request metadata).

use super::tasks::{TASK_ID, is_about_task};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The method.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// The name, URI or task that the request is about.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// What the names of headers begin with that repeat an argument of a tool.
pub const PARAM_PREFIX: &str = "mcp-param-";

/// Those of these headers that repeat arguments of a tool.
pub fn of_arguments(headers: &HeaderMap) -> HeaderMap {
    let of_arguments = headers.iter().filter(|(name, _)| name.as_str().starts_with(PARAM_PREFIX));
    of_arguments.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Before and after a value that is Base64 of UTF-8 text.
const ENCODED: (&str, &str) = ("=?base64?", "?=");

/// The member of the params of `method` that [`NAME`] repeats, if any.
pub fn named_by(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        method if is_about_task(method) => Some(TASK_ID),
        _ => None,
    }
}

/// A text as the value of such a header: as it is where that is safe.
pub fn encode(text: &str) -> HeaderValue {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim_matches(' ').len() == text.len()
        && encoded(text).is_none();
    let plain = is_plain.then(|| HeaderValue::from_str(text).ok()).flatten();
    plain.unwrap_or_else(|| {
        let text = format!("{}{}{}", ENCODED.0, STANDARD.encode(text), ENCODED.1);
        // Base64 and its marks are visible ASCII.
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("=?base64??="))
    })
}

/// Why the value of a header stands for no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Bytes that such a value may not have.
    #[error("it holds characters that are not visible ASCII")]
    Characters,
    /// The marks of Base64 around something else.
    #[error("what stands between the marks is not Base64 of UTF-8 text")]
    Base64,
}

/// The text that the value of such a header stands for. Whitespace around the value is not part of it (RFC 9110,
/// section 5.5).
pub fn decode(value: &HeaderValue) -> Result<String, DecodeError> {
    let is_allowed = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| DecodeError::Characters)?;
    if !value.as_bytes().iter().all(is_allowed) {
        return Err(DecodeError::Characters);
    }
    let text = text.trim_matches([' ', '\t']);
    let Some(encoded) = encoded(text) else { return Ok(text.to_owned()) };
    let bytes = STANDARD.decode(encoded).map_err(|_| DecodeError::Base64)?;
    String::from_utf8(bytes).map_err(|_| DecodeError::Base64)
}

/// What stands between the marks.
fn encoded(text: &str) -> Option<&str> {
    text.strip_prefix(ENCODED.0)?.strip_suffix(ENCODED.1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_between_the_marks_are_base64_and_others_stand_for_themselves() {
        for (value, text) in [
            ("us-west1", Ok("us-west1")),
            ("  padded\t", Ok("padded")),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", Ok("Hello, 世界")),
            ("=?base64?IHBhZGRlZCA=?=", Ok(" padded ")),
            ("=?base64?bGluZTEKbGluZTI=?=", Ok("line1\nline2")),
            ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", Ok("=?base64?literal?=")),
            ("=?base64??=", Ok("")),
            ("=?BASE64?SGVsbG8=?=", Ok("=?BASE64?SGVsbG8=?=")),
            ("=?base64?SGVsbG8=", Ok("=?base64?SGVsbG8=")),
            ("=?base64?SGVsbG8?=", Err(DecodeError::Base64)),
            ("=?base64?SGVs!G8=?=", Err(DecodeError::Base64)),
            ("=?base64?/w==?=", Err(DecodeError::Base64)),
        ] {
            assert_eq!(decode(&HeaderValue::from_static(value)), text.map(str::to_owned), "{value}");
        }
        assert_eq!(decode(&HeaderValue::from_bytes("ü".as_bytes()).unwrap()), Err(DecodeError::Characters));
    }

    #[test]
    fn a_plain_text_is_not_encoded() {
        for (text, value) in [
            ("us-west1", "us-west1"),
            ("a b", "a b"),
            (" a", "=?base64?IGE=?="),
            ("", ""),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encode(text), value, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_survives_its_header(text in "(\\PC|[\\t\\r\\n ]){0,40}") {
            prop_assert_eq!(decode(&encode(&text)), Ok(text));
        }

        #[test]
        fn every_value_is_judged(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let _ = decode(&value);
            }
        }
    }
}
