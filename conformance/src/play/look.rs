//! Looking at objects: until something holds, or once.

use futures::StreamExt;
use serde_json::Value;

use super::{Stage, Trouble, session::Attempts};
use crate::expression::{Expression, Variables};
use crate::language::{Expect, Moment, Step, Until, Wait, resolve_text};
use crate::objects::{Kind, Reference, Seen, watch};

/// The keys of an object that expressions may name directly.
const KEYS: &[&str] = crate::language::OBJECT_KEYS;

/// What a step looks at.
struct View {
    kind: Kind,
    name: Option<String>,
    selector: Option<String>,
    namespace: String,
}

impl View {
    async fn of(
        stage: &Stage<'_>,
        step: &Step,
        object: &str,
        selector: Option<&str>,
        variables: &Variables,
    ) -> Result<Self, Trouble> {
        let reference = Reference::parse(&resolve_text(object, variables)?);
        let namespace = stage.namespace_of(step).await?;
        let kind = stage.target.objects().kinds.named(&reference.kind).await?;
        let selector = selector.map(|selector| resolve_text(selector, variables)).transpose()?;
        stage.history.follow(&kind, &namespace);
        Ok(Self { kind, name: reference.name, selector, namespace })
    }

    fn title(&self) -> String {
        match &self.name {
            Some(name) => format!("{}/{name}", self.kind.singular),
            None => self.kind.plural.clone(),
        }
    }

    async fn look(&self, stage: &Stage<'_>) -> Result<Seen, Trouble> {
        let api = stage.target.objects();
        let items = match &self.name {
            Some(name) => api.read(&self.kind, &self.namespace, name).await?.into_iter().collect(),
            None => api.list(&self.kind, &self.namespace, self.selector.as_deref()).await?,
        };
        Ok(items
            .into_iter()
            .map(|item| (item["metadata"]["name"].as_str().unwrap_or_default().to_owned(), item))
            .collect())
    }

    /// What expressions see of it; `None` when the one object is not there.
    fn variables(&self, seen: &Seen, variables: &Variables) -> Option<Variables> {
        match &self.name {
            Some(name) => Some(object_variables(variables, seen.get(name)?)),
            None => Some(variables.clone().with("items", items(seen))),
        }
    }

    /// What a step with `as` keeps.
    fn value(&self, seen: &Seen) -> Value {
        match &self.name {
            Some(name) => seen.get(name).cloned().unwrap_or(Value::Null),
            None => items(seen),
        }
    }

    /// Why a version does not count yet.
    fn stale(&self, seen: &Seen, newer_than: u64) -> Option<String> {
        let object = seen.get(self.name.as_ref()?)?;
        let generation = object["metadata"]["generation"].as_i64();
        let observed = object["status"]["observedGeneration"].as_i64();
        if let (Some(generation), Some(observed)) = (generation, observed)
            && observed < generation
        {
            return Some(format!(
                "a status of generation {observed}, while the object is at {generation}: {}",
                object["status"]
            ));
        }
        let version = object["metadata"]["resourceVersion"].as_str()?.parse::<u64>().ok()?;
        (version <= newer_than).then(|| "no version after the last change".to_owned())
    }
}

fn items(seen: &Seen) -> Value {
    Value::Array(seen.values().cloned().collect())
}

/// Adds an object and its top-level keys.
pub(super) fn object_variables(variables: &Variables, object: &Value) -> Variables {
    let mut variables = variables.clone().with("object", object.clone());
    for key in KEYS {
        let value = object.get(*key).cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        variables.set(*key, value);
    }
    variables
}

pub(super) async fn wait(stage: &Stage<'_>, step: &Step, spec: &Wait, row: Option<&Value>) -> Result<Value, Trouble> {
    let variables = stage.variables(row);
    let view = View::of(stage, step, spec.object.text(), spec.selector.as_deref(), &variables).await?;
    let newer_than = if spec.fresh { stage.state().last_write } else { 0 };
    let deadline = stage.deadline(step, Moment::Status);
    let api = stage.target.objects();
    let mut versions = watch(api.client(), &view.kind, &view.namespace, view.name.as_deref(), view.selector.as_deref());
    let mut last: Option<Seen> = None;
    let watching = async {
        while let Some(seen) = versions.next().await {
            let holds = match &spec.until {
                Until::Gone => view.variables(&seen, &variables).is_none(),
                Until::Holds(expression) => match view.variables(&seen, &variables) {
                    Some(_) if view.stale(&seen, newer_than).is_some() => false,
                    Some(variables) => expression.holds(&variables)?,
                    None => false,
                },
            };
            last = Some(seen);
            if holds {
                break;
            }
        }
        Ok::<(), Trouble>(())
    };
    let Ok(outcome) = tokio::time::timeout(deadline, watching).await else {
        let seen = last.unwrap_or_default();
        return Err(timed_out(&view, spec, &seen, &variables, newer_than, step, deadline)?);
    };
    outcome?;
    let seen = last.unwrap_or_default();
    if let (Some(expression), Some(variables)) = (&spec.expect, view.variables(&seen, &variables)) {
        expression.check(&variables)??;
    }
    Ok(view.value(&seen))
}

fn timed_out(
    view: &View,
    spec: &Wait,
    seen: &Seen,
    variables: &Variables,
    newer_than: u64,
    step: &Step,
    deadline: std::time::Duration,
) -> Result<Trouble, Trouble> {
    let title = view.title();
    Ok(match &spec.until {
        Until::Gone => Trouble::failed(format!("{title} to be gone within {deadline:?}"), "it is still there", step.at),
        Until::Holds(expression) => {
            let got = match view.variables(seen, variables) {
                None => "no such object".to_owned(),
                Some(variables) => match (view.stale(seen, newer_than), expression.check(&variables)?) {
                    (Some(stale), _) => stale,
                    (None, Err(mismatch)) => mismatch.got + &says(view, seen),
                    (None, Ok(())) => "it, but too late".to_owned(),
                },
            };
            Trouble::failed(
                format!("{title} with `{}` within {deadline:?}", expression.text.trim()),
                got,
                expression.at,
            )
        }
    })
}

/// What the object says about itself.
fn says(view: &View, seen: &Seen) -> String {
    view.name
        .as_ref()
        .and_then(|name| seen.get(name)?["status"]["message"].as_str())
        .filter(|message| !message.is_empty())
        .map_or_else(String::new, |message| format!(", and its status says: {message}"))
}

pub(super) async fn expect(
    stage: &Stage<'_>,
    step: &Step,
    spec: &Expect,
    row: Option<&Value>,
) -> Result<Value, Trouble> {
    let variables = stage.variables(row);
    let view = View::of(stage, step, spec.object.text(), spec.selector.as_deref(), &variables).await?;
    let mut attempts = Attempts::until(spec.eventually, stage.deadline(step, Moment::Status));
    loop {
        let seen = view.look(stage).await?;
        match check(&view, spec.that.as_ref(), &seen, &variables, step) {
            Ok(()) => return Ok(view.value(&seen)),
            Err(trouble) => attempts.again(trouble).await?,
        }
    }
}

fn check(view: &View, that: Option<&Until>, seen: &Seen, variables: &Variables, step: &Step) -> Result<(), Trouble> {
    let present = view.variables(seen, variables);
    let expression: Option<&Expression> = match that {
        Some(Until::Gone) => {
            return match present {
                None => Ok(()),
                Some(_) => Err(Trouble::failed(format!("{} to be absent", view.title()), "it is there", step.at)),
            };
        }
        Some(Until::Holds(expression)) => Some(expression),
        None => None,
    };
    let Some(variables) = present else {
        return Err(Trouble::failed(format!("{} to be there", view.title()), "no such object", step.at));
    };
    if let Some(expression) = expression {
        expression.check(&variables)??;
    }
    Ok(())
}
