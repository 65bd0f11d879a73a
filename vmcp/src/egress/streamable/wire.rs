//! The requests of one session: the handshake that opens it, and those that wait for an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use serde_json::value::RawValue;

use super::answer::Awaited;
use super::{Established, SESSION_ID, post, post_one_way};
use crate::backend::Caller;
use crate::egress::asking::Answered;
use crate::egress::error::EgressError;
use crate::egress::exchange::Exchange;
use crate::egress::failure::Failure;
use crate::egress::handshake;
use crate::egress::meanwhile::Meanwhile;
use crate::egress::news::News;
use crate::egress::session::Reply;
use crate::egress::transport::Cancellation;
use crate::jsonrpc::{self, Id};
use crate::outgoing::detached;

/// What requests need beside the session.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) exchange: Arc<Exchange>,
    pub(super) news: Arc<News>,
    last_id: AtomicU64,
}

impl Wire {
    pub(super) fn new(exchange: Arc<Exchange>, news: Arc<News>) -> Self {
        let before = exchange.shared().map_or(0, |shared| shared.numbers());
        Self { exchange, news, last_id: AtomicU64::new(before) }
    }

    /// Opens a session of the gateway's own.
    pub(super) async fn initialize(&self, caller: &Caller) -> Result<Established, EgressError> {
        let (established, reply) = self.shake_hands(caller, &handshake::params(&self.exchange.hearer)).await?;
        if let Reply::Error(error) = reply {
            return Err(handshake::refused(&error));
        }
        let initialized = jsonrpc::notification("notifications/initialized", None);
        post_one_way(&self.exchange, &established, caller, initialized).await?;
        Ok(established)
    }

    /// Sends `initialize`. What is established counts only if the answer is a result.
    pub(super) async fn shake_hands(
        &self,
        caller: &Caller,
        params: &RawValue,
    ) -> Result<(Established, Reply), EgressError> {
        let id = self.next_id();
        let message = jsonrpc::request(&Id::from(id), "initialize", Some(params));
        let response = post(&self.exchange, caller, HeaderMap::new(), message).await?;
        let session_id = response.headers().get(SESSION_ID).map(detached);
        let before = Established { session_id: session_id.clone(), version: "", ticket: None };
        let answered = self.awaited(&before, caller, id, Meanwhile::Nothing).read(response).await;
        let reply = answered.map_err(handshake::failed)?.reply;
        let Reply::Result(result) = &reply else { return Ok((before, reply)) };
        let agreed = handshake::negotiated(result)?;
        let version = agreed.revision;
        self.news.negotiated(agreed);
        tracing::debug!(backend = self.exchange.backend.name, version, "opened a session");
        Ok((Established { session_id, version, ticket: None }, reply))
    }

    /// Sends a request within a session; `meanwhile` says who hears what else comes with its answer.
    pub(super) async fn call(
        &self,
        established: &Arc<Established>,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        meanwhile: Meanwhile<'_>,
        cancellation: &impl Fn(u64) -> Cancellation,
    ) -> Result<Answered, Failure> {
        let id = self.next_id();
        let message = jsonrpc::request(&Id::from(id), method, params);
        let cancellation = cancellation(id);
        let answer = match post(&self.exchange, caller, established.headers(), message).await {
            Ok(response) => self.awaited(established, caller, id, meanwhile).read(response).await,
            Err(error) => Err(error.into()),
        };
        cancellation.disarm();
        answer
    }

    /// Reads the answer to request `id`.
    fn awaited<'a>(
        &'a self,
        established: &'a Established,
        caller: &'a Caller,
        id: u64,
        meanwhile: Meanwhile<'a>,
    ) -> Awaited<'a> {
        Awaited { exchange: &self.exchange, news: &self.news, established, caller, id, meanwhile }
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }
}
