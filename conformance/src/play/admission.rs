//! Writing objects, and what the API server says to it: apply, patch, delete.

use futures::StreamExt;
use serde_json::{Value, json};

use super::{Stage, Trouble};
use crate::expression::{Expression, Variables};
use crate::language::{
    Apply, Delete, Library, Moment, Patch, Step, Subresource, Validation, What, resolve_text, resolve_value,
};
use crate::objects::{Answer, Kind, Reference, Verb, Write, relocate, watch};

/// What a step expects of the API server's answers.
struct Expected<'a> {
    rejected: Option<&'a Expression>,
    warnings: Option<&'a Expression>,
    expect: Option<&'a Expression>,
}

pub(super) async fn apply(stage: &Stage<'_>, step: &Step, spec: &Apply, row: Option<&Value>) -> Result<Value, Trouble> {
    let variables = stage.variables(row);
    let namespace = stage.namespace_of(step).await?;
    let expected =
        Expected { rejected: spec.rejected.as_ref(), warnings: spec.warnings.as_ref(), expect: spec.expect.as_ref() };
    let mut kept = Value::Null;
    let mut warnings = Vec::new();
    for object in objects(stage, spec, &namespace, &variables)? {
        if object["kind"] == "Namespace" {
            continue;
        }
        stage.state().secrets.add_object(&object);
        let api = stage.target.objects();
        let kind = api.kinds.of(&object).await?;
        stage.history.follow(&kind, &namespace);
        let validation = spec.validation.unwrap_or_default();
        let answer = match spec.subresource {
            None => stage.applied.apply(api, &kind, &namespace, &object, validation).await?,
            Some(Subresource::Status) => {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let body = json!({"status": object["status"]});
                let write = write(&kind, &namespace, name, Verb::Merge, true, validation, &body);
                api.write(&write).await?
            }
        };
        warnings.extend(answer.warnings.clone());
        let what = format!("{} {}", kind.kind, object["metadata"]["name"].as_str().unwrap_or_default());
        match judge(stage, step, &expected, answer, &what, &variables)? {
            Some(written) => kept = written,
            None => return Ok(Value::Null),
        }
    }
    finish(step, &expected, &warnings, &kept, &variables)?;
    Ok(kept)
}

pub(super) async fn patch(stage: &Stage<'_>, step: &Step, spec: &Patch, row: Option<&Value>) -> Result<Value, Trouble> {
    let variables = stage.variables(row);
    let namespace = stage.namespace_of(step).await?;
    let (kind, name) = one(stage, spec.object.text(), &variables).await?;
    stage.history.follow(&kind, &namespace);
    let (verb, body) = match (&spec.merge, &spec.json) {
        (Some(merge), _) => (Verb::Merge, merge),
        (None, Some(json)) => (Verb::JsonPatch, json),
        (None, None) => return Err(Trouble::harness("a patch has either `merge` or `json`")),
    };
    let body = resolve_value(body, &variables)?;
    if kind.kind == "Secret" {
        let mut secret = body.clone();
        if secret.is_object() {
            secret["kind"] = json!("Secret");
            stage.state().secrets.add_object(&secret);
        }
    }
    let status = spec.subresource == Some(Subresource::Status);
    let validation = spec.validation.unwrap_or_default();
    let write = write(&kind, &namespace, &name, verb, status, validation, &body);
    let answer = stage.target.objects().write(&write).await?;
    let warnings = answer.warnings.clone();
    let expected =
        Expected { rejected: spec.rejected.as_ref(), warnings: spec.warnings.as_ref(), expect: spec.expect.as_ref() };
    let what = format!("the patch of {}", spec.object.text());
    let Some(written) = judge(stage, step, &expected, answer, &what, &variables)? else {
        return Ok(Value::Null);
    };
    finish(step, &expected, &warnings, &written, &variables)?;
    Ok(written)
}

pub(super) async fn delete(
    stage: &Stage<'_>,
    step: &Step,
    spec: &Delete,
    row: Option<&Value>,
) -> Result<Value, Trouble> {
    let variables = stage.variables(row);
    let namespace = stage.namespace_of(step).await?;
    let reference = Reference::parse(&resolve_text(spec.object.text(), &variables)?);
    let api = stage.target.objects();
    let kind = api.kinds.named(&reference.kind).await?;
    let names = match (&reference.name, &spec.selector) {
        (Some(name), _) => vec![name.clone()],
        (None, Some(selector)) => {
            let selector = resolve_text(selector, &variables)?;
            let items = api.list(&kind, &namespace, Some(&selector)).await?;
            items.iter().filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned)).collect()
        }
        (None, None) => {
            return Err(Trouble::harness(format!("`delete: {}` needs a name or a selector", reference.kind)));
        }
    };
    let mut uids = Vec::new();
    for name in &names {
        if let Some(live) = api.read(&kind, &namespace, name).await? {
            uids.push((name.clone(), live["metadata"]["uid"].clone()));
        }
        api.delete(&kind, &namespace, name).await?;
    }
    if !spec.wait {
        return Ok(Value::Null);
    }
    let deadline = stage.deadline(step, Moment::Gone);
    for (name, uid) in uids {
        let mut versions = watch(api.client(), &kind, &namespace, Some(&name), None);
        let gone = async {
            while let Some(seen) = versions.next().await {
                if seen.get(&name).is_none_or(|live| live["metadata"]["uid"] != uid) {
                    break;
                }
            }
        };
        if tokio::time::timeout(deadline, gone).await.is_err() {
            return Err(Trouble::failed(
                format!("{}/{name} to be gone within {deadline:?} of its deletion", reference.kind),
                "it is still there",
                step.at,
            ));
        }
    }
    Ok(Value::Null)
}

/// The kind and name of `kind/name`.
pub(super) async fn one(stage: &Stage<'_>, text: &str, variables: &Variables) -> Result<(Kind, String), Trouble> {
    let reference = Reference::parse(&resolve_text(text, variables)?);
    let kind = stage.target.objects().kinds.named(&reference.kind).await?;
    let name = reference.name.ok_or_else(|| Trouble::harness(format!("`{text}` needs a name: kind/name")))?;
    Ok((kind, name))
}

/// The objects that an apply step means, where they belong.
fn objects(stage: &Stage<'_>, spec: &Apply, namespace: &str, variables: &Variables) -> Result<Vec<Value>, Trouble> {
    let mut objects = Vec::new();
    for what in &spec.what {
        match what {
            What::Object(object) => objects.push(resolve_value(object, variables)?),
            What::File(file) => {
                let source = stage
                    .library
                    .manifest(stage.scenario, file)
                    .ok_or_else(|| Trouble::harness(format!("there is no file `{file}`")))?;
                let manifest = Library::objects(source).map_err(|error| Trouble::harness(error.to_string()))?;
                for object in manifest {
                    objects.push(if spec.substitute { resolve_value(&object, variables)? } else { object });
                }
            }
        }
    }
    if !spec.only.is_empty() {
        let wanted: Vec<Reference> = spec.only.iter().map(|text| Reference::parse(text)).collect();
        objects.retain(|object| wanted.iter().any(|reference| reference.is(object)));
    }
    for (text, edit) in &spec.edit {
        let reference = Reference::parse(&resolve_text(text, variables)?);
        let edit = resolve_value(edit, variables)?;
        let mut edited = false;
        for object in objects.iter_mut().filter(|object| reference.is(object)) {
            json_patch::merge(object, &edit);
            edited = true;
        }
        if !edited {
            return Err(Trouble::harness(format!("`edit` names {text}, which is not applied here")));
        }
    }
    if objects.is_empty() {
        return Err(Trouble::harness("there is nothing to apply"));
    }
    for object in &mut objects {
        if !object["metadata"].is_object() {
            return Err(Trouble::harness("an object without metadata"));
        }
        relocate(object, namespace);
    }
    Ok(objects)
}

fn write<'a>(
    kind: &'a Kind,
    namespace: &'a str,
    name: &'a str,
    verb: Verb,
    status: bool,
    validation: Validation,
    body: &'a Value,
) -> Write<'a> {
    Write { kind, namespace, name, verb, status, validation, body }
}

/// The written object; `None` when it was rejected as expected.
fn judge(
    stage: &Stage<'_>,
    step: &Step,
    expected: &Expected<'_>,
    answer: Answer,
    what: &str,
    variables: &Variables,
) -> Result<Option<Value>, Trouble> {
    if answer.is_server_fault() {
        return Err(Trouble::harness(format!(
            "the API server failed at {what}: {} {}",
            answer.status,
            answer.message()
        )));
    }
    if answer.is_success() {
        let version = answer.body["metadata"]["resourceVersion"].as_str();
        if let Some(version) = version.and_then(|version| version.parse().ok()) {
            stage.state().last_write = version;
        }
        return Ok(Some(answer.body));
    }
    let Some(rejected) = expected.rejected else {
        return Err(Trouble::failed(
            format!("the API server to accept {what}"),
            format!("{} {}", answer.status, answer.message()),
            step.at,
        ));
    };
    let causes = answer.body["details"]["causes"].clone();
    let variables = variables
        .clone()
        .with("code", answer.status)
        .with("reason", answer.body["reason"].clone())
        .with("message", answer.message())
        .with("causes", if causes.is_array() { causes } else { json!([]) })
        .with("rejection", answer.body);
    rejected.check(&variables)??;
    Ok(None)
}

/// Checks what can be said only after all objects were accepted.
fn finish(
    step: &Step,
    expected: &Expected<'_>,
    warnings: &[String],
    object: &Value,
    variables: &Variables,
) -> Result<(), Trouble> {
    if let Some(rejected) = expected.rejected {
        return Err(Trouble::failed(
            format!("a rejection with `{}`", rejected.text),
            "the object was accepted",
            step.at,
        ));
    }
    if let Some(expression) = expected.warnings {
        let variables = variables.clone().with("warnings", json!(warnings));
        expression.check(&variables)??;
    }
    if let Some(expression) = expected.expect {
        let variables = super::look::object_variables(variables, object);
        expression.check(&variables)??;
    }
    Ok(())
}
