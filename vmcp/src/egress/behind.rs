//! What a proxy says of the server behind it: the proxy answers although its server does not.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Cause, EgressError};
use super::session::Reply;
use crate::jsonrpc::code;

/// An answer of a backend, unless it is that of a proxy which could not reach its server.
pub(super) fn reached(reply: Reply) -> Result<Reply, EgressError> {
    match &reply {
        Reply::Error(error) => unreached(error).map_or(Ok(reply), Err),
        Reply::Result(_) => Ok(reply),
    }
}

/// Why the server behind a proxy could not be reached, if that is what an error says. It is the error that `vmcp` has for that, of
/// which clients of either era see another code.
pub(super) fn unreached(error: &RawValue) -> Option<EgressError> {
    #[derive(Deserialize)]
    struct Told {
        code: i64,
        message: String,
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "backend")]
        _backend: String,
        cause: String,
    }
    let told: Told = serde_json::from_str(error.get()).ok()?;
    let is_ours = matches!(told.code, code::BACKEND_UNAVAILABLE | code::INTERNAL_ERROR);
    let causes = [Cause::Timeout, Cause::Tls, Cause::Dns, Cause::Refused];
    let cause = causes.into_iter().find(|cause| cause.as_str() == told.data.cause).filter(|_| is_ours)?;
    Some(EgressError::new(cause, told.message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::catalog::error::unavailable;
    use crate::jsonrpc::raw;
    use crate::stateless::errors::of_gateway;

    #[test]
    fn a_server_that_its_proxy_could_not_reach_is_told_from_what_it_answered_itself() {
        for (cause, is_unreached) in [
            (Cause::Timeout, true),
            (Cause::Tls, true),
            (Cause::Dns, true),
            (Cause::Refused, true),
            // Statuses are among it that say that the server is there.
            (Cause::Protocol, false),
            (Cause::Unauthorized, false),
            (Cause::Blocked, false),
            (Cause::CircuitOpen, false),
            (Cause::Overloaded, false),
        ] {
            let error = unavailable("server", &EgressError::new(cause, "why"));
            for error in [raw(&error), raw(&of_gateway(error))] {
                let found = unreached(&error).map(|error| (error.cause(), error.to_string()));
                let message = "backend \"server\" is not available: why".to_owned();
                assert_eq!(found, is_unreached.then_some((cause, message)), "{error}");
            }
        }
        for other in [
            json!({"code": -32050, "message": "a code of somebody else's"}),
            json!({"code": -32603, "message": "x", "data": {"cause": "refused"}}),
            json!({"code": -32000, "message": "x", "data": {"backend": "b", "cause": "refused"}}),
            json!({"code": "odd"}),
        ] {
            assert_eq!(unreached(&raw(&other)), None, "{other}");
        }
    }
}
