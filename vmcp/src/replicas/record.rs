//! What a session is, as the store holds it.

use super::Interest;
use crate::backend::Principal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A session, as it begins.
#[derive(Debug, Clone)]
pub struct Record {
    /// Whose it is; none for an anonymous client.
    pub owner: Option<Principal>,
    /// What `initialize` agreed on, once there was one.
    pub handshake: Option<Handshake>,
}

/// The `initialize` of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Handshake {
    /// The revision that was agreed on.
    pub revision: String,
    /// The params that the client sent, as far as they say what it can do and who it is.
    pub params: Box<RawValue>,
}

/// A session, as a replica finds it that did not know it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What it began with.
    pub record: Record,
    /// What the client wants to hear of.
    pub interests: Vec<Interest>,
    /// The other replica that serves the client's own stream, if one does.
    pub read_at: Option<String>,
}

/// The members of the params of `initialize` that are kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    protocol_version: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    client_info: Option<&'a RawValue>,
}

impl Handshake {
    /// What is kept of an `initialize` with these params, which were taken.
    pub fn of(revision: &str, params: &RawValue) -> Self {
        let kept = serde_json::from_str::<Kept>(params.get()).and_then(|kept| serde_json::value::to_raw_value(&kept));
        // What was taken can be read. If not, the client is one that declared nothing.
        let params = kept.unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { revision: revision.to_owned(), params }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn kept(params: &str) -> String {
        Handshake::of("2025-11-25", serde_json::from_str(params).unwrap()).params.get().to_owned()
    }

    #[test]
    fn what_the_client_can_do_and_who_it_is_is_kept_as_it_came() {
        for (params, expected) in [
            (
                r#"{"_meta":{"progressToken":1},"protocolVersion":"2025-11-25","capabilities":{"roots":{"x": 1.0}},"clientInfo":{"name":"n"}}"#,
                r#"{"protocolVersion":"2025-11-25","capabilities":{"roots":{"x": 1.0}},"clientInfo":{"name":"n"}}"#,
            ),
            (r#"{"protocolVersion":"2024-11-05","secret":"s"}"#, r#"{"protocolVersion":"2024-11-05"}"#),
        ] {
            assert_eq!(kept(params), expected);
        }
    }

    proptest! {
        #[test]
        fn a_handshake_is_read_as_it_was_written(revision in ".{0,20}", name in ".{0,40}") {
            let params = serde_json::json!({"capabilities": {}, "clientInfo": {"name": name}}).to_string();
            let handshake = Handshake::of(&revision, serde_json::from_str(&params).unwrap());
            let text = serde_json::to_string(&handshake).unwrap();
            let read: Handshake = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.revision, revision);
            prop_assert_eq!(read.params.get(), params);
        }
    }
}
