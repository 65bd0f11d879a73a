//! One client's session.

use super::call::{Call as Asked, progress_of};
use super::client::Client;
use super::methods::Method;
use crate::backend::Caller;
use crate::capabilities::Capabilities;
use crate::catalog::{Catalog, ClientView, Interests, Introduction};
use crate::egress::Reply;
use crate::ingress::{Call, Outbox, Unanswered, UpstreamSession, owned_keys};
use crate::jsonrpc::{ErrorObject, Message, Object, raw};
use crate::offers::Kind;
use crate::replicas::{Interest, Signal};
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What one client has of the gateway.
#[derive(Debug)]
pub(super) struct ClientSession {
    catalog: Arc<Catalog>,
    client: Arc<Client>,
    view: ClientView,
}

impl ClientSession {
    /// A session whose client is told through `outbox` what concerns none of its requests.
    pub(super) fn new(
        catalog: Arc<Catalog>,
        outbox: Arc<Outbox>,
        capabilities: Capabilities,
        info: Option<Arc<RawValue>>,
    ) -> Self {
        let client = Arc::new(Client::new(Arc::clone(&catalog), outbox, capabilities, info));
        let view = ClientView::new(Arc::<Client>::clone(&client), Arc::clone(&client.interests));
        Self { catalog, client, view }
    }

    /// What the client is told of the backends; from then on it hears of their changes.
    pub(super) async fn introduction(&self, caller: &Caller) -> Result<Introduction, ErrorObject> {
        let introduction = self.catalog.introduction(&self.view, caller).await?;
        self.catalog.listen_later(&self.view);
        Ok(introduction)
    }

    /// What the client wants to hear of.
    pub(super) fn interests(&self) -> &Interests {
        &self.view.interests
    }

    /// Tells the client what concerns none of its requests.
    pub(super) fn tell(&self, message: Bytes) {
        self.client.tell(message);
    }

    async fn reply(&self, caller: &Caller, call: &Call, messages: mpsc::Sender<Bytes>) -> Result<Reply, ErrorObject> {
        let malformed = |error| ErrorObject::from(&error);
        let params = match &call.params {
            Some(params) => Object::parse(params, "params", owned_keys(&call.method)).map_err(malformed)?,
            None => Object::empty("params"),
        };
        let (catalog, view) = (&self.catalog, &self.view);
        let asked = Asked::new(&self.client, &params, messages);
        match Method::parse(&call.method, &params)? {
            Method::Ping => Ok(Reply::Result(raw(&json!({})))),
            Method::List(kind, cursor) => {
                let listing = catalog.list(kind, view, caller, cursor.as_deref()).await?;
                Ok(Reply::Result(listing.result))
            }
            Method::CallTool => catalog.call_tool(view, caller, params, &asked).await,
            Method::GetPrompt => catalog.get_prompt(view, caller, params, &asked).await,
            Method::ReadResource => catalog.read_resource(view, caller, params, &asked).await,
            Method::Subscribe => {
                let uri = params.string("uri").ok().flatten().unwrap_or_default();
                let reply = catalog.subscribe(view, caller, params, &asked).await;
                self.share_subscription(uri).await;
                reply
            }
            Method::Unsubscribe => {
                let uri = params.string("uri").ok().flatten().unwrap_or_default();
                let reply = catalog.unsubscribe(view, caller, params, &asked).await;
                self.share_subscription(uri).await;
                reply
            }
            Method::Complete => catalog.complete(view, caller, params, &asked).await,
            Method::SetLevel(level) => {
                catalog.set_level(view, caller, level).await;
                if let Some(shared) = self.client.shared() {
                    shared.interest(Interest::Level(level)).await;
                }
                Ok(Reply::Result(raw(&json!({}))))
            }
        }
    }

    /// Lets other replicas know whether the client is subscribed to a resource.
    async fn share_subscription(&self, uri: String) {
        let Some(shared) = self.client.shared() else { return };
        let interest = match self.view.interests.subscribed_to(&uri) {
            Some(backend) => Interest::Subscribed { uri, backend },
            None => Interest::Unsubscribed { uri },
        };
        shared.interest(interest).await;
    }
}

impl UpstreamSession for ClientSession {
    fn answer<'a>(
        &'a self,
        caller: &'a Caller,
        call: &'a Call,
        messages: mpsc::Sender<Bytes>,
    ) -> BoxFuture<'a, Result<Reply, Unanswered>> {
        Box::pin(async move { Ok(self.reply(caller, call, messages).await?) })
    }

    fn take<'a>(&'a self, caller: &'a Caller, message: Bytes) -> BoxFuture<'a, Result<(), Unanswered>> {
        Box::pin(async move {
            match Message::parse(&message).map_err(|error| ErrorObject::from(&error))? {
                Message::Response(response) => {
                    if !self.client.questions.answer(&response)
                        && let (Some(shared), Ok(text)) = (self.client.shared(), std::str::from_utf8(&message))
                    {
                        shared.signal(Signal::Answered(text.to_owned()));
                    }
                }
                Message::Notification(notification) if notification.method == "notifications/roots/list_changed" => {
                    self.catalog.notify_all(&self.view, caller, &message).await;
                }
                Message::Notification(notification) if notification.method == "notifications/progress" => {
                    let follower = progress_of(&message).and_then(|token| self.client.questions.follower(&token));
                    if let Some(backend) = follower {
                        self.catalog.notify(&self.view, caller, &backend, &message).await;
                    }
                }
                // No other notification concerns a backend, and requests are answered.
                Message::Notification(_) | Message::Request(_) => {}
            }
            Ok(())
        })
    }

    fn hear(&self, signal: &Signal) {
        match signal {
            Signal::Answered(text) => {
                if let Ok(Message::Response(response)) = Message::parse(text.as_bytes()) {
                    self.client.questions.answer(&response);
                }
            }
            Signal::Interest(interest) => self.view.interests.hear(interest),
            Signal::ListsChanged { backend, method } => {
                let kinds: Vec<_> = Kind::changed_by(method).collect();
                self.catalog.lists_changed(&self.view.interests, backend, &kinds);
            }
            Signal::Meanwhile { backend, message } => {
                self.client.hear_meanwhile(backend, Bytes::copy_from_slice(message.as_bytes()));
            }
            Signal::Ended | Signal::Cancelled(_) | Signal::Said(_) | Signal::Reading(_) | Signal::Backend => {}
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.view.close())
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.view.leave())
    }
}
