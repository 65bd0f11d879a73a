//! Subscriptions of clients without sessions: opening one, and what it has brought.

use serde_json::Value;

use super::session::refusal;
use super::{Stage, Trouble};
use crate::expression::Variables;
use crate::language::{Heard, Listen, Moment, Step, message_keys, resolve_value};

pub(super) async fn listen(
    stage: &Stage<'_>,
    step: &Step,
    spec: &Listen,
    row: Option<&Value>,
) -> Result<Value, Trouble> {
    let session = stage.session(spec.session.as_deref())?;
    let variables = stage.variables(row);
    let filter = resolve_value(&Value::Object(spec.filter.clone()), &variables)?;
    let opened = session
        .listen(&filter, stage.deadline(step, Moment::Call))
        .await
        .map_err(|error| Trouble::unanswered(&error, "the subscription to be acknowledged", step.at))?;
    match (opened, &spec.refused) {
        (Err(reply), Some(refused)) => {
            let variables = variables.with("response", reply.response.to_json()).with("error", reply.error.clone());
            refused.check(&variables)??;
            Ok(reply.error)
        }
        (Err(reply), None) => Err(Trouble::failed("the subscription to be acknowledged", refusal(&reply), step.at)),
        (Ok(subscription), Some(refused)) => {
            subscription.close();
            Err(Trouble::failed(format!("a refusal with `{}`", refused.text), "it was acknowledged", refused.at))
        }
        (Ok(subscription), None) => {
            let acknowledged = subscription.acknowledged().clone();
            if let Some(expect) = &spec.expect {
                expect.check(&variables.with("acknowledged", acknowledged.clone()))??;
            }
            if let Some(name) = &step.keep {
                stage.add_subscription(name, subscription);
            }
            Ok(acknowledged)
        }
    }
}

pub(super) async fn heard(stage: &Stage<'_>, step: &Step, spec: &Heard, row: Option<&Value>) -> Result<Value, Trouble> {
    let name = &spec.subscription.value;
    let subscription = stage
        .subscription(name)
        .ok_or_else(|| Trouble::harness(format!("there is no subscription `{name}`: its step was not played")))?;
    let variables = stage.variables(row);
    let wanted = spec.count.least();
    let enough = |messages: &[Value]| Ok::<_, Trouble>(selected(spec, messages, &variables)?.len() >= wanted);
    let waiting = subscription.wait_for(enough);
    if let Ok(outcome) = tokio::time::timeout(stage.deadline(step, Moment::Live), waiting).await {
        outcome?;
    }
    let messages = subscription.messages();
    let selected = selected(spec, &messages, &variables)?;
    if !spec.count.is_met(selected.len()) {
        let condition =
            spec.selects.as_ref().map_or_else(String::new, |expression| format!(" with `{}`", expression.text.trim()));
        return Err(Trouble::failed(
            format!("{} on `{name}`{condition}", spec.count.of("message")),
            format!("{}; it heard: {}", selected.len(), Value::Array(messages)),
            spec.selects.as_ref().map_or(step.at, |expression| expression.at),
        ));
    }
    let all = Value::Array(selected.iter().map(|(message, _)| message.clone()).collect());
    if let Some(expression) = &spec.expect {
        for (_, variables) in selected {
            expression.check(&variables.with("messages", all.clone()))??;
        }
    }
    Ok(all)
}

/// The messages that a step is about, each with what expressions see of it.
fn selected(spec: &Heard, messages: &[Value], variables: &Variables) -> Result<Vec<(Value, Variables)>, Trouble> {
    let mut selected = Vec::new();
    for message in messages {
        let mut variables = variables.clone().with("message", message.clone());
        for key in message_keys() {
            variables.set(key, message[key].clone());
        }
        if spec.selects.as_ref().map_or(Ok(true), |expression| expression.holds(&variables))? {
            selected.push((message.clone(), variables));
        }
    }
    Ok(selected)
}
