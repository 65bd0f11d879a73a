//! What a scenario plays on: its namespaces, its world, and what it has seen so far.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::history::History;
use super::redact::Secrets;
use super::trouble::Trouble;
use super::walk::Proof;
use crate::expression::Variables;
use crate::language::{Deadline, Library, Moment, Scenario, Step, Token, resolve_text, resolve_value};
use crate::mcp::{Http, Session, Subscription, Transcript};
use crate::objects::Applied;
use crate::target::{Target, TargetError};
use crate::world::{self, WorldHandle};

/// A scenario's stage.
pub struct Stage<'a> {
    pub(super) target: &'a dyn Target,
    pub(super) library: &'a Library,
    pub(super) scenario: &'a Scenario,
    pub(super) namespace: String,
    pub(super) world: Option<WorldHandle>,
    pub(super) applied: Applied,
    pub(super) transcript: Transcript,
    pub(super) history: History,
    state: Mutex<State>,
}

/// What changes while the scenario plays.
#[derive(Default)]
pub(super) struct State {
    kept: BTreeMap<String, Value>,
    marks: BTreeMap<String, u64>,
    sessions: BTreeMap<String, Session>,
    current: Option<String>,
    subscriptions: BTreeMap<String, Subscription>,
    /// The resource version of the last write.
    pub(super) last_write: u64,
    pub(super) other_namespaces: BTreeSet<String>,
    pub(super) proofs: Vec<Proof>,
    pub(super) secrets: Secrets,
}

impl<'a> Stage<'a> {
    /// Makes the scenario's namespace and brings its world to life.
    pub async fn set(
        target: &'a dyn Target,
        library: &'a Library,
        scenario: &'a Scenario,
    ) -> Result<Self, TargetError> {
        let namespace = namespace_of(&scenario.id, target.run());
        let world = match &scenario.world {
            Some(world) => Some(target.start_world(world.clone()).await?),
            None => None,
        };
        target.make_namespace(&namespace, world.as_ref(), &scenario.images).await?;
        Ok(Self {
            target,
            library,
            scenario,
            namespace,
            world,
            applied: Applied::default(),
            transcript: Transcript::default(),
            history: History::new(target.objects().client().clone()),
            state: Mutex::default(),
        })
    }

    /// Removes everything that the scenario made.
    pub async fn strike(self) -> Result<(), TargetError> {
        let others = self.state().other_namespaces.clone();
        for namespace in others.iter().chain([&self.namespace]) {
            self.target.remove_namespace(namespace).await?;
        }
        if let Some(world) = self.world {
            world.remove().await.map_err(|error| TargetError::World(error.to_string()))?;
        }
        Ok(())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The namespace of the scenario.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The world of the scenario.
    pub fn world(&self) -> Option<&WorldHandle> {
        self.world.as_ref()
    }

    /// What was proved so far.
    pub(super) fn proofs(&self) -> Vec<Proof> {
        self.state().proofs.clone()
    }

    /// A text without the secrets of this scenario.
    pub(super) fn redacted(&self, text: &str) -> String {
        self.state().secrets.redact(text)
    }

    /// The namespace that a step acts in; another one is made at its first use.
    pub(super) async fn namespace_of(&self, step: &Step) -> Result<String, Trouble> {
        let Some(other) = &step.namespace else {
            return Ok(self.namespace.clone());
        };
        let name = format!("{}-{other}", self.namespace);
        let is_new = self.state().other_namespaces.insert(name.clone());
        if is_new {
            self.target.make_namespace(&name, self.world.as_ref(), &self.scenario.images).await?;
        }
        Ok(name)
    }

    /// The variables that every expression may use.
    pub(super) fn variables(&self, row: Option<&Value>) -> Variables {
        let mut variables = Variables::new()
            .with("namespace", self.namespace.clone())
            .with("ca", world::authorities(self.world.as_ref()));
        for (name, value) in &self.state().kept {
            variables.set(name.clone(), value.clone());
        }
        if let Some(row) = row {
            variables.set("row", row.clone());
        }
        variables
    }

    /// Keeps a step's value under its name.
    pub(super) fn keep(&self, name: &str, value: Value) {
        self.state().kept.insert(name.to_owned(), value);
    }

    /// Remembers where the journal stands.
    pub(super) fn mark(&self, name: &str, position: u64) {
        self.state().marks.insert(name.to_owned(), position);
    }

    /// Where the journal stood at a mark; its beginning without one.
    pub(super) fn marked(&self, name: Option<&str>) -> u64 {
        let state = self.state();
        name.and_then(|name| state.marks.get(name).copied()).unwrap_or(0)
    }

    /// Where the journal stands.
    pub(super) async fn journal_position(&self) -> Result<u64, Trouble> {
        match &self.world {
            Some(world) => Ok(world.catch_up().await?),
            None => Ok(0),
        }
    }

    /// How long a step may wait.
    pub(super) fn deadline(&self, step: &Step, usual: Moment) -> Duration {
        let moment = match step.deadline {
            Some(Deadline::Exact(exact)) => return exact,
            Some(Deadline::Named(moment)) => moment,
            None => usual,
        };
        match self.scenario.defaults.deadlines.get(moment.name()) {
            Some(Deadline::Exact(exact)) => *exact,
            Some(Deadline::Named(other)) => self.target.allows(*other),
            None => self.target.allows(moment),
        }
    }

    /// Adds a session; it becomes the current one unless it has a name.
    pub(super) fn add_session(&self, name: Option<&str>, session: Session) {
        let mut state = self.state();
        let key = name.unwrap_or("current").to_owned();
        if name.is_none() || state.current.is_none() {
            state.current = Some(key.clone());
        }
        state.sessions.insert(key, session);
    }

    /// The session of that name, or the current one.
    pub(super) fn session(&self, name: Option<&str>) -> Result<Session, Trouble> {
        let state = self.state();
        let key = match name {
            None | Some("current") => state.current.as_deref().unwrap_or("current"),
            Some(name) => name,
        };
        state
            .sessions
            .get(key)
            .cloned()
            .ok_or_else(|| Trouble::harness(format!("there is no session `{key}`: a step `connect` opens one")))
    }

    /// Adds a subscription.
    pub(super) fn add_subscription(&self, name: &str, subscription: Subscription) {
        self.state().subscriptions.insert(name.to_owned(), subscription);
    }

    /// The subscription of that name.
    pub(super) fn subscription(&self, name: &str) -> Option<Subscription> {
        self.state().subscriptions.get(name).cloned()
    }

    /// The text of a bearer token.
    pub(super) async fn token(&self, token: Option<&Token>, variables: &Variables) -> Result<Option<String>, Trouble> {
        let token = match token.or(self.scenario.defaults.token.as_ref()) {
            None | Some(Token::None) => return Ok(None),
            Some(Token::Literal(text)) => resolve_text(text, variables)?,
            Some(Token::Issued(request)) => {
                let request = resolve_value(&Value::Object(request.clone()), variables)?;
                let world = self.world.as_ref().ok_or_else(|| {
                    Trouble::harness("a token needs an authorization server, and the scenario has no world")
                })?;
                world.token(request).await?
            }
        };
        self.state().secrets.add(&token);
        Ok(Some(token))
    }

    /// A token for the user that the scenario's steps call as, if they do.
    pub async fn default_token(&self) -> Option<String> {
        self.token(None, &self.variables(None)).await.ok().flatten()
    }

    /// What serves clients in the scenario: kinds and names, and URLs.
    pub async fn gateways(&self) -> Vec<(String, String)> {
        let objects = self.target.objects();
        let mut gateways = Vec::new();
        for plural in ["virtualmcpservers", "mcpremoteproxies", "mcpservers"] {
            let Ok(kind) = objects.kinds.named(plural).await else { continue };
            let found = objects.list(&kind, &self.namespace, None).await.unwrap_or_default();
            gateways.extend(found.iter().filter_map(|object| {
                let name = format!("{} {}", object["kind"].as_str()?, object["metadata"]["name"].as_str()?);
                Some((name, object["status"]["url"].as_str()?.to_owned()))
            }));
        }
        gateways
    }

    /// An HTTP client that trusts the world as it is now.
    pub(super) fn http(&self) -> Result<Http, Trouble> {
        let authorities = world::authorities(self.world.as_ref());
        Http::new(authorities.values().filter_map(Value::as_str)).map_err(|error| Trouble::harness(error.to_string()))
    }
}

/// A namespace that no other run of the scenario on this cluster has.
fn namespace_of(id: &str, run: Option<&str>) -> String {
    static STAGES: AtomicU64 = AtomicU64::new(1);
    let stage = STAGES.fetch_add(1, Ordering::Relaxed);
    let words: String = id.chars().map(|c| if c == '/' { '-' } else { c }).take(40).collect();
    let words = words.trim_end_matches('-');
    match run {
        None => format!("{words}-{stage}"),
        Some(run) => format!("{words}-{run}-{stage}"),
    }
}
