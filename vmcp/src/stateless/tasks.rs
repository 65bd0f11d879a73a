//! Calls that go on after their request was answered: the extension for tasks (`io.modelcontextprotocol/tasks`, SEP-2663).
//!
//! A server may answer `tools/call` with a task in the place of a result, if the request declares the extension. Three methods are
//! about a task, by its id; the stream of `subscriptions/listen` tells how it fares.

use crate::jsonrpc::Object;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The identifier of the extension.
pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// The type of a result that is a task.
pub const RESULT_TYPE: &str = "task";
/// The notification of how a task fares.
pub const NOTIFICATION: &str = "notifications/tasks";
/// The member of params and results that names the task.
pub const TASK_ID: &str = "taskId";

/// The keys of the params about a task that the gateway acts on.
pub const TASK_KEYS: [&str; 2] = [TASK_ID, "_meta"];

/// Whether a method is about a task.
pub fn is_about_task(method: &str) -> bool {
    matches!(method, "tasks/get" | "tasks/update" | "tasks/cancel")
}

/// Whether the request of a method may be answered with a task.
pub fn can_begin(method: &str) -> bool {
    method == "tools/call"
}

/// Whether these capabilities, of a client or of a server, declare the extension. What cannot be read declares nothing.
pub fn is_declared(capabilities: &RawValue) -> bool {
    let capabilities = Object::parse(capabilities, "capabilities", &["extensions"]);
    capabilities.is_ok_and(|capabilities| capabilities.field("extensions").is_some_and(is_among))
}

/// Whether it is one of these extensions that somebody declares.
pub fn is_among(extensions: &RawValue) -> bool {
    let extensions = Object::parse(extensions, "capabilities.extensions", &[EXTENSION]);
    extensions.is_ok_and(|all| all.field(EXTENSION).is_some_and(|settings| settings.get().starts_with('{')))
}

/// The capabilities of whoever declares the extension and nothing else.
pub fn declaration() -> Value {
    json!({ "extensions": { EXTENSION: {} } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::jsonrpc::raw;

    #[test]
    fn the_extension_is_declared_by_its_own_name_alone() {
        assert!(is_declared(&raw(&declaration())));
        for (capabilities, declared) in [
            (r#"{"sampling":{},"extensions":{"a/b":{},"io.modelcontextprotocol/tasks":{"x":1}}}"#, true),
            (r#"{"extensions":{"io.modelcontextprotocol/tasks":null}}"#, false),
            (r#"{"extensions":{"a/b":{}}}"#, false),
            (r#"{"extensions":[]}"#, false),
            // The capability of revision 2025-11-25, which is another thing.
            (r#"{"tasks":{"requests":{"tools":{"call":{}}}}}"#, false),
            (r#"{"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/tasks":{}}}"#, false),
            ("[]", false),
        ] {
            let capabilities = RawValue::from_string(capabilities.to_owned()).unwrap();
            assert_eq!(is_declared(&capabilities), declared, "{capabilities}");
        }
    }
}
