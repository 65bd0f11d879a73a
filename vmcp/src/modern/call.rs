//! One request of a client that is under way at a backend: what the backend is sent, what it says meanwhile, and what it
//! may ask.

use super::ModernGateway;
use super::client::Client;
use super::state::Request;
use super::{tasks, urls};
use crate::backend::{Backend, Caller};
use crate::capabilities::{Capabilities, is_question, required_by};
use crate::catalog::{Conversation, Item, Level, Task};
use crate::egress::{Clock, Declared, Hearing, Peer, Question, Reply};
use crate::ingress::{Asked, mismatch, single};
use crate::jsonrpc::{ErrorObject, Id, Message, Object, code, notification, raw};
use crate::seal::Sealer;
use crate::stateless::meta::{OF_REQUEST, PROGRESS_TOKEN};
use crate::stateless::mirrored::{is_same, text_of};
use crate::stateless::tasks::{TASK_ID, can_begin, is_declared};
use crate::stateless::{header, takes_inputs};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// A request, before and after it is known to which backend it goes.
pub(super) struct Call<'a> {
    client: &'a Arc<Client>,
    sealer: &'a Sealer,
    request: Request<'a>,
    /// What the client has brought of an earlier round.
    state: Option<String>,
    /// What it has answered in that round.
    responses: Option<&'a RawValue>,
    capabilities: Capabilities,
    declared: Arc<Declared>,
    messages: mpsc::Sender<Bytes>,
    progress: Option<Progress>,
    level: Option<Level>,
    peer: OnceLock<Arc<CallPeer>>,
}

/// How the progress of a request is called.
#[derive(Debug, Clone)]
struct Progress {
    /// By the client. Two clients may use the same.
    of_client: Id,
    /// By the gateway, towards the backend.
    of_gateway: Id,
}

impl<'a> Call<'a> {
    /// A request of `caller` with these params, the stream of whose answer takes `messages`.
    pub(super) fn new(
        gateway: &'a ModernGateway,
        client: &'a Arc<Client>,
        caller: &'a Caller,
        asked: &'a Asked,
        capabilities: Capabilities,
        params: &Object<'a>,
        messages: mpsc::Sender<Bytes>,
    ) -> Result<Self, ErrorObject> {
        if let Some(level) = asked.meta.log_level {
            client.interests.want_level(level);
        }
        let progress = asked.meta.progress_token.clone();
        let progress = progress.map(|of_client| Progress { of_client, of_gateway: gateway.next_token() });
        Ok(Self {
            client,
            sealer: &gateway.sealer,
            request: Request::new(caller, &asked.method, params),
            state: params.string("requestState").map_err(|error| ErrorObject::from(&error))?,
            responses: params.borrowed("inputResponses"),
            capabilities,
            declared: Arc::new(Declared {
                capabilities: Arc::clone(&asked.meta.capabilities),
                client_info: asked.meta.client_info.clone(),
                log_level: asked.meta.log_level.map(|level| Arc::from(raw(&level))),
                arguments: asked.arguments.clone(),
            }),
            messages,
            progress,
            level: asked.meta.log_level,
            peer: OnceLock::new(),
        })
    }

    /// What comes of the request, after what came for it. A backend with sessions that had to ask the client had to be refused, and
    /// whatever it has made of that is not what was asked for.
    pub(super) fn judged(&self, reply: Result<Reply, ErrorObject>) -> Result<Reply, ErrorObject> {
        match self.peer.get().and_then(|peer| Some((peer, peer.question.get()?))) {
            Some((peer, question)) => Err(self.refused(&peer.backend, question)),
            None => reply,
        }
    }

    /// The result that asks the client for inputs, checked and sealed.
    pub(super) fn asking<'r>(&self, method: &str, result: Object<'r>) -> Result<Object<'r>, ErrorObject> {
        if !takes_inputs(method) {
            return Err(self.broken(&format!("it may not ask for inputs in answer to {method:?}")));
        }
        for question in questions(&result).map_err(|error| self.broken(&error.message))? {
            if !is_question(&question.method) {
                return Err(
                    self.broken(&format!("it asks the client for {:?}, which is nothing to ask", question.method))
                );
            }
            if self.capabilities.check(&question).is_err() {
                return Err(self.refused(self.backend_name(), &question));
            }
        }
        let state = result.string("requestState").map_err(|error| self.broken(&error.to_string()))?;
        match (state, self.peer.get()) {
            (Some(state), Some(peer)) => {
                let sealed = self.request.seal(self.sealer, &peer.to, &state)?;
                Ok(result.with("requestState", raw(&sealed)))
            }
            _ => Ok(result),
        }
    }

    /// The result that asks the client to open URLs, in the place of an error that does; nothing for any other error.
    pub(super) fn opening(&self, method: &str, error: &RawValue) -> Result<Option<Box<RawValue>>, ErrorObject> {
        let Some(asking) = takes_inputs(method).then(|| urls::asking(error)).flatten() else { return Ok(None) };
        // A backend with sessions asks in no other way: nothing else was answered.
        if self.responses.is_some_and(urls::is_refusal) {
            let backend = self.backend_name();
            let message = format!("backend {backend:?} needs a URL to be opened first, which was refused");
            let data = json!({ "backend": backend });
            return Err(ErrorObject::new(code::INTERNAL_ERROR, message).with_data(data));
        }
        Ok(Some(asking))
    }

    /// The task that the params name.
    pub(super) fn task(&self, params: &Object<'_>) -> Result<Task, ErrorObject> {
        if !is_declared(&self.declared.capabilities) {
            return Err(tasks::undeclared());
        }
        tasks::named(self.sealer, self.request.caller(), &params.required(TASK_ID, "the task")?)
    }

    /// The result that is a task, under the client's name of it.
    pub(super) fn begun<'r>(&self, method: &str, result: Object<'r>) -> Result<Object<'r>, ErrorObject> {
        if !can_begin(method) || !is_declared(&self.declared.capabilities) {
            return Err(self.broken(&format!("it may not make a task of this request for {method:?}")));
        }
        let id = result.required(TASK_ID, "the task").map_err(|error| self.broken(&error.message))?;
        let peer = self.peer.get().ok_or_else(|| self.broken("it was not asked"))?;
        let name = tasks::name(self.sealer, self.request.caller(), &Task::of(&peer.to, id))?;
        Ok(result.with(TASK_ID, raw(&name)))
    }

    /// What is told of the task that the request is about, under the client's name of it.
    pub(super) fn told<'r>(&self, result: Object<'r>) -> Object<'r> {
        match self.request.name() {
            Some(name) if result.field(TASK_ID).is_some() => result.with(TASK_ID, name.to_owned()),
            _ => result,
        }
    }

    /// The error for a backend that does not keep to the protocol.
    pub(super) fn broken(&self, why: &str) -> ErrorObject {
        let backend = self.backend_name();
        let message = format!("backend {backend:?} does not keep to the protocol: {why}");
        ErrorObject::new(code::INTERNAL_ERROR, message).with_data(json!({ "backend": backend, "cause": "protocol" }))
    }

    fn backend_name(&self) -> &str {
        self.peer.get().map(|peer| peer.backend.as_str()).unwrap_or_default()
    }

    /// The error for a request that cannot be done without asking the client.
    fn refused(&self, backend: &str, question: &Question) -> ErrorObject {
        let asks = format!("backend {backend:?} asks the client for {:?}", question.method);
        let data = json!({ "backend": backend, "requiredCapabilities": required_by(question) });
        if self.capabilities.check(question).is_err() {
            let message = format!("{asks}, which it has not declared that it can do");
            return ErrorObject::new(code::MISSING_CLIENT_CAPABILITY, message).with_data(data);
        }
        let message = format!(
            "{asks} in the midst of the request, as its protocol revision has it, and a client without a session cannot \
             be asked then; connect with \"initialize\" to use it"
        );
        ErrorObject::new(code::INTERNAL_ERROR, message)
            .with_data(json!({ "backend": backend, "method": question.method }))
    }
}

/// What a result asks the client for.
fn questions(result: &Object<'_>) -> Result<Vec<Question>, ErrorObject> {
    let malformed = |error| ErrorObject::from(&error);
    let Some(requests) = result.borrowed("inputRequests") else { return Ok(Vec::new()) };
    let requests = Object::parse(requests, "result.inputRequests", &[]).map_err(malformed)?;
    let question = |key: &str| {
        let request = requests.borrowed(key).unwrap_or(RawValue::NULL);
        let request = Object::parse(request, "result.inputRequests", &["method", "params"]).map_err(malformed)?;
        let method = request.string("method").map_err(malformed)?.unwrap_or_default();
        Ok(Question { method, params: request.field("params").map(ToOwned::to_owned) })
    };
    requests.keys().map(question).collect()
}

impl Conversation for Call<'_> {
    fn with(&self, backend: &Arc<Backend>) -> Hearing {
        let peer = self.peer.get_or_init(|| {
            let peer = Arc::new(CallPeer {
                client: Arc::clone(self.client),
                backend: backend.name.clone(),
                to: Arc::clone(backend),
                messages: self.messages.clone(),
                clock: Clock::start(),
                progress: self.progress.clone(),
                level: self.level,
                question: OnceLock::new(),
            });
            self.client.begin(&peer);
            peer
        });
        let declared = Some(Arc::clone(&self.declared));
        Hearing { declared, peer: Arc::<CallPeer>::clone(peer), clock: Arc::clone(&peer.clock) }
    }

    fn fits(&self, item: &Item) -> Result<(), ErrorObject> {
        if item.marked.is_empty() {
            return Ok(());
        }
        for mirrored in &item.marked {
            let shown = mirrored.header.as_str();
            let value = single(&self.declared.arguments, &mirrored.header, shown)?.map(header::decode).transpose();
            let value = value.map_err(|error| mismatch(format!("the {shown} header is malformed: {error}")))?;
            let path = mirrored.path.join(".");
            let argument = self.request.arguments().map(|arguments| mirrored.find(arguments)).transpose();
            let argument = argument.map_err(|error| ErrorObject::from(&error))?.flatten();
            if let Some(Err(unrepeatable)) = argument.map(text_of) {
                return Err(mismatch(format!(
                    "the {shown} header cannot say what the argument {path:?} does: {unrepeatable}"
                )));
            }
            match (value, argument) {
                (None, None) => {}
                (Some(value), Some(argument)) if is_same(&value, argument) => {}
                (Some(_), Some(_)) => {
                    return Err(mismatch(format!("the {shown} header does not say what the argument {path:?} does")));
                }
                (Some(_), None) => {
                    return Err(mismatch(format!("the {shown} header was sent without the argument {path:?}")));
                }
                (None, Some(_)) => {
                    return Err(mismatch(format!("the request needs the {shown} header for the argument {path:?}")));
                }
            }
        }
        Ok(())
    }

    fn addressed<'p>(&self, backend: &Backend, params: Object<'p>) -> Result<Object<'p>, ErrorObject> {
        let params = match &self.state {
            Some(sealed) => {
                let state = self.request.open(self.sealer, backend, sealed)?;
                params.with("requestState", raw(&state))
            }
            None => params,
        };
        let Some(meta) = params.field("_meta").map(ToOwned::to_owned) else { return Ok(params) };
        let mut meta = Object::parse(&meta, "params._meta", &OF_REQUEST).map_err(|error| ErrorObject::from(&error))?;
        // A backend with sessions was told once; one without is told anew with each request.
        for key in OF_REQUEST {
            meta = meta.without(key);
        }
        if let Some(Progress { of_gateway, .. }) = &self.progress {
            meta = meta.with(PROGRESS_TOKEN, of_gateway.raw().to_owned());
        }
        Ok(if meta.keys().next().is_none() { params.without("_meta") } else { params.with("_meta", meta.to_raw()) })
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(peer) = self.peer.get() {
            self.client.end(peer);
        }
    }
}

/// A request that is under way at a backend.
#[derive(Debug)]
pub(super) struct CallPeer {
    client: Arc<Client>,
    pub(super) backend: String,
    to: Arc<Backend>,
    messages: mpsc::Sender<Bytes>,
    clock: Arc<Clock>,
    progress: Option<Progress>,
    level: Option<Level>,
    /// The first question of the backend, which it was refused.
    question: OnceLock<Question>,
}

impl CallPeer {
    /// Whether the gateway has called the progress of the request so.
    pub(super) fn is_called(&self, token: &Id) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.of_gateway == *token)
    }

    /// Tells the client what concerns the request, as far as it wants to hear it.
    pub(super) async fn tell(&self, method: &str, message: Bytes) {
        let message = match method {
            "notifications/progress" => self.named(&message),
            "notifications/message" => {
                Some(message).filter(|message| self.level.is_some_and(|level| level.lets_through(message)))
            }
            // What is told of a question that could not be asked.
            "notifications/elicitation/complete" => None,
            _ => Some(message),
        };
        if let Some(message) = message {
            // A client that does not wait for the answer is not told what comes before it.
            let _ = self.messages.send(message).await;
        }
    }

    /// The progress of this request, as the client calls it.
    fn named(&self, message: &[u8]) -> Option<Bytes> {
        let progress = self.progress.as_ref()?;
        let Ok(Message::Notification(told)) = Message::parse(message) else { return None };
        let params = Object::parse(told.params?, "params", &[PROGRESS_TOKEN]).ok()?;
        let token = Id::parse(params.field(PROGRESS_TOKEN)?).ok()?;
        let params = params.with(PROGRESS_TOKEN, progress.of_client.raw().to_owned()).to_raw();
        (token == progress.of_gateway).then(|| notification(&told.method, Some(&params)))
    }
}

impl Peer for CallPeer {
    fn notified<'a>(&'a self, method: &'a str, message: Bytes) -> BoxFuture<'a, ()> {
        async move {
            if let Some(message) = self.client.hear(&self.backend, method, message) {
                self.tell(method, message).await;
            }
        }
        .boxed()
    }

    fn asked(self: Arc<Self>, question: Question) -> BoxFuture<'static, Reply> {
        let error = if is_question(&question.method) {
            let message = format!("this client cannot be asked for {:?} in the midst of a request", question.method);
            let _ = self.question.set(question);
            ErrorObject::new(code::INVALID_REQUEST, message)
        } else {
            let message = format!("the gateway does not pass the request {:?} on to clients", question.method);
            ErrorObject::new(code::METHOD_NOT_FOUND, message)
        };
        std::future::ready(Reply::Error(raw(&error))).boxed()
    }
}
