//! What is around the objects: changes of the world, logs, and the operator itself.

use futures::StreamExt;
use serde_json::{Value, json};

use super::session::Attempts;
use super::{Stage, Trouble};
use crate::language::{Change, Logs, Moment, Operator, OperatorState, Step, Validation, resolve_text};
use crate::objects::{ApiError, Kind, Reference, Verb, Write, watch};

/// The label by which the documents tell users to find the operator.
const OPERATOR_LABEL: &str = "app.kubernetes.io/name=toolhive-operator";

pub(super) async fn change(stage: &Stage<'_>, spec: &Change) -> Result<Value, Trouble> {
    let world =
        stage.world().ok_or_else(|| Trouble::harness("there is nothing to change: the scenario has no world"))?;
    world
        .update(&spec.change)
        .await
        .map_err(|error| Trouble::harness(format!("the world cannot be changed: {error}")))?;
    let others = stage.state().other_namespaces.clone();
    for namespace in others.iter().chain([&stage.namespace]) {
        stage.target.reconnect_world(namespace, world).await?;
    }
    Ok(Value::Null)
}

pub(super) async fn logs(stage: &Stage<'_>, step: &Step, spec: &Logs, row: Option<&Value>) -> Result<Value, Trouble> {
    let variables = stage.variables(row);
    let of = resolve_text(spec.of.text(), &variables)?;
    let selector = spec.selector.as_ref().map(|selector| resolve_text(selector, &variables)).transpose()?;
    let mut attempts = Attempts::until(true, stage.deadline(step, Moment::Logs));
    loop {
        let text = if of == "operator" {
            operator_log(stage).await?
        } else {
            let namespace = stage.namespace_of(step).await?;
            log_of(stage, &namespace, &of, selector.as_deref()).await?
        };
        let lines: Vec<&str> = text.lines().collect();
        let variables = variables.clone().with("text", text.clone()).with("lines", json!(lines));
        match spec.expect.check(&variables)? {
            Ok(()) => return Ok(Value::String(text)),
            Err(mismatch) => attempts.again(mismatch.into()).await?,
        }
    }
}

/// The logs of a pod, of the pods of a workload, or of those that a selector finds.
async fn log_of(stage: &Stage<'_>, namespace: &str, of: &str, selector: Option<&str>) -> Result<String, Trouble> {
    let reference = Reference::parse(of);
    let api = stage.target.objects();
    let kind = api.kinds.named(&reference.kind).await?;
    let selector = match (&reference.name, selector) {
        (Some(name), _) if kind.kind == "Pod" => return Ok(stage.target.logs(namespace, name).await),
        (Some(name), _) => {
            let workload = api.read(&kind, namespace, name).await?;
            let workload =
                workload.ok_or_else(|| Trouble::failed(format!("{of} to be there"), "no such object", step_less()))?;
            match_labels(&workload)
        }
        (None, selector) => selector.unwrap_or_default().to_owned(),
    };
    pods_log(stage, namespace, &selector).await
}

fn step_less() -> crate::diagnostic::Position {
    crate::diagnostic::Position::default()
}

fn match_labels(workload: &Value) -> String {
    workload["spec"]["selector"]["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect::<Vec<_>>()
        .join(",")
}

async fn pods_log(stage: &Stage<'_>, namespace: &str, selector: &str) -> Result<String, Trouble> {
    let api = stage.target.objects();
    let pod = api.kinds.named("pod").await?;
    let mut text = String::new();
    for object in api.list(&pod, namespace, Some(selector)).await? {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        text.push_str(&stage.target.logs(namespace, name).await);
    }
    Ok(text)
}

/// What the operator wrote.
pub(super) async fn operator_log(stage: &Stage<'_>) -> Result<String, Trouble> {
    pods_log(stage, stage.target.operator_namespace(), OPERATOR_LABEL).await
}

pub(super) async fn operator(stage: &Stage<'_>, step: &Step, spec: &Operator) -> Result<Value, Trouble> {
    let replicas = match spec.operator {
        OperatorState::Stopped => 0,
        OperatorState::Running => 1,
    };
    let api = stage.target.objects();
    let namespace = stage.target.operator_namespace();
    let deployment = api.kinds.named("deployments.apps").await?;
    let found = api.list(&deployment, namespace, Some(OPERATOR_LABEL)).await?;
    let name = found
        .first()
        .and_then(|object| object["metadata"]["name"].as_str())
        .ok_or_else(|| Trouble::harness("there is no Deployment of the operator"))?;
    scale(stage, &deployment, namespace, name, replicas).await?;
    let pods = api.kinds.named("pod").await?;
    let (kind, name) = if replicas == 0 { (&pods, None) } else { (&deployment, Some(name)) };
    let mut versions = watch(api.client(), kind, namespace, name, name.is_none().then_some(OPERATOR_LABEL));
    let deadline = stage.deadline(step, Moment::Ready);
    let waiting = async {
        while let Some(seen) = versions.next().await {
            let there = match name {
                None => seen.is_empty(),
                Some(_) => seen.values().any(|object| object["status"]["readyReplicas"] == replicas),
            };
            if there {
                break;
            }
        }
    };
    tokio::time::timeout(deadline, waiting).await.map_err(|_| {
        Trouble::harness(format!("the operator did not become {:?} within {deadline:?}", spec.operator))
    })?;
    Ok(Value::Null)
}

async fn scale(stage: &Stage<'_>, kind: &Kind, namespace: &str, name: &str, replicas: u32) -> Result<(), ApiError> {
    let body = json!({"spec": {"replicas": replicas}});
    let write =
        Write { kind, namespace, name, verb: Verb::Merge, status: false, validation: Validation::Strict, body: &body };
    stage.target.objects().write(&write).await?.accepted("scaling the operator").map(|_| ())
}
