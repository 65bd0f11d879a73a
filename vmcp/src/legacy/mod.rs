//! The gateway for clients of the revisions with sessions, 2024-11-05 to 2025-11-25: what they ask is answered from the
//! [`catalog`](crate::catalog) of all backends.

mod announce;
mod call;
mod client;
mod initialize;
mod methods;
mod questions;
mod session;

use crate::backend::Caller;
use crate::capabilities::Capabilities;
use crate::catalog::Catalog;
use crate::clients::Clients;
use crate::egress::SPOKEN;
use crate::ingress::{Opened, Outbox, Unopened, Upstream, owned_keys};
use crate::jsonrpc::{ErrorObject, Object};
use futures::future::BoxFuture;
use serde_json::value::RawValue;
use session::ClientSession;
use std::sync::Arc;

/// Answers from the catalog. Its clients' sessions with backends are opened when they are needed.
#[derive(Debug)]
pub struct LegacyGateway {
    /// The name of the gateway, as `serverInfo` has it.
    name: String,
    catalog: Arc<Catalog>,
    clients: Clients<ClientSession>,
}

impl LegacyGateway {
    /// A gateway of this name to what is in `catalog`.
    pub fn new(name: String, catalog: Arc<Catalog>) -> Self {
        Self { name, catalog, clients: Clients::default() }
    }
}

impl Upstream for LegacyGateway {
    fn revisions(&self) -> &'static [&'static str] {
        &SPOKEN
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        params: &'a RawValue,
        outbox: Arc<Outbox>,
    ) -> BoxFuture<'a, Result<Opened, Unopened>> {
        Box::pin(async move {
            let bad_request = |error: ErrorObject| Unopened::bad_request(&error);
            let params = Object::parse(params, "params", owned_keys("initialize"));
            let params = params.map_err(|error| bad_request(ErrorObject::from(&error)))?;
            let revision = initialize::revision(&params).map_err(bad_request)?;
            let capabilities = Capabilities::read(&params).map_err(bad_request)?;
            let info = params.field("clientInfo").map(|info| Arc::from(info.to_owned()));
            let session = Arc::new(ClientSession::new(Arc::clone(&self.catalog), outbox, capabilities, info));
            let introduction = session.introduction(caller).await.map_err(|error| Unopened::failed(&error))?;
            self.clients.add(&session);
            Ok(Opened { result: initialize::result(&self.name, revision, introduction), session })
        })
    }
}
