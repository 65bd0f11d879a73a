//! What does not fit together in what a server offers.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Inquiry, Piece, Scripted, Step, pieces};
use crate::world::{Answer, Problem, Server};

/// What is wrong with the tools, prompts, resources and templates of `server`.
pub(in crate::world) fn problems(path: &str, server: &Server) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for (index, tool) in server.tools.iter().enumerate() {
        let mut check = Check::new(&mut found, server, format!("{path}.tools[{index}]"));
        check.is_tool = true;
        check.is_new("name", "tool", &tool.name, &mut names);
        check.steps(&tool.steps);
        match &tool.answer {
            None => {}
            Some(Answer::Text(text) | Answer::IsError(text)) => check.text("answer", text),
            Some(Answer::Result(result)) => check.value("answer", &Value::Object(result.clone())),
            Some(Answer::Error(error)) => check.error(error),
        }
    }
    let mut names = BTreeSet::new();
    for (index, prompt) in server.prompts.iter().enumerate() {
        let mut check = Check::new(&mut found, server, format!("{path}.prompts[{index}]"));
        check.is_new("name", "prompt", &prompt.name, &mut names);
        let mut arguments = BTreeSet::new();
        for argument in &prompt.arguments {
            check.is_new("arguments", "argument", &argument.name, &mut arguments);
        }
        check.steps(&prompt.steps);
        check.one_of(&[("messages", !prompt.messages.is_empty()), ("answer", prompt.answer.is_some())]);
        for message in &prompt.messages {
            check.value("messages", &Value::Object(message.clone()));
        }
        check.scripted(prompt.answer.as_ref());
    }
    let mut names = BTreeSet::new();
    for (index, resource) in server.resources.iter().enumerate() {
        let mut check = Check::new(&mut found, server, format!("{path}.resources[{index}]"));
        check.is_new("uri", "resource", &resource.uri, &mut names);
        check.steps(&resource.steps);
        check.content(resource.text.as_deref(), resource.blob.as_deref(), resource.answer.as_ref());
    }
    let mut names = BTreeSet::new();
    for (index, template) in server.resource_templates.iter().enumerate() {
        let mut check = Check::new(&mut found, server, format!("{path}.resourceTemplates[{index}]"));
        if !names.insert(template.uri_template.as_str()) {
            check.add("uriTemplate", format!("the template `{}` is described twice", template.uri_template.as_str()));
        }
        check.named.extend(template.uri_template.variables().map(str::to_owned));
        for variable in template.completes.keys() {
            if !check.named.contains(variable) {
                check.add("completes", format!("the template has no variable `{variable}`"));
            }
        }
        check.steps(&template.steps);
        check.content(template.text.as_deref(), template.blob.as_deref(), template.answer.as_ref());
    }
    found
}

/// The check of one tool, prompt, resource or template.
struct Check<'a> {
    found: &'a mut Vec<Problem>,
    path: String,
    is_resumable: bool,
    is_tool: bool,
    /// What placeholders can name.
    named: BTreeSet<String>,
}

impl<'a> Check<'a> {
    fn new(found: &'a mut Vec<Problem>, server: &Server, path: String) -> Self {
        Self { found, path, is_resumable: server.resumable, is_tool: false, named: BTreeSet::new() }
    }

    fn add(&mut self, field: &str, message: String) {
        self.found.push(Problem { path: format!("{}.{field}", self.path), message });
    }

    fn is_new(&mut self, field: &str, what: &str, name: &str, known: &mut BTreeSet<String>) {
        let message = if name.is_empty() {
            format!("a {what} needs a {field}", field = if field == "uri" { "URI" } else { "name" })
        } else if known.insert(name.to_owned()) {
            return;
        } else {
            format!("the {what} `{name}` is described twice")
        };
        self.add(field, message);
    }

    fn one_of(&mut self, keys: &[(&str, bool)]) {
        let names: Vec<String> = keys.iter().map(|(name, _)| format!("`{name}`")).collect();
        if keys.iter().filter(|(_, is_there)| *is_there).count() != 1 {
            self.add(keys[0].0, format!("expected exactly one of {}", names.join(", ")));
        }
    }

    fn content(&mut self, text: Option<&str>, blob: Option<&str>, answer: Option<&Scripted>) {
        self.one_of(&[("text", text.is_some()), ("blob", blob.is_some()), ("answer", answer.is_some())]);
        if let Some(text) = text {
            self.text("text", text);
        }
        if blob.is_some_and(|blob| STANDARD.decode(blob).is_err()) {
            self.add("blob", "expected base64 with padding".to_owned());
        }
        self.scripted(answer);
    }

    /// Steps come before the answer: what they ask can be named after them.
    fn steps(&mut self, steps: &[Step]) {
        for (index, step) in steps.iter().enumerate() {
            let field = format!("steps[{index}]");
            match step {
                Step::Log(message) => self.value(&field, &message.data),
                Step::Progress(progress) => {
                    if let Some(message) = &progress.message {
                        self.text(&field, message);
                    }
                }
                Step::Ask(questions) => {
                    if questions.is_empty() {
                        self.add(&field, "expected at least one question".to_owned());
                    }
                    for (name, question) in questions {
                        let (Inquiry::Elicit(params) | Inquiry::Sample(params) | Inquiry::Roots(params)) =
                            &question.inquiry;
                        self.value(&field, &Value::Object(params.clone()));
                        if name.is_empty() || name.contains(['.', ':', '}']) || name == "subject" {
                            self.add(&field, format!("`{name}` cannot name a question: expected a plain word"));
                        }
                    }
                    self.named.extend(questions.keys().cloned());
                }
                Step::Disconnect(_) if !self.is_resumable => {
                    self.add(&field, "nobody could come back for the rest: the server is not `resumable`".to_owned());
                }
                Step::Task(_) if !self.is_tool => self.add(&field, "only calls of tools become tasks".to_owned()),
                Step::Announce(_) | Step::Wait(_) | Step::Disconnect(_) | Step::Task(_) => {}
            }
        }
    }

    fn scripted(&mut self, answer: Option<&Scripted>) {
        match answer {
            None => {}
            Some(Scripted::Result(result)) => self.value("answer", &Value::Object(result.clone())),
            Some(Scripted::Error(error)) => self.error(error),
        }
    }

    fn error(&mut self, error: &crate::world::RpcError) {
        self.text("answer", &error.message);
        if let Some(data) = &error.data {
            self.value("answer", data);
        }
    }

    fn value(&mut self, field: &str, value: &Value) {
        match value {
            Value::String(text) => self.text(field, text),
            Value::Array(values) => values.iter().for_each(|value| self.value(field, value)),
            Value::Object(members) => members.values().for_each(|value| self.value(field, value)),
            _ => {}
        }
    }

    fn text(&mut self, field: &str, text: &str) {
        for piece in pieces(text) {
            let Piece::Named { name, .. } = piece else { continue };
            if !self.named.contains(name) {
                let mut known = vec!["argument:NAME", "header:NAME", "subject"];
                known.extend(self.named.iter().map(String::as_str));
                let known = known.iter().map(|name| format!("`${{{name}}}`")).collect::<Vec<_>>().join(", ");
                self.add(
                    field,
                    format!(
                        "`${{{name}}}` names nothing: expected one of {known}; `$${{` stands for the characters themselves"
                    ),
                );
            }
        }
    }
}
