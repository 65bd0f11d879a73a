//! The client behind a request, as far as backends may speak to it, whatever its wire.

use super::Item;
use crate::backend::Backend;
use crate::egress::{Hearing, OnBehalf};
use crate::jsonrpc::{ErrorObject, Object};
use std::fmt;
use std::sync::Arc;

/// A client that has sessions with backends.
pub trait Client: fmt::Debug + Send + Sync {
    /// What `backend` is told of the client, and who hears it outside of requests.
    fn on_behalf(self: Arc<Self>, backend: &Arc<Backend>) -> OnBehalf;
}

/// One request of a client.
pub trait Conversation: Send + Sync {
    /// The request goes to `backend`, which may speak to the client until it has answered.
    fn with(&self, backend: &Arc<Backend>) -> Hearing;

    /// Whether the request fits the tool or prompt that it turned out to be about.
    fn fits(&self, _item: &Item) -> Result<(), ErrorObject> {
        Ok(())
    }

    /// The params as `backend` is sent them.
    fn addressed<'p>(&self, _backend: &Backend, params: Object<'p>) -> Result<Object<'p>, ErrorObject> {
        Ok(params)
    }
}
