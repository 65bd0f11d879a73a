//! Capabilities: those of a server follow from what it offers, those of a client tell what it can be asked.

use serde_json::{Map, Value, json};

use super::list::Kind;
use crate::world::{Inquiry, Server, Step};

/// Name and version of the server's software.
pub(in crate::mcp) fn server_info(server: &Server) -> Value {
    let name = server.name.clone().unwrap_or_else(|| server.url.host().to_owned());
    json!({"name": name, "version": env!("CARGO_PKG_VERSION")})
}

/// Whether the server offers the lists of this kind. One that describes nothing at all offers its tools, of which there are none.
pub(in crate::mcp) fn offered(server: &Server, kind: Kind) -> bool {
    let (prompts, resources) =
        (!server.prompts.is_empty(), !(server.resources.is_empty() && server.resource_templates.is_empty()));
    match kind {
        Kind::Tools => !server.tools.is_empty() || !(prompts || resources),
        Kind::Prompts => prompts,
        Kind::Resources | Kind::Templates => resources,
    }
}

/// What a server uses besides its lists.
struct Uses {
    completions: bool,
    logging: bool,
}

/// What the server uses besides its lists.
fn uses(server: &Server) -> Uses {
    let arguments = server.prompts.iter().flat_map(|prompt| &prompt.arguments);
    let completions = arguments.into_iter().any(|argument| !argument.completes.is_empty())
        || server.resource_templates.iter().any(|template| !template.completes.is_empty());
    let steps = (server.tools.iter().flat_map(|tool| &tool.steps))
        .chain(server.prompts.iter().flat_map(|prompt| &prompt.steps))
        .chain(server.resources.iter().flat_map(|resource| &resource.steps))
        .chain(server.resource_templates.iter().flat_map(|template| &template.steps));
    let logging = steps.into_iter().any(|step| matches!(step, Step::Log(_)));
    Uses { completions, logging }
}

/// Whether calls can become tasks.
pub(in crate::mcp) fn offers_tasks(server: &Server) -> bool {
    server.tools.iter().flat_map(|tool| &tool.steps).any(|step| matches!(step, Step::Task(_)))
}

/// Whether the server has what the method is about.
pub(in crate::mcp) fn is_offered(server: &Server, method: &str) -> bool {
    match method {
        "tools/list" | "tools/call" => offered(server, Kind::Tools),
        "prompts/list" | "prompts/get" => offered(server, Kind::Prompts),
        "resources/list"
        | "resources/templates/list"
        | "resources/read"
        | "resources/subscribe"
        | "resources/unsubscribe" => offered(server, Kind::Resources),
        "completion/complete" => uses(server).completions,
        "logging/setLevel" => uses(server).logging,
        _ => false,
    }
}

/// The server's capabilities; `tells` says whether it can tell the client of changes.
pub(in crate::mcp) fn capabilities(server: &Server, tells: bool) -> Value {
    let mut capabilities = Map::new();
    for (name, kind, members) in [
        ("tools", Kind::Tools, json!({"listChanged": tells})),
        ("prompts", Kind::Prompts, json!({"listChanged": tells})),
        ("resources", Kind::Resources, json!({"listChanged": tells, "subscribe": tells})),
    ] {
        if offered(server, kind) {
            capabilities.insert(name.to_owned(), members);
        }
    }
    let uses = uses(server);
    for (name, is_used) in [("completions", uses.completions), ("logging", uses.logging)] {
        if is_used {
            capabilities.insert(name.to_owned(), json!({}));
        }
    }
    Value::Object(capabilities)
}

/// What a client must have declared to be asked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mcp) enum Capability {
    Form,
    Url,
    Sampling,
    SamplingWithTools,
    Roots,
    /// The extension.
    Tasks,
}

/// Identifier of the extension for tasks.
const TASKS: &str = "io.modelcontextprotocol/tasks";

impl Capability {
    pub(in crate::mcp) fn of(inquiry: &Inquiry) -> Self {
        match inquiry {
            Inquiry::Elicit(params) if params.get("mode").and_then(Value::as_str) == Some("url") => Self::Url,
            Inquiry::Elicit(_) => Self::Form,
            Inquiry::Sample(params) if params.contains_key("tools") => Self::SamplingWithTools,
            Inquiry::Sample(_) => Self::Sampling,
            Inquiry::Roots(_) => Self::Roots,
        }
    }

    /// Whether a client with these capabilities has declared it. An empty `elicitation` stands for forms.
    pub(in crate::mcp) fn is_declared(self, capabilities: &Map<String, Value>) -> bool {
        let declared = |name: &str| capabilities.get(name).and_then(Value::as_object);
        match self {
            Self::Form => declared("elicitation").is_some_and(|modes| modes.is_empty() || modes.contains_key("form")),
            Self::Url => declared("elicitation").is_some_and(|modes| modes.contains_key("url")),
            Self::Sampling => declared("sampling").is_some(),
            Self::SamplingWithTools => declared("sampling").is_some_and(|parts| parts.contains_key("tools")),
            Self::Roots => declared("roots").is_some(),
            Self::Tasks => declared("extensions").is_some_and(|extensions| extensions.contains_key(TASKS)),
        }
    }

    /// It as it is declared.
    pub(in crate::mcp) fn declaration(self) -> Value {
        match self {
            Self::Form => json!({"elicitation": {}}),
            Self::Url => json!({"elicitation": {"url": {}}}),
            Self::Sampling => json!({"sampling": {}}),
            Self::SamplingWithTools => json!({"sampling": {"tools": {}}}),
            Self::Roots => json!({"roots": {}}),
            Self::Tasks => json!({"extensions": {TASKS: {}}}),
        }
    }

    /// Its name, as it is spoken of.
    pub(in crate::mcp) fn name(self) -> &'static str {
        match self {
            Self::Form => "elicitation",
            Self::Url => "elicitation.url",
            Self::Sampling => "sampling",
            Self::SamplingWithTools => "sampling.tools",
            Self::Roots => "roots",
            Self::Tasks => TASKS,
        }
    }
}
