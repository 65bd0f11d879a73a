//! Errors as clients of the revisions without sessions may see them: some codes of earlier revisions and of the gateway
//! have another meaning there, or none (2026-07-28, base protocol, error codes).

use crate::jsonrpc::{ErrorObject, Object, code, raw};
use http::StatusCode;
use serde_json::value::RawValue;

/// What asks to open a URL first (MCP 2025-11-25, elicitation, URL elicitation required).
pub const URL_ELICITATION_REQUIRED: i64 = -32042;

/// The code that stands for `code` in this era.
fn translated(code: i64) -> i64 {
    match code {
        code::RESOURCE_NOT_FOUND => code::INVALID_PARAMS,
        code::HEADER_MISMATCH | code::MISSING_CLIENT_CAPABILITY | code::UNSUPPORTED_PROTOCOL_VERSION => code,
        // The rest of the protocol's own range means nothing yet, and must not be used.
        URL_ELICITATION_REQUIRED | -32099..=-32020 => code::INTERNAL_ERROR,
        other => other,
    }
}

/// An error of the gateway's own.
pub fn of_gateway(mut error: ErrorObject) -> ErrorObject {
    error.code = translated(error.code);
    error
}

/// An error of a backend: as it came, but for its code.
pub fn of_backend(error: Box<RawValue>) -> Box<RawValue> {
    let code = code_of(&error);
    let translated = translated(code);
    if translated == code {
        return error;
    }
    match Object::parse(&error, "error", &["code", "message", "data"]) {
        Ok(object) => object.with("code", raw(&translated)).to_raw(),
        Err(_) => error,
    }
}

/// The code of an `error` member; that of an internal error where it has none.
pub fn code_of(error: &RawValue) -> i64 {
    let object = Object::parse(error, "error", &["code"]).ok();
    object.and_then(|object| object.typed("code", "an integer").ok().flatten()).unwrap_or(code::INTERNAL_ERROR)
}

/// The status of an answer that is an error with this code, as the gateway has it. Errors of methods are answers.
pub fn status(code: i64) -> StatusCode {
    match code {
        code::HEADER_MISMATCH | code::MISSING_CLIENT_CAPABILITY | code::UNSUPPORTED_PROTOCOL_VERSION => {
            StatusCode::BAD_REQUEST
        }
        code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        code::OVERLOADED => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codes_without_a_meaning_in_this_era_are_not_used() {
        for (code, shown) in [
            (-32602, -32602),
            (-32603, -32603),
            (-31999, -31999),
            (7, 7),
            (-32000, -32000),
            (-32002, -32602),
            (-32020, -32020),
            (-32021, -32021),
            (-32022, -32022),
            (-32042, -32603),
            (-32050, -32603),
            (-32051, -32603),
            (-32099, -32603),
            (-32100, -32100),
        ] {
            assert_eq!(of_gateway(ErrorObject::new(code, "x")).code, shown, "{code}");
            let error = RawValue::from_string(format!(r#"{{"message":"x","code":{code},"data":1.0}}"#)).unwrap();
            let expected = format!(r#"{{"message":"x","code":{shown},"data":1.0}}"#);
            assert_eq!(of_backend(error).get(), expected);
        }
    }

    #[test]
    fn an_error_that_is_none_is_an_internal_one() {
        for text in ["{}", "1", r#"{"code":"x"}"#, r#"{"code":1,"code":2}"#] {
            let error = RawValue::from_string(text.to_owned()).unwrap();
            assert_eq!(code_of(&error), code::INTERNAL_ERROR, "{text}");
        }
    }
}
