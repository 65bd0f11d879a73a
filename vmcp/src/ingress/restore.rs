//! Making a session of what the store knows of it, at a replica that has not seen it before.

use super::answer::{self, Refused};
use super::session::Session;
use super::{Ingress, Unresumed, storage_away};
use crate::backend::Caller;
use crate::jsonrpc::{code, error_response};
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
    // Requests that arrive together go on with the session in one way.
    let _restoring = session.restoring.lock().await;
    if session.upstream().is_some() {
        return Ok(());
    }
    let resumed = ingress.upstream.resume(caller, &handshake.params, Arc::clone(&session.outbox)).await;
    let upstream = resumed.map_err(refusal)?;
    session.agree(&handshake.revision);
    // Nothing else attaches to a session that was initialized elsewhere.
    drop(session.attach(upstream));
    hear_what_was_missed(ingress, session).await.map_err(|away| storage_away(&away.to_string(), None))
}

fn refusal(unresumed: Unresumed) -> Refused {
    const WHAT: &str = "a session of another replica cannot be continued";
    match unresumed {
        Unresumed::ForNow(error) => {
            tracing::warn!(error = error.get(), "{WHAT} for now");
            answer::try_later(answer::json(StatusCode::SERVICE_UNAVAILABLE, error_response(None, &error)), 1)
        }
        Unresumed::Lost(error) => {
            tracing::warn!(error = error.get(), "{WHAT}");
            let message = "the session cannot be continued here, start another one with \"initialize\"";
            answer::refusal(StatusCode::NOT_FOUND, code::INVALID_REQUEST, message)
        }
    }
}

/// Brings a session up to date that hears signals from now on: those of before were for nobody here.
async fn hear_what_was_missed(ingress: &Arc<Ingress>, session: &Arc<Session>) -> Result<(), Away> {
    let (Some(stored), Some(upstream)) = (ingress.sessions.stored(session).await?, session.upstream()) else {
        return Ok(());
    };
    if let Some(shared) = session.outbox.shared() {
        shared.set_read_elsewhere(stored.read_at);
        shared.look_at_reader().await;
    }
    for interest in stored.interests {
        upstream.hear(&Signal::Interest(interest));
    }
    Ok(())
}
