//! The tools of many backends behind one endpoint.

use super::methods::{self, Method};
use super::outbox::Outbox;
use super::revision;
use super::upstream::{Call, Opened, Unanswered, Unopened, Upstream, UpstreamSession};
use crate::backend::Caller;
use crate::catalog::{Catalog, ClientView};
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, Object, raw};
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Answers from the catalog. Its clients' sessions with backends are opened when they are needed.
#[derive(Debug)]
pub struct ToolGateway {
    /// The name of the gateway, as `serverInfo` has it.
    pub name: String,
    /// The tools.
    pub catalog: Arc<Catalog>,
}

impl Upstream for ToolGateway {
    fn revisions(&self) -> &'static [&'static str] {
        &revision::SERVED
    }

    fn open<'a>(
        &'a self,
        _caller: &'a Caller,
        params: &'a RawValue,
        _outbox: Arc<Outbox>,
    ) -> BoxFuture<'a, Result<Opened, Unopened>> {
        Box::pin(async move {
            let params = Object::parse(params, "params", methods::owned_keys("initialize"))
                .map_err(|error| Unopened::bad_request(&ErrorObject::from(&error)))?;
            let result = methods::initialize(&self.name, &params).map_err(|error| Unopened::bad_request(&error))?;
            let session = ToolSession { catalog: Arc::clone(&self.catalog), view: ClientView::default() };
            Ok(Opened { result, session: Arc::new(session) })
        })
    }
}

/// What one client has of the catalog.
#[derive(Debug)]
struct ToolSession {
    catalog: Arc<Catalog>,
    view: ClientView,
}

impl ToolSession {
    async fn reply(&self, caller: &Caller, call: &Call) -> Result<Reply, ErrorObject> {
        let malformed = |error| ErrorObject::from(&error);
        let params = match &call.params {
            Some(params) => Object::parse(params, "params", methods::owned_keys(&call.method)).map_err(malformed)?,
            None => Object::empty("params"),
        };
        match Method::parse(&call.method, &params)? {
            Method::Ping => Ok(Reply::Result(raw(&json!({})))),
            Method::ListTools => self.catalog.list_tools(&self.view, caller).await.map(Reply::Result),
            Method::CallTool => self.catalog.call_tool(&self.view, caller, params).await,
        }
    }
}

impl UpstreamSession for ToolSession {
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
