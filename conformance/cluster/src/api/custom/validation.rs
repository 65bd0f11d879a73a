//! Validation of CustomResourceDefinitions.

use serde_json::Value;

use crate::api::status::Cause;
use crate::schema::Schema;

/// What is wrong with a definition.
pub(crate) fn validate(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for version in definition["spec"]["versions"].as_array().into_iter().flatten() {
        if let Err(errors) = Schema::compile(&version["schema"]["openAPIV3Schema"]) {
            causes.extend(errors.into_iter().map(|error| {
                let field = format!("spec.validation.openAPIV3Schema.{}", error.field);
                Cause::new(error.reason(), error.message.clone(), field)
            }));
        }
    }
    causes
}
