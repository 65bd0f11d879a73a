//! What arrived at the simulated servers, and what never did.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use regex::Regex;
use serde_json::Value;
use simulator::JournalEntry;

use super::{Stage, Trouble, look};
use crate::expression::{Expression, Variables};
use crate::language::{Journal, Moment, Never, Step, duration, entry_keys, resolve_text};
use crate::objects::watch;
use crate::world::WorldHandle;

/// Entries of one journal that a step is about.
struct Selection<'a> {
    world: &'a WorldHandle,
    url: Regex,
    since: u64,
    selects: Option<&'a Expression>,
    variables: &'a Variables,
}

impl<'a> Selection<'a> {
    fn new(
        stage: &'a Stage<'_>,
        url: &str,
        since: Option<&str>,
        selects: Option<&'a Expression>,
        variables: &'a Variables,
    ) -> Result<Self, Trouble> {
        let world = stage.world().ok_or_else(|| Trouble::harness("there is no journal: the scenario has no world"))?;
        let pattern = regex::escape(url).replace(r"\*", ".*");
        let url = Regex::new(&format!("^{pattern}$")).map_err(|error| Trouble::harness(error.to_string()))?;
        Ok(Self { world, url, since: stage.marked(since), selects, variables })
    }

    /// The entry as expressions see it, when it is from the right journal.
    fn seen(&self, entry: &JournalEntry) -> Option<(Value, Variables)> {
        let server = entry.server.as_deref().unwrap_or_default();
        if entry.sequence < self.since || !(self.url.is_match(&entry.url) || self.url.is_match(server)) {
            return None;
        }
        let value = serde_json::to_value(entry).ok()?;
        let mut variables = self.variables.clone().with("entry", value.clone());
        for key in entry_keys() {
            variables.set(key, value.get(key).cloned().unwrap_or(Value::Null));
        }
        Some((value, variables))
    }

    fn selected(&self, entry: &JournalEntry) -> Result<Option<(Value, Variables)>, Trouble> {
        let Some((value, variables)) = self.seen(entry) else {
            return Ok(None);
        };
        let holds = match self.selects {
            Some(expression) => expression.holds(&variables)?,
            None => true,
        };
        Ok(holds.then_some((value, variables)))
    }

    fn now(&self) -> Result<Vec<(Value, Variables)>, Trouble> {
        let entries = self.world.journal().entries();
        entries.iter().filter_map(|entry| self.selected(entry).transpose()).collect()
    }
}

pub(super) async fn journal(
    stage: &Stage<'_>,
    step: &Step,
    spec: &Journal,
    row: Option<&Value>,
) -> Result<Value, Trouble> {
    let variables = stage.variables(row);
    let url = resolve_text(&spec.url, &variables)?;
    let since = spec.since.as_ref().map(|since| since.value.as_str());
    let selection = Selection::new(stage, &url, since, spec.selects.as_ref(), &variables)?;
    let wanted = spec.count.least();
    let deadline = stage.deadline(step, Moment::Journal);
    let mut entries = selection.world.journal().subscribe_from(selection.since);
    let mut found = 0;
    let arriving = async {
        while found < wanted {
            let entry: Arc<JournalEntry> = entries.next().await;
            if selection.selected(&entry)?.is_some() {
                found += 1;
            }
        }
        Ok::<(), Trouble>(())
    };
    if let Ok(outcome) = tokio::time::timeout(deadline, arriving).await {
        outcome?;
    }
    selection.world.catch_up().await?;
    let selected = selection.now()?;
    if !spec.count.is_met(selected.len()) {
        return Err(wrong_count(&selection, spec, &url, selected.len(), step));
    }
    let all = Value::Array(selected.iter().map(|(value, _)| value.clone()).collect());
    if let Some(expression) = &spec.expect {
        for (_, variables) in selected {
            expression.check(&variables.with("entries", all.clone()))??;
        }
    }
    Ok(all)
}

fn wrong_count(selection: &Selection<'_>, spec: &Journal, url: &str, count: usize, step: &Step) -> Trouble {
    let condition =
        spec.selects.as_ref().map_or_else(String::new, |expression| format!(" with `{}`", expression.text.trim()));
    let arrived: Vec<String> = selection
        .world
        .journal()
        .entries()
        .iter()
        .filter(|entry| selection.seen(entry).is_some())
        .map(|entry| describe(entry))
        .collect();
    let arrived = if arrived.is_empty() {
        "nothing arrived there".to_owned()
    } else {
        format!("{} arrived there: {}", arrived.len(), arrived.join(", "))
    };
    Trouble::failed(
        format!("{} to {url}{condition}", spec.count.of("request")),
        format!("{count}; {arrived}"),
        spec.selects.as_ref().map_or(step.at, |expression| expression.at),
    )
}

/// An entry in few words: `POST tools/call (200)`.
fn describe(entry: &JournalEntry) -> String {
    let http = entry.http.as_ref().map_or("-", |http| http.method.as_str());
    let method = entry.method.as_deref().unwrap_or(&entry.path);
    let status = entry.response.as_ref().map_or_else(|| "dropped".to_owned(), |response| response.status.to_string());
    match &entry.verdict {
        Some(verdict) => format!("{http} {method} ({status}: {verdict})"),
        None => format!("{http} {method} ({status})"),
    }
}

pub(super) async fn never(stage: &Stage<'_>, step: &Step, spec: &Never, row: Option<&Value>) -> Result<Value, Trouble> {
    let variables = stage.variables(row);
    let what = resolve_text(&spec.what, &variables)?;
    let lasting = match &spec.lasting {
        Some(text) => duration(&text.value),
        None => None,
    };
    if what.contains("://") {
        let since = spec.since.as_ref().map(|since| since.value.as_str());
        let selection = Selection::new(stage, &what, since, spec.selects.as_ref(), &variables)?;
        requests(stage, step, spec, &what, &selection, lasting).await
    } else {
        objects(stage, step, spec, &what, &variables, lasting.unwrap_or_default()).await
    }
}

/// Reads the journal up to the barrier, or while the time lasts; nothing that is selected may show.
async fn requests(
    stage: &Stage<'_>,
    step: &Step,
    spec: &Never,
    url: &str,
    selection: &Selection<'_>,
    lasting: Option<Duration>,
) -> Result<Value, Trouble> {
    let mut entries = selection.world.journal().subscribe_from(selection.since);
    let reading = async {
        loop {
            let entry = entries.next().await;
            if let (Some(until), Some((_, variables))) = (&spec.until, selection.seen(&entry))
                && until.holds(&variables)?
            {
                return Ok(());
            }
            if selection.selected(&entry)?.is_some() {
                let condition = spec
                    .selects
                    .as_ref()
                    .map_or_else(String::new, |expression| format!(" with `{}`", expression.text.trim()));
                return Err(Trouble::failed(format!("no request to {url}{condition}"), describe(&entry), step.at));
            }
        }
    };
    let deadline = lasting.unwrap_or_else(|| stage.deadline(step, Moment::Journal));
    match tokio::time::timeout(deadline, reading).await {
        Ok(outcome) => outcome.map(|()| Value::Null),
        Err(_) if lasting.is_some() => Ok(Value::Null),
        Err(_) => Err(Trouble::failed(
            format!(
                "the request that ends the wait, `{}`, within {deadline:?}",
                spec.until.as_ref().map_or("", |until| until.text.as_str())
            ),
            "it did not arrive",
            step.at,
        )),
    }
}

/// Watches objects while the time lasts; none may match.
async fn objects(
    stage: &Stage<'_>,
    step: &Step,
    spec: &Never,
    what: &str,
    variables: &Variables,
    lasting: Duration,
) -> Result<Value, Trouble> {
    let reference = crate::objects::Reference::parse(what);
    let namespace = stage.namespace_of(step).await?;
    let api = stage.target.objects();
    let kind = api.kinds.named(&reference.kind).await?;
    let selector = spec.selector.as_ref().map(|selector| resolve_text(selector, variables)).transpose()?;
    let mut versions = watch(api.client(), &kind, &namespace, reference.name.as_deref(), selector.as_deref());
    let watching = async {
        while let Some(seen) = versions.next().await {
            for (name, object) in seen {
                let holds = match &spec.selects {
                    Some(expression) => expression.holds(&look::object_variables(variables, &object))?,
                    None => true,
                };
                if holds {
                    let condition = spec
                        .selects
                        .as_ref()
                        .map_or_else(String::new, |expression| format!(" with `{}`", expression.text.trim()));
                    return Err(Trouble::failed(
                        format!("no {what}{condition}"),
                        format!("{}/{name}", kind.singular),
                        step.at,
                    ));
                }
            }
        }
        Ok(())
    };
    match tokio::time::timeout(lasting, watching).await {
        Ok(outcome) => outcome.map(|()| Value::Null),
        Err(_) => Ok(Value::Null),
    }
}
