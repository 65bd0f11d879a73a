//! JSON patch (RFC 6902) as Kubernetes reads it.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use crate::api::status::{ApiError, ApiResult};

/// Applies a list of operations; nothing is changed when one fails.
///
/// Unlike RFC 6902, `test` with null passes where the path does not exist: clients guard "no finalizers yet" that way.
pub(crate) fn apply(document: &Value, patch: &Value) -> ApiResult<Value> {
    if !patch.is_array() {
        let kind = match patch {
            Value::Object(_) => "object",
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
            _ => return Ok(document.clone()),
        };
        let message =
            format!("error decoding patch: json: cannot unmarshal {kind} into Go value of type []handlers.jsonPatchOp");
        return Err(ApiError::bad_request(message));
    }
    let mut patched = document.clone();
    let Patch(operations) = serde_json::from_value(patch.clone()).map_err(|_| rejected())?;
    for operation in operations {
        if let PatchOperation::Test(test) = &operation
            && test.value.is_null()
            && patched.pointer(test.path.as_str()).is_none()
        {
            continue;
        }
        json_patch::patch(&mut patched, &[operation]).map_err(|_| rejected())?;
    }
    Ok(patched)
}

fn rejected() -> ApiError {
    let message = "the server rejected our request due to an error in our request";
    ApiError { details: Some(Box::default()), ..ApiError::plain(422, "Invalid", message) }
}
