//! `server/discover`: what the gateway can bridge, whatever revision a backend speaks.

use super::REVISIONS;
use super::results::{Identity, Scope};
use crate::catalog::Introduction;
use crate::jsonrpc::raw;
use crate::offers::Offers;
use crate::stateless::meta::KEEPS_SESSIONS;
use crate::stateless::tasks;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// How long a client may go by this, in milliseconds: what a backend offers is known when it was first reached.
const TTL: u64 = 5_000;

/// The result.
pub(super) fn result(introduction: Introduction, identity: &Identity, scope: Scope) -> Box<RawValue> {
    let Introduction { offers, instructions, is_backends } = introduction;
    let mut result = json!({
        "resultType": "complete",
        "supportedVersions": REVISIONS,
        "capabilities": capabilities(offers),
        "ttlMs": TTL,
        "cacheScope": scope,
        "_meta": identity.meta(),
    });
    if is_backends {
        // One without sessions would have been passed through to.
        result["_meta"][KEEPS_SESSIONS] = true.into();
    }
    if let Some(instructions) = instructions {
        result["instructions"] = instructions.into();
    }
    raw(&result)
}

/// What the gateway declares: of extensions the one that it passes on, where a backend has it.
fn capabilities(offers: Offers) -> Value {
    let mut capabilities = offers.declaration();
    if offers.tasks {
        capabilities.insert("extensions".to_owned(), json!({ tasks::EXTENSION: {} }));
    }
    Value::Object(capabilities)
}
