//! What an MCP server offers: the kinds of things that it lists, and what it can do beside.

use crate::jsonrpc::{Object, ParseError};
use crate::stateless::{VERSION, tasks};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// A kind of things that servers list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Tools, by name.
    Tools,
    /// Prompts, by name.
    Prompts,
    /// Resources, by URI.
    Resources,
    /// Templates of resources' URIs, by the template.
    Templates,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The method that lists them.
    pub fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The list that a request asks for, and the cursor of the page; none when it asks for none.
    pub fn asked(method: &str, params: &Object<'_>) -> Result<Option<(Self, Option<String>)>, ParseError> {
        let Some(kind) = Self::ALL.into_iter().find(|kind| kind.method() == method) else { return Ok(None) };
        let cursor = params.typed::<Option<String>>("cursor", "a string")?;
        Ok(Some((kind, cursor.flatten())))
    }

    /// The member of the method's result that holds the items.
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The key of an item that tells it from others.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// What people call one item.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Tools => "tool",
            Self::Prompts => "prompt",
            Self::Resources => "resource",
            Self::Templates => "resource template",
        }
    }

    /// The notification that their list has changed. Resources and their templates have one in common.
    pub fn changed(self) -> &'static str {
        match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resources | Self::Templates => "notifications/resources/list_changed",
        }
    }

    /// The kinds whose lists have changed when a server sends the notification `method`.
    pub fn changed_by(method: &str) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |kind| kind.changed() == method)
    }
}

/// The capabilities that a server declares, as far as the gateway acts on them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol declares each capability by itself")]
pub struct Offers {
    /// Tools.
    pub tools: bool,
    /// Prompts.
    pub prompts: bool,
    /// Resources and templates.
    pub resources: bool,
    /// News of single resources.
    pub subscriptions: bool,
    /// Completion of arguments.
    pub completions: bool,
    /// Log messages, with a level that clients set.
    pub logging: bool,
    /// Tasks, an [extension](crate::stateless::tasks) of the revisions without sessions.
    #[serde(default)]
    pub tasks: bool,
}

/// The `capabilities` member of a result of `initialize`. What else it holds is of no interest here.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Declared<'a> {
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompts: Option<&'a RawValue>,
    #[serde(default)]
    resources: Option<DeclaredResources>,
    #[serde(borrow, default)]
    completions: Option<&'a RawValue>,
    #[serde(borrow, default)]
    logging: Option<&'a RawValue>,
    #[serde(borrow, default)]
    extensions: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct DeclaredResources {
    #[serde(default)]
    subscribe: Option<bool>,
}

impl Offers {
    /// What a server of `revision` offers that declares this.
    pub(crate) fn of(declared: &Declared<'_>, revision: &str) -> Self {
        let (prompts, resources) = (declared.prompts.is_some(), declared.resources.is_some());
        Self {
            tools: declared.tools.is_some(),
            prompts,
            resources,
            subscriptions: declared.resources.as_ref().is_some_and(|resources| resources.subscribe == Some(true)),
            // The first revision has completion, and no capability for it.
            completions: declared.completions.is_some() || (revision == "2024-11-05" && (prompts || resources)),
            logging: declared.logging.is_some(),
            tasks: revision == VERSION && declared.extensions.is_some_and(tasks::is_among),
        }
    }

    /// Everything of the protocol itself: what a server may offer of which nothing is known. Extensions have those alone that say so.
    pub fn all() -> Self {
        Self {
            tools: true,
            prompts: true,
            resources: true,
            subscriptions: true,
            completions: true,
            logging: true,
            tasks: false,
        }
    }

    /// What one of two servers offers.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            tools: self.tools || other.tools,
            prompts: self.prompts || other.prompts,
            resources: self.resources || other.resources,
            subscriptions: self.subscriptions || other.subscriptions,
            completions: self.completions || other.completions,
            logging: self.logging || other.logging,
            tasks: self.tasks || other.tasks,
        }
    }

    /// The `capabilities` that a server declares which offers this and tells of every change, without extensions.
    pub fn declaration(self) -> Map<String, Value> {
        let declared = [
            ("tools", self.tools, json!({ "listChanged": true })),
            ("prompts", self.prompts, json!({ "listChanged": true })),
            ("resources", self.resources, json!({ "subscribe": self.subscriptions, "listChanged": true })),
            ("completions", self.completions, json!({})),
            ("logging", self.logging, json!({})),
        ];
        let offered = declared.into_iter().filter(|(_, offered, _)| *offered);
        offered.map(|(name, _, value)| (name.to_owned(), value)).collect()
    }

    /// Whether things of this kind are offered.
    pub fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Tools => self.tools,
            Kind::Prompts => self.prompts,
            Kind::Resources | Kind::Templates => self.resources,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn offers(capabilities: &str, revision: &str) -> Offers {
        Offers::of(&serde_json::from_str(capabilities).unwrap(), revision)
    }

    #[test]
    fn a_server_offers_what_it_declares() {
        let declared =
            r#"{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"prompts":null,"x":{}}"#;
        let expected = Offers { tools: true, resources: true, subscriptions: true, logging: true, ..Offers::default() };
        assert_eq!(offers(declared, "2025-11-25"), expected);
        assert_eq!(offers("{}", "2025-11-25"), Offers::default());
        assert!(!offers(r#"{"resources":{}}"#, "2025-11-25").subscriptions);
    }

    #[test]
    fn what_is_offered_is_declared() {
        let declared = |offers: Offers| Value::Object(offers.declaration());
        let tools = Offers { tools: true, ..Offers::default() };
        assert_eq!(declared(tools), json!({ "tools": { "listChanged": true } }));
        let read_only = Offers { resources: true, ..tools };
        assert_eq!(declared(read_only)["resources"], json!({ "subscribe": false, "listChanged": true }));
        let all = declared(Offers::all());
        assert_eq!(all["resources"]["subscribe"], true);
        assert_eq!((&all["completions"], &all["logging"]), (&json!({}), &json!({})));
    }

    #[test]
    fn tasks_are_offered_without_sessions_alone_and_by_who_says_so() {
        let declared = r#"{"extensions":{"a/b":1,"io.modelcontextprotocol/tasks":{}}}"#;
        assert!(offers(declared, "2026-07-28").tasks);
        assert!(!offers(declared, "2025-11-25").tasks && !Offers::all().tasks);
        assert!(!offers(r#"{"extensions":{"a/b":{}}}"#, "2026-07-28").tasks);
    }

    #[test]
    fn the_first_revision_has_no_capability_for_completion() {
        assert!(offers(r#"{"prompts":{}}"#, "2024-11-05").completions);
        assert!(!offers(r#"{"tools":{}}"#, "2024-11-05").completions);
        assert!(!offers(r#"{"prompts":{}}"#, "2025-03-26").completions);
    }

    #[test]
    fn resources_and_templates_change_together() {
        let changed: Vec<_> = Kind::changed_by("notifications/resources/list_changed").collect();
        assert_eq!(changed, [Kind::Resources, Kind::Templates]);
        assert_eq!(Kind::changed_by("notifications/message").count(), 0);
    }
}
