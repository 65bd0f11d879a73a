//! Sends the steps of a topic in order and finds where the answers differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::compare::{Difference, compare, compare_headers};
use super::definitions::Definitions;
use super::exchange::Exchange;
use super::pacing::{Pacing, SETTLING};
use super::placeholders::Uids;
use super::recording::{Request, Setup, Step, Topic};
use super::{discovery, watching};

/// How often such a request is repeated.
const REPEAT: Duration = Duration::from_millis(100);
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

static REFERENCE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\$\{([^:}]+):([^}]+)\}").unwrap());

/// A server and how far the replay has come.
pub(super) struct Replay {
    exchange: Exchange,
    definitions: Definitions,
    pacing: Pacing,
    answers: BTreeMap<String, Value>,
    uids: Uids,
    seen: BTreeSet<String>,
}

impl Replay {
    pub(super) fn new(exchange: Exchange, definitions: Definitions, pacing: Pacing) -> Self {
        Self { exchange, definitions, pacing, answers: BTreeMap::new(), uids: Uids::default(), seen: BTreeSet::new() }
    }

    /// Creates what stands before the first step.
    pub(super) async fn set_up(&self, setup: &Setup) {
        for object in &setup.objects {
            let path = if object["kind"] == "Namespace" { "/api/v1/namespaces" } else { DEFINITIONS };
            self.create(path, object).await;
        }
    }

    /// The steps seen so far, also those that were skipped.
    pub(super) fn seen(&self) -> &BTreeSet<String> {
        &self.seen
    }

    /// The steps that only the script of the controllers' pace names.
    pub(super) fn unknown_paced_steps(&self) -> Vec<&str> {
        self.pacing.unknown_steps(&self.seen)
    }

    /// Replays a topic: for each step its name and where it differs, or nothing if it was skipped.
    pub(super) async fn topic(&mut self, topic: &Topic) -> Vec<(String, Option<Vec<Difference>>)> {
        self.answers.clear();
        self.uids = Uids::default();
        let needs_definitions = topic.topic.starts_with("16-");
        if needs_definitions {
            for definition in self.definitions.documents() {
                self.create(DEFINITIONS, definition).await;
            }
        }
        let mut outcomes = Vec::new();
        for step in &topic.steps {
            let name = format!("{}/{}", topic.topic, step.id);
            self.seen.insert(name.clone());
            let is_skipped = needs_definitions && !self.definitions.cover(&step.request.path);
            let outcome = if is_skipped { None } else { Some(self.step(&name, step).await) };
            outcomes.push((name, outcome));
        }
        outcomes
    }

    async fn step(&mut self, name: &str, step: &Step) -> Vec<Difference> {
        let mut found = self.pacing.before(name, step, &self.exchange, &self.uids).await;
        found.extend(if step.response.events.is_some() {
            self.watch(step).await
        } else if step.repeat_until_stable {
            self.repeat(step).await
        } else {
            self.exchange(step).await
        });
        found.extend(self.pacing.after(name).await);
        found
    }

    async fn create(&self, path: &str, object: &Value) {
        let answer = self.exchange.send(&Request::post(path, object.clone())).await;
        assert_eq!(answer.status, 201, "{path}: {}", answer.body);
    }

    /// One request and its answer.
    async fn exchange(&mut self, step: &Step) -> Vec<Difference> {
        let answer = self.exchange.send(&self.filled(&step.request)).await;
        let mut found = Vec::new();
        if answer.status != step.response.status {
            found.push(Difference::new("status", &step.response.status, &answer.status.as_u16()));
        }
        if step.unstable.is_none() {
            compare_headers(&step.response.headers, &answer.headers, &mut self.uids, &mut found);
            if let Some(recorded) = &step.response.body {
                let (recorded, answered) = discovery::reduce(recorded, &answer.body);
                compare(&recorded, &answered, "body", &mut self.uids, &mut found);
            }
        }
        if answer.body["kind"] == "TokenRequest" {
            self.request_account_token(&step.request.path).await;
        }
        self.answers.insert(step.id.clone(), answer.body);
        found
    }

    /// The same request until its answer is the recorded one; what writes is sent once.
    async fn repeat(&mut self, step: &Step) -> Vec<Difference> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let uids = self.uids.clone();
            let found = self.exchange(step).await;
            if found.is_empty() || step.request.method != "GET" || Instant::now() > deadline {
                return found;
            }
            self.uids = uids;
            tokio::time::sleep(REPEAT).await;
        }
    }

    /// A watch with what happens meanwhile.
    async fn watch(&mut self, step: &Step) -> Vec<Difference> {
        let mut found = Vec::new();
        let response = self.exchange.open(&self.filled(&step.request)).await;
        if response.status() != step.response.status {
            found.push(Difference::new("status", &step.response.status, &response.status().as_u16()));
        }
        for during in &step.during {
            let answer = self.exchange.send(&self.filled(&during.request)).await;
            if answer.status != during.status {
                found.push(Difference::new("during", &during.status, &answer.body));
            }
        }
        let recorded = watching::without_last_bookmark(step.response.events.as_deref().unwrap_or_default());
        let answered = watching::events(response.into_body(), recorded.len()).await;
        if step.unstable.is_none() {
            compare(&json!(recorded), &json!(answered), "events", &mut self.uids, &mut found);
        }
        found
    }

    /// The token of topic 15 is made in a request of its own.
    async fn request_account_token(&mut self, path: &str) {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = self.exchange.send(&Request::post(path, body)).await;
        self.exchange.keep_account_token(answer.body["status"]["token"].as_str().unwrap_or_default());
    }

    /// The request with its references to earlier answers replaced.
    fn filled(&self, request: &Request) -> Request {
        Request {
            method: request.method.clone(),
            path: self.resolve(&request.path),
            headers: request.headers.clone(),
            body: request.body.as_ref().map(|body| self.resolve_all(body)),
            identity: request.identity.clone(),
        }
    }

    fn resolve(&self, text: &str) -> String {
        let referenced = |reference: &regex::Captures<'_>| {
            let mut value = self.answers.get(&reference[1]).unwrap_or(&Value::Null);
            for key in reference[2].split('.') {
                value = key.parse::<usize>().map_or_else(|_| &value[key], |index| &value[index]);
            }
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        };
        REFERENCE.replace_all(text, referenced).into_owned()
    }

    fn resolve_all(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.resolve(text)),
            Value::Array(items) => items.iter().map(|item| self.resolve_all(item)).collect(),
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), self.resolve_all(value))).collect(),
            other => other.clone(),
        }
    }
}
