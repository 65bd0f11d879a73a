//! One client's session with the backend.

use super::inbox::ClientInbox;
use super::{LONGEST_REQUEST, Shared};
use crate::backend::Caller;
use crate::egress::{Failure, RelayedSession, Reply};
use crate::ingress::{Call, Unanswered, UpstreamSession};
use crate::replicas::Signal;
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a message without answer may take to be delivered.
const DELIVERY: Duration = Duration::from_secs(30);

/// Answers one client.
#[derive(Debug)]
pub(super) struct RelaySession {
    shared: Arc<Shared>,
    session: RelayedSession,
    inbox: Arc<ClientInbox>,
}

impl RelaySession {
    /// One whose client hears of other tools from now on.
    pub(super) fn new(shared: Arc<Shared>, session: RelayedSession, inbox: Arc<ClientInbox>) -> Self {
        shared.clients.add(&inbox);
        Self { shared, session, inbox }
    }

    async fn reply(&self, caller: &Caller, call: &Call, messages: mpsc::Sender<Bytes>) -> Result<Reply, Unanswered> {
        match call.method.as_str() {
            "tools/call" => {
                let renamed = self.shared.renamed(call.params.as_deref())?;
                let params = renamed.as_deref().or(call.params.as_deref());
                self.request(caller, &call.method, params, messages).await
            }
            // The selection may have changed when the answer comes.
            "tools/list" => match self.request(caller, &call.method, call.params.as_deref(), messages).await? {
                Reply::Result(result) => Ok(Reply::Result(self.shared.selected(result)?)),
                error @ Reply::Error(_) => Ok(error),
            },
            method => self.request(caller, method, call.params.as_deref(), messages).await,
        }
    }

    async fn request(
        &self,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        messages: mpsc::Sender<Bytes>,
    ) -> Result<Reply, Unanswered> {
        self.session.update(&self.shared.backend()?);
        let _answering = self.inbox.begin(messages.clone());
        let reply = self.session.request(caller, method, params, &messages, LONGEST_REQUEST).await;
        reply.map_err(|failure| self.unanswered(method, failure))
    }

    fn unanswered(&self, method: &str, failure: Failure) -> Unanswered {
        let backend = self.shared.name.as_str();
        match failure {
            Failure::SessionLost(error) => {
                tracing::info!(backend, method, %error, "the backend has lost a session");
                Unanswered::SessionLost
            }
            Failure::Other(error) => {
                let cause = error.cause().as_str();
                tracing::warn!(backend, method, cause, %error, "a request to the backend failed");
                Unanswered::Error(self.shared.unavailable(&error))
            }
        }
    }
}

impl UpstreamSession for RelaySession {
    fn answer<'a>(
        &'a self,
        caller: &'a Caller,
        call: &'a Call,
        messages: mpsc::Sender<Bytes>,
    ) -> BoxFuture<'a, Result<Reply, Unanswered>> {
        Box::pin(self.reply(caller, call, messages))
    }

    fn take<'a>(&'a self, caller: &'a Caller, message: Bytes) -> BoxFuture<'a, Result<(), Unanswered>> {
        Box::pin(async move {
            self.session.update(&self.shared.backend()?);
            let sent = self.session.send(caller, message, DELIVERY).await;
            sent.map_err(|failure| self.unanswered("a message without answer", failure))
        })
    }

    fn hear(&self, signal: &Signal) {
        if let Signal::Meanwhile { message, .. } = signal {
            self.inbox.hear_meanwhile(Bytes::copy_from_slice(message.as_bytes()));
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.session.close())
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.session.leave())
    }
}
