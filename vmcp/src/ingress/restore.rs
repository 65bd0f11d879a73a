//! Making a session of what the store knows of it, at a replica that has not seen it before.

use super::answer::{self, Refused};
use super::session::Session;
use super::{Ingress, storage_away};
use crate::backend::Caller;
use crate::jsonrpc::{ErrorObject, code, error_response};
use crate::replicas::{Away, Handshake, Signal};
use http::StatusCode;
use std::sync::Arc;

/// Lets what was initialized elsewhere answer the client here.
pub(super) async fn restore(
    ingress: &Arc<Ingress>,
    session: &Arc<Session>,
    caller: &Caller,
    handshake: Handshake,
) -> Result<(), Refused> {
    let resumed = ingress.upstream.resume(caller, &handshake.params, Arc::clone(&session.outbox)).await;
    let upstream = resumed.map_err(|unopened| {
        tracing::warn!(error = unopened.error.get(), "a session of another replica cannot be continued");
        if unopened.status == StatusCode::SERVICE_UNAVAILABLE {
            let answer = answer::json(unopened.status, error_response(None, &unopened.error));
            return answer::try_later(answer, 1);
        }
        let message = "the session cannot be continued here, start another one with \"initialize\"";
        let error = ErrorObject::new(code::INVALID_REQUEST, message);
        Refused::from(answer::error(StatusCode::NOT_FOUND, None, &error))
    })?;
    session.agree(&handshake.revision);
    // Another request may have been faster: nothing was opened yet that would have to be ended.
    drop(session.attach(upstream));
    hear_what_was_missed(ingress, session).await.map_err(|away| storage_away(&away.to_string(), None))
}

/// Brings a session up to date that hears signals from now on: those of before were for nobody here.
async fn hear_what_was_missed(ingress: &Arc<Ingress>, session: &Arc<Session>) -> Result<(), Away> {
    let (Some(stored), Some(upstream)) = (ingress.sessions.stored(session).await?, session.upstream()) else {
        return Ok(());
    };
    if let Some(shared) = session.outbox.shared() {
        shared.set_read_elsewhere(stored.is_read);
    }
    for interest in stored.interests {
        upstream.hear(&Signal::Interest(interest));
    }
    Ok(())
}
