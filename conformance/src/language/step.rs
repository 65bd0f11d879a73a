//! The steps of a scenario, one type per keyword.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::deadline::Deadline;
use crate::diagnostic::Position;
use crate::expression::Expression;
use crate::world::WorldChange;
use crate::yaml::Located;

/// A step: what it does, and what every step may have.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it starts.
    pub at: Position,
    /// What it does.
    pub action: Action,
    /// The behaviours that it proves when it passes.
    pub verifies: Vec<String>,
    /// Prose for readers.
    pub note: Option<String>,
    /// The name under which its value is kept.
    pub keep: Option<String>,
    /// How long it may wait.
    pub deadline: Option<Deadline>,
    /// Another namespace of the scenario.
    pub namespace: Option<String>,
}

impl Step {
    /// The lists of steps inside this one.
    pub fn inner(&self) -> Vec<&[Step]> {
        match &self.action {
            Action::Each(rows) => rows.iter().map(|row| row.steps.as_slice()).collect(),
            Action::Parallel(lists) => lists.iter().map(Vec::as_slice).collect(),
            _ => Vec::new(),
        }
    }
}

/// What a step does.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The payloads say it.
pub enum Action {
    Apply(Apply),
    Patch(Patch),
    Delete(Delete),
    Wait(Wait),
    Expect(Expect),
    Connect(Connect),
    List(List),
    Call(Call),
    Message(Message),
    Disconnect(Disconnect),
    Request(Request),
    Journal(Journal),
    Never(Never),
    Change(Change),
    Logs(Logs),
    Operator(Operator),
    Each(Vec<Row>),
    Parallel(Vec<Vec<Step>>),
}

/// A row of an `each` step, with the steps as they read for it.
#[derive(Clone, Debug)]
pub struct Row {
    /// How reports call it.
    pub label: String,
    /// The row itself, for expressions.
    pub value: Value,
    /// Behaviours that all steps of the row prove together.
    pub verifies: Vec<String>,
    /// Where it stands.
    pub at: Position,
    /// The steps.
    pub steps: Vec<Step>,
}

/// A file or an object.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A manifest file, relative to the scenario's.
    File(String),
    /// An object in place.
    Object(Value),
}

/// Which part of an object a write concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subresource {
    /// `/status`
    Status,
}

/// Creates or updates objects, as `kubectl apply` does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The files and objects.
    #[serde(rename = "apply", deserialize_with = "one_or_many")]
    pub what: Vec<What>,
    /// Whether `${...}` is replaced in files too.
    #[serde(default)]
    pub substitute: bool,
    /// Merge patches by `kind/name`.
    #[serde(default)]
    pub edit: BTreeMap<String, Value>,
    /// Only these objects.
    #[serde(default)]
    pub only: Vec<String>,
    /// Writes a subresource instead.
    pub subresource: Option<Subresource>,
    /// `Strict` (default), `Warn` or `Ignore`.
    pub validation: Option<Validation>,
    /// Must be rejected, so that this holds.
    pub rejected: Option<Expression>,
    /// Must hold of the warnings.
    pub warnings: Option<Expression>,
    /// Must hold of the returned object.
    pub expect: Option<Expression>,
}

/// What the API server does about unknown fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Validation {
    /// Refuses them.
    #[default]
    Strict,
    /// Warns.
    Warn,
    /// Drops them in silence.
    Ignore,
}

/// Patches one object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// `kind/name`
    #[serde(rename = "patch")]
    pub object: Target,
    /// A JSON merge patch.
    pub merge: Option<Value>,
    /// A JSON patch.
    pub json: Option<Value>,
    /// Writes a subresource instead.
    pub subresource: Option<Subresource>,
    /// What the API server does about unknown fields.
    pub validation: Option<Validation>,
    /// Must be rejected, so that this holds.
    pub rejected: Option<Expression>,
    /// Must hold of the warnings.
    pub warnings: Option<Expression>,
    /// Must hold of the returned object.
    pub expect: Option<Expression>,
}

/// Deletes objects.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// `kind/name`, or `kind` with a selector.
    #[serde(rename = "delete")]
    pub object: Target,
    /// A label selector.
    pub selector: Option<String>,
    /// Whether to wait until they are gone.
    #[serde(default = "yes")]
    pub wait: bool,
}

/// Watches until something holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// `kind/name`, or `kind` for a list.
    #[serde(rename = "wait")]
    pub object: Target,
    /// A label selector, for lists.
    pub selector: Option<String>,
    /// What must become true.
    pub until: Until,
    /// Only versions written after the last change.
    #[serde(default)]
    pub fresh: bool,
    /// What must then hold of the same version.
    pub expect: Option<Expression>,
}

/// A condition, or that the object is not there.
#[derive(Clone, Debug)]
pub enum Until {
    /// The object is not there.
    Gone,
    /// This holds.
    Holds(Expression),
}

/// Looks once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// `kind/name`, or `kind` for a list.
    #[serde(rename = "expect")]
    pub object: Target,
    /// A label selector, for lists.
    pub selector: Option<String>,
    /// What must hold, or `absent`.
    pub that: Option<Until>,
    /// Looks again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

/// Opens an MCP session.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// `kind/name` of an object with `status.url`, or an http URL.
    #[serde(rename = "connect")]
    pub to: Target,
    /// Who connects.
    pub token: Option<Token>,
    /// Sent with every request of the session.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The protocol revision.
    pub protocol: Option<String>,
    /// Must hold of the answer to initialize.
    pub expect: Option<Expression>,
    /// The gateway must refuse, so that this holds.
    pub refused: Option<Expression>,
}

/// Which list of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // They are the protocol's names.
pub enum ListKind {
    Tools,
    Resources,
    ResourceTemplates,
    Prompts,
}

/// Asks for a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Which.
    #[serde(rename = "list")]
    pub kind: ListKind,
    /// Another session than the current one.
    pub session: Option<String>,
    /// What must hold.
    pub expect: Option<Expression>,
    /// Asks again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

/// Calls a tool.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tool's name.
    #[serde(rename = "call")]
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// Another session than the current one.
    pub session: Option<String>,
    /// What must hold.
    pub expect: Option<Expression>,
    /// Calls again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

/// Sends a JSON-RPC message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The message.
    pub message: Map<String, Value>,
    /// Whether it is a notification, which has no id and no answer.
    #[serde(default)]
    pub notification: bool,
    /// Another session than the current one.
    pub session: Option<String>,
    /// What must hold.
    pub expect: Option<Expression>,
    /// Sends again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

/// Ends a session.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disconnect {
    /// Its name, or `current`.
    #[serde(rename = "disconnect")]
    pub session: String,
    /// What must hold of the answer.
    pub expect: Option<Expression>,
}

/// Sends an HTTP request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `METHOD /path`
    #[serde(rename = "request")]
    pub line: Located<String>,
    /// `kind/name` of an object with `status.url`, `service/NAME:PORT`, or an http URL.
    pub to: Target,
    /// Who asks.
    pub token: Option<Token>,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A session whose headers are added.
    pub session: Option<String>,
    /// A JSON body.
    pub json: Option<Value>,
    /// A body as it stands.
    pub body: Option<String>,
    /// What must hold.
    pub expect: Option<Expression>,
    /// Asks again until it holds.
    #[serde(default)]
    pub eventually: bool,
}

/// Reads what arrived at simulated servers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// A URL; `*` stands for anything.
    #[serde(rename = "journal")]
    pub url: String,
    /// Which entries.
    #[serde(rename = "where")]
    pub selects: Option<Expression>,
    /// How many of them.
    pub count: Option<Count>,
    /// Only those after the step of that name.
    pub since: Option<Located<String>>,
    /// What must hold of each.
    pub expect: Option<Expression>,
}

/// How many are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Exactly so many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
}

/// Shows that something does not happen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {
    /// A URL (`*` stands for anything), or the kind of objects.
    #[serde(rename = "never")]
    pub what: String,
    /// Which requests or objects must not be seen.
    #[serde(rename = "where")]
    pub selects: Option<Expression>,
    /// A label selector, for objects.
    pub selector: Option<String>,
    /// Only requests after the step of that name.
    pub since: Option<Located<String>>,
    /// The entry that ends the wait.
    pub until: Option<Expression>,
    /// How long to look, in place of `until`.
    #[serde(rename = "for")]
    pub lasting: Option<Located<String>>,
}

/// Changes the world while everything runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The change, in the simulator's words.
    pub change: WorldChange,
}

/// Reads logs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// `deploy/NAME`, `pod/NAME`, `pod` with a selector, or `operator`.
    #[serde(rename = "logs")]
    pub of: Target,
    /// A label selector.
    pub selector: Option<String>,
    /// What must hold.
    pub expect: Expression,
}

/// Takes the operator away or brings it back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// What it shall be.
    pub operator: OperatorState,
}

/// What the operator shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // The names say it.
pub enum OperatorState {
    Stopped,
    Running,
}

/// `kind/name`, `kind`, or a URL; may hold `${...}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Target(pub Located<String>);

impl Target {
    /// The text as it stands.
    pub fn text(&self) -> &str {
        &self.0.value
    }

    /// Whether it names one object, and not a kind.
    pub fn names_one(&self) -> bool {
        self.text().contains('/')
    }
}

/// Who calls: nobody, a token in words, or one that an authorization server of the world issues.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// No token.
    None,
    /// This text.
    Literal(String),
    /// Issued by the world.
    Issued(Map<String, Value>),
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) if text == "none" => Ok(Self::None),
            Value::String(text) => Ok(Self::Literal(text)),
            Value::Object(request) => Ok(Self::Issued(request)),
            _ => Err(de::Error::custom("a token is `none`, a text or a mapping with `issuer` and `subject`")),
        }
    }
}

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expression = Expression::deserialize(deserializer)?;
        Ok(match expression.text.as_str() {
            "gone" | "absent" => Self::Gone,
            _ => Self::Holds(expression),
        })
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || de::Error::custom("a count is a number, or a text such as '>= 2'");
        match Value::deserialize(deserializer)? {
            Value::Number(number) => {
                number.as_u64().and_then(|number| usize::try_from(number).ok()).map(Self::Exactly).ok_or_else(wrong)
            }
            Value::String(text) => text
                .strip_prefix(">=")
                .and_then(|number| number.trim().parse().ok())
                .map(Self::AtLeast)
                .ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<What>, D::Error> {
    let one = |value| match value {
        Value::String(file) => Ok(What::File(file)),
        Value::Object(_) => Ok(What::Object(value)),
        _ => Err(de::Error::custom("a file name or an object is expected")),
    };
    match Value::deserialize(deserializer)? {
        Value::Array(items) if items.is_empty() => Err(de::Error::custom("at least one file or object is expected")),
        Value::Array(items) => items.into_iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn yes() -> bool {
    true
}
