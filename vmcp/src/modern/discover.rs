//! `server/discover`: what the gateway can bridge, whatever revision a backend speaks.

use super::REVISIONS;
use super::results::{Identity, Scope};
use crate::catalog::Catalog;
use crate::jsonrpc::raw;
use serde_json::json;
use serde_json::value::RawValue;

/// How long a client may go by this, in milliseconds: what a backend offers is known when it was first reached.
const TTL: u64 = 5_000;

/// The result.
pub(super) fn result(catalog: &Catalog, identity: &Identity, scope: Scope) -> Box<RawValue> {
    let mut result = json!({
        "resultType": "complete",
        "supportedVersions": REVISIONS,
        "capabilities": catalog.offers().declaration(),
        "ttlMs": TTL,
        "cacheScope": scope,
        "_meta": identity.meta(),
    });
    if let Some(instructions) = catalog.instructions() {
        result["instructions"] = instructions.into();
    }
    raw(&result)
}
