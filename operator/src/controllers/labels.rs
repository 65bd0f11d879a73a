//! Labels of what the operator makes.

use serde_json::{Value, json};

/// Selects everything that the operator made.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by=toolhive-operator";

/// Labels of every object of the gateway `name`.
pub fn of_gateway(name: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "vmcp",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": crate::NAME,
    })
}

/// Labels that the pods of the gateway `name`, and no others, have.
pub fn selector(name: &str) -> Value {
    json!({"app.kubernetes.io/name": "vmcp", "app.kubernetes.io/instance": name})
}
