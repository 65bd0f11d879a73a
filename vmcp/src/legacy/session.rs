//! One client's session.

use super::methods::Method;
use crate::backend::Caller;
use crate::catalog::{Catalog, ClientView};
use crate::egress::Reply;
use crate::ingress::{Call, Outbox, Unanswered, UpstreamSession, owned_keys};
use crate::jsonrpc::{ErrorObject, Object, raw};
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What one client has of the gateway.
#[derive(Debug)]
pub(super) struct ClientSession {
    catalog: Arc<Catalog>,
    view: ClientView,
    outbox: Arc<Outbox>,
}

impl ClientSession {
    /// A session whose client is told through `outbox` what concerns none of its requests.
    pub(super) fn new(catalog: Arc<Catalog>, outbox: Arc<Outbox>) -> Self {
        Self { catalog, view: ClientView::default(), outbox }
    }

    /// The client's part of the catalog.
    pub(super) fn view(&self) -> &ClientView {
        &self.view
    }

    /// Tells the client what concerns none of its requests.
    pub(super) fn tell(&self, message: Bytes) {
        self.outbox.push(message);
    }

    async fn reply(&self, caller: &Caller, call: &Call) -> Result<Reply, ErrorObject> {
        let malformed = |error| ErrorObject::from(&error);
        let params = match &call.params {
            Some(params) => Object::parse(params, "params", owned_keys(&call.method)).map_err(malformed)?,
            None => Object::empty("params"),
        };
        let (catalog, view) = (&self.catalog, &self.view);
        match Method::parse(&call.method, &params)? {
            Method::Ping => Ok(Reply::Result(raw(&json!({})))),
            Method::List(kind, cursor) => catalog.list(kind, view, caller, cursor.as_deref()).await.map(Reply::Result),
            Method::CallTool => catalog.call_tool(view, caller, params).await,
            Method::GetPrompt => catalog.get_prompt(view, caller, params).await,
            Method::ReadResource => catalog.read_resource(view, caller, params).await,
            Method::Subscribe => catalog.subscribe(view, caller, params).await,
            Method::Unsubscribe => catalog.unsubscribe(view, caller, params).await,
            Method::Complete => catalog.complete(view, caller, params).await,
        }
    }
}

impl UpstreamSession for ClientSession {
    fn answer<'a>(
        &'a self,
        caller: &'a Caller,
        call: &'a Call,
        _messages: mpsc::Sender<Bytes>,
    ) -> BoxFuture<'a, Result<Reply, Unanswered>> {
        Box::pin(async move { Ok(self.reply(caller, call).await?) })
    }

    fn take<'a>(&'a self, _caller: &'a Caller, _message: Bytes) -> BoxFuture<'a, Result<(), Unanswered>> {
        // The gateway asks its clients nothing, and no notification of theirs concerns a backend.
        Box::pin(async { Ok(()) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.view.close())
    }
}
