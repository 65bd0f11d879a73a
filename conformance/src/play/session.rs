//! MCP steps: connect, list, call, message, disconnect.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Stage, Trouble, admission, http};
use crate::expression::{Expression, Variables};
use crate::language::{Call, Connect, Disconnect, List, ListKind, Message, Moment, Step, resolve_text, resolve_value};
use crate::mcp::{Overrides, Reply, Session, Transport};
use crate::objects::watch;

/// Trying again, at growing intervals, while there is time.
pub(super) struct Attempts {
    until: Option<Instant>,
    pause: Duration,
}

impl Attempts {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    /// One attempt, or as many as there is time for.
    pub(super) fn until(eventually: bool, deadline: Duration) -> Self {
        Self { until: eventually.then(|| Instant::now() + deadline), pause: Self::FIRST }
    }

    /// Pauses before the next attempt; gives the trouble back when there is none, or when trying cannot help.
    pub(super) async fn again(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        let may = self.until.is_some_and(|until| Instant::now() + self.pause < until);
        if !may || matches!(trouble, Trouble::Harness { .. }) {
            return Err(trouble);
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Self::LONGEST);
        Ok(())
    }
}

pub(super) async fn connect(
    stage: &Stage<'_>,
    step: &Step,
    spec: &Connect,
    row: Option<&Value>,
) -> Result<Value, Trouble> {
    let variables = stage.variables(row);
    let namespace = stage.namespace_of(step).await?;
    let to = resolve_text(spec.to.text(), &variables)?;
    let url = if to.contains("://") { to.clone() } else { served_at(stage, step, &to, &namespace).await? };
    let mut headers = std::collections::BTreeMap::new();
    for (name, value) in &spec.headers {
        headers.insert(name.to_lowercase(), resolve_text(value, &variables)?);
    }
    if let Some(token) = stage.token(spec.token.as_ref(), &variables).await? {
        headers.insert("authorization".to_owned(), format!("Bearer {token}"));
    }
    let capabilities = spec.capabilities.as_ref().map(|capabilities| capabilities.value.clone()).unwrap_or_default();
    let opening = if spec.is_stateless() { "server/discover" } else { "initialize" };
    let endpoint = mcp_endpoint(&url, spec.transport);
    let timeout = stage.target.allows(Moment::Call);
    // A Service may lag behind the object's condition for a moment.
    let mut attempts = Attempts::until(true, stage.deadline(step, Moment::Ready));
    let (session, reply) = loop {
        let route = match http::route(stage, step, &namespace, &endpoint).await {
            Ok(route) => route,
            Err(trouble) => {
                attempts.again(trouble).await?;
                continue;
            }
        };
        let mut session = Session::new(stage.http()?, route, headers.clone(), stage.transcript.clone());
        match session.open(spec.transport, spec.revision(), &capabilities, timeout).await {
            Ok(reply) if reply.response.status != 503 => break (session, reply),
            Ok(reply) => {
                let got = format!("503 {}", reply.response.body);
                let expected = format!("{to} to answer {opening}");
                attempts.again(Trouble::failed(expected, got, step.at)).await?;
            }
            Err(error) => {
                let expected = format!("{to} to answer {opening}");
                attempts.again(Trouble::unanswered(&error, &expected, step.at)).await?;
            }
        }
    };
    let variables = variables.with("response", reply.response.to_json()).with("result", reply.result.clone());
    let accepted = reply.response.is_success() && reply.error.is_null() && !reply.result.is_null();
    if let Some(refused) = &spec.refused {
        if accepted {
            return Err(Trouble::failed(
                format!("{to} to refuse the session with `{}`", refused.text),
                "it accepted",
                refused.at,
            ));
        }
        refused.check(&variables)??;
        return Ok(reply.response.to_json());
    }
    if !accepted {
        return Err(Trouble::failed(format!("{to} to open a session"), refusal(&reply), step.at));
    }
    if let Some(expect) = &spec.expect {
        expect.check(&variables)??;
    }
    stage.add_session(step.keep.as_deref(), session);
    Ok(reply.result)
}

pub(super) fn refusal(reply: &Reply) -> String {
    let status = reply.response.status;
    if reply.error.is_null() {
        format!("HTTP {status} {}", reply.response.body)
    } else {
        format!("HTTP {status} with error {}", reply.error)
    }
}

/// The URL of an object that serves, once it is Ready.
pub(super) async fn served_at(
    stage: &Stage<'_>,
    step: &Step,
    object: &str,
    namespace: &str,
) -> Result<String, Trouble> {
    let (kind, name) = admission::one(stage, object, &Variables::new()).await?;
    stage.history.follow(&kind, namespace);
    let deadline = stage.deadline(step, Moment::Ready);
    let mut versions = watch(stage.target.objects().client(), &kind, namespace, Some(&name), None);
    let mut last = Value::Null;
    let waiting = async {
        while let Some(seen) = versions.next().await {
            if let Some(live) = seen.get(&name) {
                if let Some(url) = ready_url(live) {
                    return Some(url);
                }
                last = live["status"].clone();
            }
        }
        None
    };
    match tokio::time::timeout(deadline, waiting).await {
        Ok(Some(url)) => Ok(url),
        _ => Err(Trouble::failed(
            format!("{object} to be Ready with a status.url within {deadline:?}"),
            if last.is_null() { "no such object, or no status".to_owned() } else { format!("status {last}") },
            step.at,
        )),
    }
}

fn ready_url(object: &Value) -> Option<String> {
    let status = &object["status"];
    let observed = status["observedGeneration"].as_i64();
    let generation = object["metadata"]["generation"].as_i64();
    if observed.is_some() && observed < generation {
        return None;
    }
    let ready = status["conditions"]
        .as_array()?
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    status["url"].as_str().filter(|url| ready && !url.is_empty()).map(str::to_owned)
}

/// Where MCP is served: at the URL's own path, or at the usual one when it has none.
fn mcp_endpoint(url: &str, transport: Transport) -> String {
    match url::Url::parse(url) {
        Ok(parsed) if parsed.path() == "/" => format!("{}{}", url.trim_end_matches('/'), transport.path()),
        _ => url.to_owned(),
    }
}

/// Checks an answer, and asks again while there is time when the step says `eventually`.
async fn answered<F>(
    stage: &Stage<'_>,
    step: &Step,
    eventually: bool,
    mut ask: impl FnMut() -> F,
) -> Result<Value, Trouble>
where
    F: Future<Output = Result<Value, Trouble>>,
{
    let mut attempts = Attempts::until(eventually, stage.deadline(step, Moment::Live));
    loop {
        match ask().await {
            Ok(value) => return Ok(value),
            Err(trouble) => attempts.again(trouble).await?,
        }
    }
}

fn per_request(stage: &Stage<'_>, step: &Step, eventually: bool) -> Duration {
    if eventually { stage.target.allows(Moment::Call) } else { stage.deadline(step, Moment::Call) }
}

pub(super) async fn list(stage: &Stage<'_>, step: &Step, spec: &List, row: Option<&Value>) -> Result<Value, Trouble> {
    let session = stage.session(spec.session.as_deref())?;
    let timeout = per_request(stage, step, spec.eventually);
    let (method, key) = match spec.kind {
        ListKind::Tools => ("tools/list", "tools"),
        ListKind::Resources => ("resources/list", "resources"),
        ListKind::ResourceTemplates => ("resources/templates/list", "resourceTemplates"),
        ListKind::Prompts => ("prompts/list", "prompts"),
    };
    answered(stage, step, spec.eventually, || async {
        let mut items = Vec::new();
        let mut params = Map::new();
        let reply = loop {
            let reply = session
                .request(method, Some(Value::Object(params.clone())), timeout)
                .await
                .map_err(|error| Trouble::unanswered(&error, &format!("an answer to {method}"), step.at))?;
            items.extend(reply.result[key].as_array().cloned().unwrap_or_default());
            match reply.result["nextCursor"].as_str() {
                Some(cursor) => params.insert("cursor".to_owned(), cursor.into()),
                None => break reply,
            };
        };
        if spec.kind == ListKind::Tools {
            session.learn(&items);
        }
        let names: Vec<Value> = items.iter().map(|item| item["name"].clone()).collect();
        let variables = stage
            .variables(row)
            .with("names", names)
            .with("items", items.clone())
            .with("result", reply.result.clone())
            .with("error", reply.error.clone());
        judged(spec.expect.as_ref(), &variables, &reply, method, step)?;
        Ok(Value::Array(items))
    })
    .await
}

pub(super) async fn call(stage: &Stage<'_>, step: &Step, spec: &Call, row: Option<&Value>) -> Result<Value, Trouble> {
    let session = stage.session(spec.session.as_deref())?;
    let timeout = per_request(stage, step, spec.eventually);
    let variables = stage.variables(row);
    let tool = resolve_text(&spec.tool, &variables)?;
    let arguments = resolve_value(&Value::Object(spec.arguments.clone()), &variables)?;
    let mut params = json!({"name": tool, "arguments": arguments});
    if let Some(inputs) = &spec.inputs {
        params["inputResponses"] = resolve_value(&Value::Object(inputs.clone()), &variables)?;
    }
    if let Some(state) = &spec.request_state {
        params["requestState"] = resolve_text(state, &variables)?.into();
    }
    let what = format!("the call of {tool}");
    answered(stage, step, spec.eventually, || async {
        let reply = session
            .request("tools/call", Some(params.clone()), timeout)
            .await
            .map_err(|error| Trouble::unanswered(&error, &format!("an answer to {what}"), step.at))?;
        let variables = variables.clone().with("result", reply.result.clone()).with("error", reply.error.clone());
        judged(spec.expect.as_ref(), &variables, &reply, &what, step)?;
        Ok(reply.result)
    })
    .await
}

pub(super) async fn message(
    stage: &Stage<'_>,
    step: &Step,
    spec: &Message,
    row: Option<&Value>,
) -> Result<Value, Trouble> {
    let session = stage.session(spec.session.as_deref())?;
    let timeout = per_request(stage, step, spec.eventually);
    let variables = stage.variables(row);
    let message = resolve_value(&Value::Object(spec.message.clone()), &variables)?;
    let Value::Object(message) = message else {
        return Err(Trouble::harness("a message is a mapping"));
    };
    let mut headers = Overrides::new();
    for (name, value) in &spec.headers {
        let value = value.as_ref().map(|value| resolve_text(value, &variables)).transpose()?;
        headers.insert(name.clone(), value);
    }
    answered(stage, step, spec.eventually, || async {
        let reply = session
            .message(message.clone(), spec.notification, &headers, timeout)
            .await
            .map_err(|error| Trouble::unanswered(&error, "an answer to the message", step.at))?;
        let variables = variables
            .clone()
            .with("response", reply.response.to_json())
            .with("result", reply.result.clone())
            .with("error", reply.error.clone());
        if let Some(expect) = &spec.expect {
            expect.check(&variables)??;
        }
        Ok(json!({"response": reply.response.to_json(), "result": reply.result, "error": reply.error}))
    })
    .await
}

pub(super) async fn disconnect(
    stage: &Stage<'_>,
    step: &Step,
    spec: &Disconnect,
    row: Option<&Value>,
) -> Result<Value, Trouble> {
    if let Some(subscription) = stage.subscription(&spec.session) {
        subscription.close();
        return match &spec.expect {
            None => Ok(Value::Null),
            Some(_) => Err(Trouble::harness("a subscription ends without an answer that `expect` could see")),
        };
    }
    let session = stage.session(Some(&spec.session))?;
    let response = session
        .close(stage.deadline(step, Moment::Call))
        .await
        .map_err(|error| Trouble::unanswered(&error, "an answer to DELETE", step.at))?;
    let Some(response) = response else {
        return match &spec.expect {
            None => Ok(Value::Null),
            Some(_) => Err(Trouble::harness(
                "no answer to see with `expect`: a session over HTTP+SSE ends with its stream, and there is none in revision 2026-07-28",
            )),
        };
    };
    if let Some(expect) = &spec.expect {
        let variables = stage.variables(row).with("response", response.to_json());
        expect.check(&variables)??;
    } else if !response.is_success() {
        return Err(Trouble::failed(
            "the session to end",
            format!("HTTP {} {}", response.status, response.body),
            step.at,
        ));
    }
    Ok(response.to_json())
}

/// An answer is right when the expectation holds; without one, when it is no error.
fn judged(
    expect: Option<&Expression>,
    variables: &Variables,
    reply: &Reply,
    what: &str,
    step: &Step,
) -> Result<(), Trouble> {
    let failed = !reply.error.is_null() || reply.result.is_null();
    match expect {
        Some(expression) => match expression.check(variables)? {
            Ok(()) => Ok(()),
            Err(mismatch) if failed && !expression.text.contains("error") => {
                Err(Trouble::failed(format!("`{}`", mismatch.expected), refusal(reply), mismatch.at))
            }
            Err(mismatch) => Err(mismatch.into()),
        },
        None if failed || reply.result["isError"] == true || reply.result["resultType"] == "input_required" => {
            Err(Trouble::failed(
                format!("{what} to succeed"),
                if failed { refusal(reply) } else { reply.result.to_string() },
                step.at,
            ))
        }
        None => Ok(()),
    }
}
