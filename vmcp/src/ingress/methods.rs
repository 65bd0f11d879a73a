//! The params of methods, as far as the gateway reads them.

use super::revision;
use crate::catalog::{COMPLETE_KEYS, NAMED_KEYS, RESOURCE_KEYS};
use crate::jsonrpc::{Object, ParseError};
use crate::stateless::tasks::TASK_KEYS;
use serde_json::value::RawValue;

/// Checks that the params of `method` are an object in which no key that the gateway reads is there twice.
pub(super) fn check(method: &str, params: Option<&RawValue>) -> Result<(), ParseError> {
    let Some(params) = params else { return Ok(()) };
    let params = Object::parse(params, "params", owned_keys(method))?;
    revision::meta(&params).map(drop)
}

/// The keys of the params of each method that the gateway acts on; of any other method it reads `_meta` alone.
const OWNED_KEYS: [(&str, &[&str]); 17] = [
    ("initialize", &["protocolVersion", "capabilities", "clientInfo", "_meta"]),
    ("tools/list", &LIST_KEYS),
    ("prompts/list", &LIST_KEYS),
    ("resources/list", &LIST_KEYS),
    ("resources/templates/list", &LIST_KEYS),
    ("tools/call", &NAMED_KEYS),
    ("prompts/get", &NAMED_KEYS),
    ("resources/read", &RESOURCE_KEYS),
    ("resources/subscribe", &RESOURCE_KEYS),
    ("resources/unsubscribe", &RESOURCE_KEYS),
    ("completion/complete", &COMPLETE_KEYS),
    ("tasks/get", &TASK_KEYS),
    ("tasks/update", &TASK_KEYS),
    ("tasks/cancel", &TASK_KEYS),
    ("subscriptions/listen", &["notifications", "_meta"]),
    ("logging/setLevel", &["level", "_meta"]),
    ("notifications/cancelled", &["requestId", "_meta"]),
];
const LIST_KEYS: [&str; 2] = ["cursor", "_meta"];

/// The keys of the params of `method` that the gateway acts on.
pub(crate) fn owned_keys(method: &str) -> &'static [&'static str] {
    OWNED_KEYS.iter().find(|(name, _)| *name == method).map_or(&["_meta"], |(_, keys)| *keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::jsonrpc::code;

    fn refused(method: &str, params: &str) -> String {
        let raw = RawValue::from_string(params.to_owned()).unwrap();
        let error = check(method, Some(&raw)).expect_err(params);
        assert_eq!(error.code(), code::INVALID_PARAMS, "{method} {params}");
        error.to_string()
    }

    /// The spellings of a key that some decoder takes for the same.
    fn spellings(key: &str) -> Vec<String> {
        let (first, rest) = key.split_at(1);
        let mut spellings = vec![key.to_uppercase(), format!("{}{rest}", first.to_uppercase())];
        // The Kelvin sign and the long s fold to ASCII letters.
        spellings.extend([("k", "\u{212a}"), ("s", "\u{17f}")].map(|(letter, alike)| key.replacen(letter, alike, 1)));
        spellings.retain(|spelling| spelling != key);
        spellings
    }

    #[test]
    fn no_owned_key_of_any_method_is_taken_twice_or_in_another_spelling() {
        for (method, keys) in OWNED_KEYS.into_iter().chain([("vendor/method", &["_meta"][..])]) {
            for key in keys {
                let escaped = format!("\\u{:04x}{}", key.as_bytes()[0], &key[1..]);
                for (one, two) in [(*key, *key), (*key, escaped.as_str())] {
                    let message = refused(method, &format!(r#"{{"{one}":{{}},"{two}":{{}}}}"#));
                    assert_eq!(message, format!("params holds the key {key:?} twice"), "{method}");
                }
                for spelling in spellings(key) {
                    let message = refused(method, &format!(r#"{{"{spelling}":{{}}}}"#));
                    assert!(message.contains(&format!("differs from {key:?} only in case")), "{method}: {message}");
                }
            }
        }
    }
}
