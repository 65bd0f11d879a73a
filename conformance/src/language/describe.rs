//! Scenarios in plain words.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Action, Apply, Image, OperatorState, Scenario, Step, Token, Until, What};
use crate::diagnostic::Position;
use crate::expression::Expression;
use crate::mcp::Transport;
use crate::world::World;

/// What a world has, a line per thing.
pub fn world(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for authority in &world.authorities {
        lines.push(format!("a private certificate authority {}", authority.name));
    }
    for server in &world.authorization_servers {
        let mut line = format!("an authorization server {}", server.host);
        let users: Vec<&str> = server.users.iter().map(|user| user.name.as_str()).collect();
        if !users.is_empty() {
            let _ = write!(line, ", users {}", users.join(", "));
        }
        let trusts: Vec<&str> = server.trusts.iter().map(String::as_str).collect();
        if !trusts.is_empty() {
            let _ = write!(line, ", exchanges tokens of {}", trusts.join(", "));
        }
        lines.push(line);
    }
    for server in &world.servers {
        let tools: Vec<&str> = server.tools.iter().map(|tool| tool.name.as_str()).collect();
        lines.push(format!("an MCP server {} with tools {}", server.url.as_str(), tools.join(", ")));
    }
    lines
}

/// What images hold, a line per image.
pub fn images(scenario: &Scenario) -> Vec<String> {
    let holds = |(name, image): (&String, &Image)| match image {
        Image::Server(world) => {
            let tools: Vec<&str> =
                world.servers.iter().flat_map(|server| &server.tools).map(|tool| tool.name.as_str()).collect();
            format!("containers of {name} are MCP servers with tools {}", tools.join(", "))
        }
        Image::Program(program) => format!("containers of {name} run {}", program.name()),
    };
    scenario.images.iter().map(holds).collect()
}

/// The steps, one after the other, with what they verify.
pub fn steps(scenario: &Scenario) -> Vec<String> {
    let mut lines = Vec::new();
    describe_list(&scenario.steps, "", &mut lines);
    lines
}

fn describe_list(steps: &[Step], prefix: &str, lines: &mut Vec<String>) {
    for (index, step) in steps.iter().enumerate() {
        let number = format!("{prefix}{}", index + 1);
        lines.push(format!("{number}. {}", sentence(step)));
        if let Some(note) = &step.note {
            lines.push(format!("   {}", note.trim()));
        }
        match &step.action {
            Action::Each(rows) => {
                for row in rows {
                    lines.push(format!("   for {}:", row.label));
                    describe_list(&row.steps, &format!("   {number}."), lines);
                }
            }
            Action::Parallel(lists) => {
                for list in lists {
                    lines.push("   at the same time:".to_owned());
                    describe_list(list, &format!("   {number}."), lines);
                }
            }
            _ => {}
        }
    }
}

/// The steps that verify a behaviour: where they stand, and what they do.
pub fn steps_that_verify(scenario: &Scenario, behaviour: &str) -> Vec<(Position, String)> {
    let verifies = |ids: &[String]| ids.iter().any(|id| id == behaviour);
    let mut found = Vec::new();
    for step in scenario.all_steps() {
        if verifies(&step.verifies) {
            found.push((step.at, words(step)));
        }
        if let Action::Each(rows) = &step.action {
            for row in rows.iter().filter(|row| verifies(&row.verifies)) {
                found.push((row.at, format!("all steps for {}", row.label)));
            }
        }
    }
    found.dedup();
    found
}

fn sentence(step: &Step) -> String {
    let mut text = words(step);
    if let Some(namespace) = &step.namespace {
        let _ = write!(text, ", in the namespace {namespace}");
    }
    if !step.verifies.is_empty() {
        let _ = write!(text, "  [{}]", step.verifies.join(", "));
    }
    text
}

fn text(expression: &Expression) -> String {
    let words: Vec<&str> = expression.text.split_whitespace().collect();
    format!("`{}`", words.join(" "))
}

fn and(what: &str, expression: Option<&Expression>) -> String {
    expression.map_or_else(String::new, |expression| format!("{what}{}", text(expression)))
}

/// What a step does.
fn words(step: &Step) -> String {
    match &step.action {
        Action::Apply(spec) => format!(
            "apply {}{}{}{}",
            applied(spec),
            and("; it is rejected, and ", spec.rejected.as_ref()),
            and("; the warnings have ", spec.warnings.as_ref()),
            and("; the returned object has ", spec.expect.as_ref()),
        ),
        Action::Patch(spec) => format!(
            "patch {} with {}{}{}{}",
            spec.object.text(),
            short(spec.merge.as_ref().or(spec.json.as_ref())),
            and("; it is rejected, and ", spec.rejected.as_ref()),
            and("; the warnings have ", spec.warnings.as_ref()),
            and("; the returned object has ", spec.expect.as_ref()),
        ),
        Action::Delete(spec) => match &spec.selector {
            Some(selector) => format!("delete every {} with {selector}", spec.object.text()),
            None => format!("delete {}", spec.object.text()),
        },
        Action::Wait(spec) => match &spec.until {
            Until::Gone => format!("wait until {} is gone", spec.object.text()),
            Until::Holds(expression) => format!(
                "wait until {} has {}{}",
                spec.object.text(),
                text(expression),
                and("; it then has ", spec.expect.as_ref())
            ),
        },
        Action::Expect(spec) => match &spec.that {
            Some(Until::Gone) => format!("expect that {} is absent", spec.object.text()),
            Some(Until::Holds(expression)) => {
                format!("expect that {} has {}", spec.object.text(), text(expression))
            }
            None => format!("look at {}", spec.object.text()),
        },
        Action::Connect(spec) => format!(
            "{} {}{}{}{}{}",
            if spec.is_stateless() { "speak MCP without a session with" } else { "open an MCP session with" },
            spec.to.text(),
            if spec.transport == Transport::Sse { " over HTTP+SSE" } else { "" },
            token(spec.token.as_ref()),
            and("; the answer has ", spec.expect.as_ref()),
            and("; it is refused, and ", spec.refused.as_ref()),
        ),
        Action::List(spec) => {
            let kind = format!("{:?}", spec.kind).to_lowercase();
            format!("list {kind}{}", and(", and expect ", spec.expect.as_ref()))
        }
        Action::Call(spec) => format!(
            "call {}{}{}",
            spec.tool,
            if spec.inputs.is_some() { " again, with what it asked for" } else { "" },
            and(", and expect ", spec.expect.as_ref())
        ),
        Action::Message(spec) => {
            format!("send {}{}", Value::Object(spec.message.clone()), and(", and expect ", spec.expect.as_ref()))
        }
        Action::Listen(spec) => format!(
            "subscribe to {}{}{}",
            Value::Object(spec.filter.clone()),
            and("; acknowledged with ", spec.expect.as_ref()),
            and("; it is refused, and ", spec.refused.as_ref()),
        ),
        Action::Heard(spec) => format!(
            "expect that {} has heard {}{}{}",
            spec.subscription.value,
            spec.count.of("message"),
            and(" with ", spec.selects.as_ref()),
            and(", each with ", spec.expect.as_ref()),
        ),
        Action::Disconnect(spec) => format!("end the session {}", spec.session),
        Action::Request(spec) => {
            format!("send {} to {}{}", spec.line.value, spec.to.text(), and(", and expect ", spec.expect.as_ref()))
        }
        Action::Journal(spec) => format!(
            "expect {} at {}{}{}",
            spec.count.of("request"),
            spec.url,
            and(" with ", spec.selects.as_ref()),
            and(", each with ", spec.expect.as_ref()),
        ),
        Action::Never(spec) => format!(
            "expect that there is never {}{}{}{}",
            spec.what,
            and(" with ", spec.selects.as_ref()),
            and(" until one with ", spec.until.as_ref()),
            spec.lasting.as_ref().map_or_else(String::new, |time| format!(" for {}", time.value)),
        ),
        Action::Change(spec) => format!("change the world: {:?}", spec.change.description()),
        Action::Logs(spec) => format!("expect that the log of {} has {}", spec.of.text(), text(&spec.expect)),
        Action::Operator(spec) => match spec.operator {
            OperatorState::Stopped => "stop the operator".to_owned(),
            OperatorState::Running => "start the operator again".to_owned(),
        },
        Action::Each(rows) => format!("for each of {} rows", rows.len()),
        Action::Parallel(lists) => format!("do {} things at the same time", lists.len()),
    }
}

fn applied(spec: &Apply) -> String {
    let what: Vec<String> = spec
        .what
        .iter()
        .map(|what| match what {
            What::File(file) => file.clone(),
            What::Object(object) => format!(
                "{} {}",
                object["kind"].as_str().unwrap_or("an object"),
                object["metadata"]["name"].as_str().unwrap_or_default()
            ),
        })
        .collect();
    let mut text = what.join(", ");
    if !spec.only.is_empty() {
        let _ = write!(text, " (only {})", spec.only.join(", "));
    }
    for (object, edit) in &spec.edit {
        let _ = write!(text, ", {object} edited by {edit}");
    }
    text
}

fn short(value: Option<&Value>) -> String {
    value.map_or_else(String::new, Value::to_string)
}

fn token(token: Option<&Token>) -> String {
    match token {
        None => String::new(),
        Some(Token::None) => " without a token".to_owned(),
        Some(Token::Literal(_)) => " with a token".to_owned(),
        Some(Token::Issued(request)) => format!(
            " as {}{}",
            request.get("subject").and_then(Value::as_str).unwrap_or("somebody"),
            request
                .get("fault")
                .and_then(Value::as_str)
                .map_or_else(String::new, |fault| format!(" with a token that is wrong ({fault})"))
        ),
    }
}
