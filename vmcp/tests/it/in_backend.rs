//! A small MCP server of this process, which keeps a journal and misbehaves on request.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

/// One request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The JSON-RPC method, or the HTTP method of a request without body.
    pub(crate) method: String,
    /// The body as it came.
    pub(crate) body: String,
    /// The session that it names.
    pub(crate) session: Option<String>,
    /// All its headers.
    pub(crate) headers: HeaderMap,
}

#[derive(Default)]
struct World {
    /// The text of each item of a list, by method.
    items: BTreeMap<String, Vec<String>>,
    /// What the server declares beside tools.
    capabilities: Value,
    /// What the result of `initialize` has beside what it must have.
    introduction: Value,
    /// The text of the response member, by method; it comes before everything else.
    replies: BTreeMap<String, String>,
    /// The text of the response member (`"result":…` or `"error":…`), by tool.
    answers: BTreeMap<String, String>,
    /// What a tool says before it answers; a request waits for its answer.
    speeches: BTreeMap<String, Vec<String>>,
    /// Every request is answered with this status.
    broken: Option<StatusCode>,
    /// Methods that are not answered before the release.
    hanging: BTreeSet<String>,
    sessions: BTreeSet<String>,
    started: usize,
}

impl World {
    fn list(&self, method: &str, member: &str) -> String {
        let items = self.items.get(method).map(|items| items.join(",")).unwrap_or_default();
        format!("\"result\":{{\"{member}\":[{items}]}}")
    }
}

/// What ends all streams.
const END: &str = "";

/// The server.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) url: String,
    world: Arc<Mutex<World>>,
    journal: Arc<watch::Sender<Vec<Entry>>>,
    stop: CancellationToken,
    /// What the streams are told.
    news: broadcast::Sender<String>,
    /// Tells of each new stream.
    streams: Arc<watch::Sender<()>>,
    /// Calls of the tool `hang`, and requests of methods that hang, wait for it.
    release: CancellationToken,
}

impl Backend {
    /// Starts a server with these tools, each of which answers with a text that names the server.
    pub(crate) async fn start(tools: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", tools).await
    }

    /// The same at an address.
    pub(crate) async fn start_at(address: &str, tools: &[&str]) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let stop = CancellationToken::new();
        let backend = Self {
            url: format!("http://{}/mcp", listener.local_addr().unwrap()),
            world: Arc::default(),
            journal: Arc::new(watch::Sender::new(Vec::new())),
            stop: stop.clone(),
            news: broadcast::Sender::new(64),
            streams: Arc::default(),
            release: CancellationToken::new(),
        };
        backend.set_tools(tools);
        let router = Router::new().route("/mcp", any(answer)).with_state(backend.clone());
        let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(async move { stop.run_until_cancelled(server.into_future()).await });
        backend
    }

    pub(crate) fn set_tools(&self, tools: &[&str]) {
        let items = tools.iter().map(|name| json!({"name": name, "inputSchema": {"type": "object"}}).to_string());
        self.set_items("tools/list", items.collect());
    }

    /// Sets the text of each item of a list.
    pub(crate) fn set_items(&self, method: &str, items: Vec<String>) {
        self.world.lock().unwrap().items.insert(method.to_owned(), items);
    }

    /// Declares these capabilities beside tools.
    pub(crate) fn offer(&self, capabilities: Value) {
        self.world.lock().unwrap().capabilities = capabilities;
    }

    /// Adds these members to the result of `initialize`.
    pub(crate) fn introduce(&self, introduction: Value) {
        self.world.lock().unwrap().introduction = introduction;
    }

    /// Answers a method with this member of the response.
    pub(crate) fn reply(&self, method: &str, member: &str) {
        self.world.lock().unwrap().replies.insert(method.to_owned(), member.to_owned());
    }

    /// Changes the tools and tells everyone who listens.
    pub(crate) async fn change_tools(&self, tools: &[&str]) {
        self.set_tools(tools);
        self.tell("notifications/tools/list_changed", &json!({})).await;
    }

    /// Sends a notification on all streams, as soon as there is one.
    pub(crate) async fn tell(&self, method: &str, params: &Value) {
        self.listened_to(1).await;
        self.say(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Waits until there are so many streams.
    pub(crate) async fn listened_to(&self, streams: usize) {
        let mut opened = self.streams.subscribe();
        let standing = opened.wait_for(|()| self.news.receiver_count() >= streams);
        tokio::time::timeout(crate::in_support::PATIENCE, standing).await.unwrap().unwrap();
    }

    /// Loses all sessions, as one that is started anew does.
    pub(crate) fn start_anew(&self) {
        self.forget_sessions();
        self.news.send(END.to_owned()).unwrap();
    }

    /// Sends a message on all streams that there are.
    pub(crate) fn say(&self, message: &Value) {
        self.news.send(format!("data: {message}\n\n")).unwrap();
    }

    /// Adds a tool with this text as its item.
    pub(crate) fn add_item(&self, item: &str) {
        self.world.lock().unwrap().items.entry("tools/list".to_owned()).or_default().push(item.to_owned());
    }

    /// Makes a tool answer with this member of the response.
    pub(crate) fn script(&self, tool: &str, member: &str) {
        self.world.lock().unwrap().answers.insert(tool.to_owned(), member.to_owned());
    }

    /// Makes a tool say this before it answers, with what it was answered. The answer to a request with the id `taken back`
    /// it does not wait for.
    pub(crate) fn speak(&self, tool: &str, messages: &[&str]) {
        let messages = messages.iter().map(|message| (*message).to_owned()).collect();
        self.world.lock().unwrap().speeches.insert(tool.to_owned(), messages);
    }

    /// Waits until a session is told the answer to its request of this id.
    pub(crate) async fn answered(&self, session: &str, id: &Value) -> String {
        let mut journal = self.journal.subscribe();
        let is_answer = |entry: &Entry| {
            entry.method == "POST"
                && entry.session.as_deref() == Some(session)
                && serde_json::from_str::<Value>(&entry.body).unwrap()["id"] == *id
        };
        let told = journal.wait_for(|entries| entries.iter().any(is_answer));
        let entries = tokio::time::timeout(crate::in_support::PATIENCE, told).await.unwrap().unwrap();
        entries.iter().find(|entry| is_answer(entry)).unwrap().body.clone()
    }

    /// Answers everything with a status, or works again.
    pub(crate) fn break_with(&self, status: Option<StatusCode>) {
        self.world.lock().unwrap().broken = status;
    }

    /// Loses all sessions, as a restart does.
    pub(crate) fn forget_sessions(&self) {
        self.world.lock().unwrap().sessions.clear();
    }

    /// Makes requests of a method hang.
    pub(crate) fn hang_on(&self, method: &str) {
        self.world.lock().unwrap().hanging.insert(method.to_owned());
    }

    /// Lets what hangs answer.
    pub(crate) fn release(&self) {
        self.release.cancel();
    }

    /// Ends the server and its connections.
    pub(crate) fn end(&self) {
        self.stop.cancel();
    }

    /// What arrived, without what probes do: they `ping` in sessions of their own.
    pub(crate) fn journal(&self) -> Vec<Entry> {
        let all = self.journal.borrow().clone();
        let probes: BTreeSet<_> =
            all.iter().filter(|entry| entry.method == "ping").filter_map(|entry| entry.session.clone()).collect();
        all.into_iter().filter(|entry| entry.session.as_ref().is_none_or(|id| !probes.contains(id))).collect()
    }

    /// How many requests arrived in all, those of probes too.
    pub(crate) fn requests(&self) -> usize {
        self.journal.borrow().len()
    }

    /// How many requests of a method arrived.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.journal().iter().filter(|entry| entry.method == method).count()
    }

    /// Waits until what arrived is such.
    pub(crate) async fn until(&self, is_such: impl Fn(&Self) -> bool) {
        let mut journal = self.journal.subscribe();
        let seen = async {
            while !is_such(self) {
                journal.changed().await.unwrap();
            }
        };
        tokio::time::timeout(crate::in_support::PATIENCE, seen).await.unwrap();
    }

    /// Waits until a request of a method arrives.
    pub(crate) async fn saw(&self, method: &str) -> Entry {
        let mut journal = self.journal.subscribe();
        let seen = journal.wait_for(|entries| entries.iter().any(|entry| entry.method == method));
        let entries = tokio::time::timeout(crate::in_support::PATIENCE, seen).await.unwrap().unwrap();
        entries.iter().find(|entry| entry.method == method).unwrap().clone()
    }
}

async fn answer(State(backend): State<Backend>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let session = headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    let entry = Entry {
        method: message["method"].as_str().unwrap_or(method.as_str()).to_owned(),
        body: String::from_utf8(body.to_vec()).unwrap(),
        session: session.clone(),
        headers,
    };
    // Like most servers with sessions it knows no other revisions: that it is asked is no part of what tests tell.
    if entry.method == "server/discover" && backend.world.lock().unwrap().broken.is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    // Whoever knows of a stream may tell it something.
    let news = (method == Method::GET).then(|| backend.news.subscribe());
    backend.journal.send_modify(|entries| entries.push(entry.clone()));
    let tool = message["params"]["name"].as_str().unwrap_or_default().to_owned();
    let hangs = backend.world.lock().unwrap().hanging.contains(&entry.method);
    if hangs || (entry.method == "tools/call" && tool == "hang") {
        backend.release.cancelled().await;
    }
    let speech = backend.world.lock().unwrap().speeches.get(&tool).cloned();
    if let (Some(speech), "tools/call") = (speech, entry.method.as_str()) {
        return spoken(&backend, &session.unwrap(), speech, &message["id"]);
    }
    let mut world = backend.world.lock().unwrap();
    if let Some(status) = world.broken {
        return status.into_response();
    }
    if entry.method == "initialize" {
        world.started += 1;
        let id = format!("session-{}", world.started);
        world.sessions.insert(id.clone());
        let mut capabilities = json!({"tools": {}});
        capabilities.as_object_mut().unwrap().extend(world.capabilities.as_object().cloned().unwrap_or_default());
        let mut result = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
            "serverInfo": {"name": "test", "version": "0"}});
        result.as_object_mut().unwrap().extend(world.introduction.as_object().cloned().unwrap_or_default());
        let response = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
        return ([("content-type", "application/json"), ("mcp-session-id", id.as_str())], response).into_response();
    }
    if !session.as_ref().is_some_and(|id| world.sessions.contains(id)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if let Some(member) = world.replies.get(&entry.method) {
        let response = format!(r#"{{"jsonrpc":"2.0","id":{},{member}}}"#, message["id"]);
        return ([("content-type", "application/json")], response).into_response();
    }
    let member = match entry.method.as_str() {
        "GET" => {
            let news = futures::stream::unfold(news, |news| async move {
                let mut news = news?;
                let message = news.recv().await.ok().filter(|message| message != END)?;
                Some((Ok::<_, std::convert::Infallible>(message), Some(news)))
            });
            backend.streams.send_replace(());
            return ([("content-type", "text/event-stream")], Body::from_stream(news)).into_response();
        }
        "DELETE" => {
            world.sessions.remove(&session.unwrap_or_default());
            return StatusCode::OK.into_response();
        }
        "ping" => "\"result\":{}".to_owned(),
        "tools/list" => world.list("tools/list", "tools"),
        "prompts/list" => world.list("prompts/list", "prompts"),
        "resources/list" => world.list("resources/list", "resources"),
        "resources/templates/list" => world.list("resources/templates/list", "resourceTemplates"),
        "tools/call" => world.answers.get(&tool).cloned().unwrap_or_else(|| {
            let result = json!({"content": [{"type": "text", "text": format!("{tool} of {}", backend.url)}]});
            format!("\"result\":{result}")
        }),
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    let response = format!(r#"{{"jsonrpc":"2.0","id":{},{member}}}"#, message["id"]);
    ([("content-type", "application/json")], response).into_response()
}

/// A stream of messages before the answer, whose result has what was answered to them.
fn spoken(backend: &Backend, session: &str, speech: Vec<String>, id: &Value) -> Response {
    let (backend, session, id) = (backend.clone(), session.to_owned(), id.clone());
    let (sender, receiver) = tokio::sync::mpsc::channel::<String>(64);
    tokio::spawn(async move {
        let mut heard = Vec::new();
        for message in speech {
            let parsed: Value = serde_json::from_str(&message).unwrap();
            if sender.send(message).await.is_err() {
                return;
            }
            if !parsed["id"].is_null() && parsed["id"] != "taken back" {
                heard.push(backend.answered(&session, &parsed["id"]).await);
            }
        }
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"heard":[{}]}}}}"#, heard.join(","));
        let _ = sender.send(answer).await;
    });
    let events = futures::stream::unfold(receiver, |mut receiver| async move {
        let message = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(format!("data: {message}\n\n")), receiver))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}
