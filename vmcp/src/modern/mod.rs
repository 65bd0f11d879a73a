//! The gateway for clients of the revisions without sessions (MCP 2026-07-28): each request is answered by itself from the
//! [`catalog`](crate::catalog) of all backends.
//!
//! What a backend with sessions needs is kept for known users in a [pool](pool::Views), and for others opened and ended
//! with the call: two of them never share a session. Such a backend cannot ask the client in the midst of a call; one without
//! sessions asks by its result, whose `requestState` the gateway [seals](state), or makes a [task](tasks) of a call.

mod call;
mod client;
mod discover;
mod listen;
mod methods;
mod pool;
mod results;
mod state;
mod tasks;
mod urls;

use crate::backend::Caller;
use crate::capabilities::Capabilities;
use crate::catalog::{Catalog, Changed};
use crate::egress::{Reply, SPOKEN};
use crate::ingress::{Asked, SessionLimits, Stateless, Subscription, owned_keys};
use crate::jsonrpc::{ErrorObject, Id, Object};
use crate::seal::Sealer;
use crate::stateless;
use bytes::Bytes;
use call::Call;
use futures::future::BoxFuture;
use listen::Listeners;
use methods::{Ask, Method, unserved};
use pool::Views;
use results::Identity;
pub(crate) use results::Scope;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// The revisions that clients may start with: without sessions, and with them.
pub(crate) const REVISIONS: [&str; 5] = [stateless::VERSION, SPOKEN[0], SPOKEN[1], SPOKEN[2], SPOKEN[3]];

/// Answers from the catalog.
#[derive(Debug)]
pub struct ModernGateway {
    catalog: Arc<Catalog>,
    identity: Identity,
    sealer: Arc<Sealer>,
    views: Views,
    listeners: Listeners,
    /// The last name that was given to the progress of a request.
    progress: AtomicU64,
}

impl ModernGateway {
    /// A gateway of this name to what is in `catalog`, which keeps sessions with backends within `limits`.
    pub fn new(name: &str, catalog: Arc<Catalog>, sealer: Arc<Sealer>, limits: SessionLimits) -> Self {
        let views = Views::new(Arc::clone(&catalog), limits);
        Self {
            catalog,
            identity: Identity::new(name),
            sealer,
            views,
            listeners: Listeners::default(),
            progress: AtomicU64::new(0),
        }
    }

    /// Tells every client that listens and sees something else now.
    pub fn announce(&self, changed: &Changed) {
        self.listeners.announce(&self.catalog, changed);
    }

    /// A name that the progress of no other request of this process has.
    fn next_token(&self) -> Id {
        Id::from(self.progress.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn reply(&self, caller: &Caller, asked: &Asked, messages: mpsc::Sender<Bytes>) -> Result<Reply, ErrorObject> {
        let malformed = |error| ErrorObject::from(&error);
        let params = Object::parse(&asked.params, "params", owned_keys(&asked.method)).map_err(malformed)?;
        let capabilities = Capabilities::declared(&asked.meta.capabilities)?;
        let scope = Scope::of(caller);
        match Method::parse(&asked.method, &params)? {
            Method::Discover => {
                let lease = self.views.for_lists(caller)?;
                let introduction = self.catalog.introduction(lease.view(), caller).await?;
                Ok(Reply::Result(discover::result(introduction, &self.identity, scope)))
            }
            Method::List(kind, cursor) => {
                let lease = self.views.for_lists(caller)?;
                let listing = self.catalog.list(kind, lease.view(), caller, cursor.as_deref()).await?;
                self.identity.list(&listing, scope).map(Reply::Result)
            }
            Method::Ask(question) => {
                let lease = self.views.for_calls(caller, &capabilities)?;
                let call = Call::new(self, lease.client(), caller, asked, capabilities, &params, messages)?;
                let (catalog, view) = (&self.catalog, lease.view());
                let reply = match question {
                    Ask::CallTool => catalog.call_tool(view, caller, params, &call).await,
                    Ask::GetPrompt => catalog.get_prompt(view, caller, params, &call).await,
                    Ask::ReadResource => catalog.read_resource(view, caller, params, &call).await,
                    Ask::Complete => catalog.complete(view, caller, params, &call).await,
                    Ask::AboutTask => match call.task(&params) {
                        Ok(task) => catalog.ask_about_task(view, caller, &asked.method, &task, params, &call).await,
                        // Where nobody has tasks, nobody knows the methods of the extension either.
                        Err(_) if !catalog.may_have_tasks() => Err(unserved(&asked.method)),
                        Err(error) => Err(error),
                    },
                };
                let result = match call.judged(reply)? {
                    Reply::Result(result) => result,
                    Reply::Error(error) => match call.opening(&asked.method, &error)? {
                        Some(result) => result,
                        None => return Ok(Reply::Error(error)),
                    },
                };
                self.identity.result(&asked.method, &result, scope, &call).map(Reply::Result)
            }
        }
    }
}

impl Stateless for ModernGateway {
    fn revisions(&self) -> &[&'static str] {
        &REVISIONS
    }

    fn answer<'a>(
        &'a self,
        caller: &'a Caller,
        asked: &'a Asked,
        messages: mpsc::Sender<Bytes>,
    ) -> BoxFuture<'a, Result<Reply, ErrorObject>> {
        Box::pin(self.reply(caller, asked, messages))
    }

    fn listen<'a>(&'a self, caller: &'a Caller, asked: &'a Asked) -> BoxFuture<'a, Result<Subscription, ErrorObject>> {
        Box::pin(async move {
            let end = self.identity.end_of_subscription(&asked.id);
            listen::open(&self.catalog, &self.listeners, &self.sealer, caller, asked, end).await
        })
    }

    fn reap(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.views.reap())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.listeners.close().await;
            self.views.close().await;
        })
    }
}
