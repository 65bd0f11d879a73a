//! The answer to `initialize`.

use crate::catalog::Introduction;
use crate::egress::SPOKEN;
use crate::jsonrpc::{ErrorObject, Object, raw};
use serde_json::json;
use serde_json::value::RawValue;

/// The revision to go on with, for a client that sent `params`.
pub(super) fn revision(params: &Object<'_>) -> Result<&'static str, ErrorObject> {
    Ok(negotiate(&params.required("protocolVersion", "the revision that the client speaks")?))
}

/// The result of a gateway of this name.
pub(super) fn result(name: &str, revision: &'static str, introduction: Introduction) -> Box<RawValue> {
    let Introduction { offers, instructions, .. } = introduction;
    let mut result = json!({
        "protocolVersion": revision,
        "capabilities": offers.declaration(),
        "serverInfo": { "name": name, "version": env!("CARGO_PKG_VERSION") },
    });
    if let Some(instructions) = instructions {
        result["instructions"] = instructions.into();
    }
    raw(&result)
}

/// The client's revision if it is served, else the newest (2025-11-25, lifecycle).
fn negotiate(requested: &str) -> &'static str {
    SPOKEN.into_iter().find(|served| *served == requested).unwrap_or(SPOKEN[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_served_revision_is_kept_and_any_other_becomes_the_newest() {
        for (requested, agreed) in [
            ("2025-11-25", "2025-11-25"),
            ("2025-06-18", "2025-06-18"),
            ("2025-03-26", "2025-03-26"),
            ("2024-11-05", "2024-11-05"),
            ("2026-07-28", "2025-11-25"),
            ("1999-01-01", "2025-11-25"),
            ("", "2025-11-25"),
        ] {
            assert_eq!(negotiate(requested), agreed, "{requested}");
        }
    }
}
