//! Answering one request of a session, to the end or until it is cancelled.

use super::Ingress;
use super::methods::Method;
use super::session::{InFlight, Session};
use crate::backend::Caller;
use crate::catalog::CALL_KEYS;
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, Object, error_response, raw, result_response};
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;

/// The response to a request; `None` when it was cancelled.
pub(super) async fn answer(
    ingress: Arc<Ingress>,
    session: Arc<Session>,
    caller: Caller,
    in_flight: InFlight,
    method: Method,
) -> Option<Bytes> {
    let reply = tokio::select! {
        () = in_flight.cancelled.cancelled() => return None,
        reply = reply(&ingress, &session, &caller, &method) => reply,
    };
    Some(match reply {
        Ok(Reply::Result(result)) => result_response(in_flight.id(), &result),
        Ok(Reply::Error(error)) => error_response(Some(in_flight.id()), &error),
        Err(error) => error_response(Some(in_flight.id()), &raw(&error)),
    })
}

async fn reply(ingress: &Ingress, session: &Session, caller: &Caller, method: &Method) -> Result<Reply, ErrorObject> {
    match method {
        Method::Ping => Ok(Reply::Result(raw(&json!({})))),
        Method::ListTools => ingress.catalog.list_tools(&session.view, caller).await.map(Reply::Result),
        Method::CallTool(params) => {
            let params = Object::parse(params, "params", &CALL_KEYS).map_err(|error| ErrorObject::from(&error))?;
            ingress.catalog.call_tool(&session.view, caller, params).await
        }
        Method::Refused(error) => Err(error.clone()),
    }
}
