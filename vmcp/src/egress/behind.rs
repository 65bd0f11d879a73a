//! What a proxy says of the server behind it: the proxy answers although its server has failed.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Cause, EgressError};
use super::session::Reply;
use crate::jsonrpc::code;

/// An answer of a backend, unless it is that of a proxy whose server has failed.
pub(super) fn reached(reply: Reply) -> Result<Reply, EgressError> {
    match &reply {
        Reply::Error(error) => unreached(error).map_or(Ok(reply), Err),
        Reply::Result(_) => Ok(reply),
    }
}

/// How the server behind a proxy has failed, if that is what an error says. It is the error that `vmcp` has for that, of
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
        outage: bool,
    }
    let told: Told = serde_json::from_str(error.get()).ok()?;
    let is_ours = matches!(told.code, code::BACKEND_UNAVAILABLE | code::INTERNAL_ERROR);
    let causes = [Cause::Timeout, Cause::Tls, Cause::Dns, Cause::Refused, Cause::Protocol];
    let cause = causes.into_iter().find(|cause| cause.as_str() == told.data.cause)?;
    (is_ours && told.data.outage).then(|| EgressError::new(cause, told.message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::catalog::error::{unavailable, unavailable_behind_proxy};
    use crate::egress::timed_out;
    use crate::jsonrpc::raw;
    use crate::stateless::errors::of_gateway;

    #[test]
    fn a_server_that_its_proxy_could_not_reach_is_told_from_what_it_answered_itself() {
        let of = |cause| EgressError::new(cause, "why");
        for (error, is_unreached) in [
            (of(Cause::Timeout), true),
            (of(Cause::Tls), true),
            (of(Cause::Dns), true),
            (of(Cause::Refused), true),
            (of(Cause::Protocol), true),
            (of(Cause::Protocol).with_status(StatusCode::BAD_GATEWAY), true),
            (of(Cause::Protocol).with_status(StatusCode::NOT_FOUND), false),
            (of(Cause::Protocol).with_status(StatusCode::TOO_MANY_REQUESTS), false),
            (of(Cause::Protocol).answered(), false),
            (of(Cause::Refused).at_token_endpoint(), false),
            (timed_out(Duration::from_secs(1)), false),
            (of(Cause::Unauthorized), false),
            (of(Cause::Blocked), false),
            (of(Cause::CircuitOpen), false),
            (of(Cause::Overloaded), false),
        ] {
            let told = unavailable_behind_proxy("server", &error);
            for told in [raw(&told), raw(&of_gateway(told))] {
                let found = unreached(&told).map(|found| (found.cause(), found.to_string(), found.is_outage()));
                let message = format!("backend \"server\" is not available: {error}");
                assert_eq!(found, is_unreached.then(|| (error.cause(), message, true)), "{told}");
            }
        }
        for other in [
            // One of many backends of a gateway: the gateway is there for the others.
            json!(unavailable("one", &of(Cause::Refused))),
            json!({"code": -32050, "message": "a code of somebody else's"}),
            json!({"code": -32603, "message": "x", "data": {"cause": "refused", "outage": true}}),
            json!({"code": -32603, "message": "x", "data": {"backend": "b", "cause": "refused"}}),
            json!({"code": -32603, "message": "x", "data": {"backend": "b", "cause": "odd", "outage": true}}),
            json!({"code": -32000, "message": "x", "data": {"backend": "b", "cause": "refused", "outage": true}}),
            json!({"code": "odd"}),
        ] {
            assert_eq!(unreached(&raw(&other)), None, "{other}");
        }
    }
}
