//! Requests that end with what the backend needs before it can go on, and are sent again with it (2026-07-28, multi round-trip
//! requests).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::message::Sender;
use crate::egress::error::EgressError;
use crate::egress::peer::{Peer, Question};
use crate::egress::questions::QuestionLimit;
use crate::egress::response::protocol;
use crate::egress::session::Reply;
use crate::jsonrpc::{ErrorObject, Object, ParseError, code, raw};
use crate::stateless::takes_inputs;

/// The members of a result that say how far the request has come.
const RESULT_KEYS: [&str; 3] = ["resultType", "inputRequests", "requestState"];

/// What the revisions with sessions call a URL that is to be opened (2025-11-25, elicitation).
const ELICITATION_ID: &str = "elicitationId";

/// How far a request has come.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The result, as a client of the revisions with sessions knows it.
    Complete(Box<RawValue>),
    /// The backend needs inputs.
    InputRequired(Required),
}

/// What a backend needs.
#[derive(Debug)]
pub(super) struct Required {
    questions: Vec<(String, Question)>,
    state: Option<Box<RawValue>>,
}

/// What a request brings that is sent again.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Absent where nothing was asked for.
    responses: Option<Box<RawValue>>,
    state: Option<Box<RawValue>>,
}

/// Reads the result of `method`, whose rounds are the gateway's.
pub(super) fn read(result: &RawValue, method: &str) -> Result<Outcome, EgressError> {
    let object = object(result)?;
    match kind(&object)?.as_deref() {
        None => Ok(Outcome::Complete(result.to_owned())),
        Some("complete") => {
            let mut object = object.without("resultType");
            if method == "resources/read" {
                // How long it may be kept is said to clients that know how to ask for it.
                object = object.without("ttlMs").without("cacheScope");
            }
            Ok(Outcome::Complete(object.to_raw()))
        }
        Some("input_required") if takes_inputs(method) => required(&object).map(Outcome::InputRequired),
        Some(other) => Err(unknown(method, other)),
    }
}

/// Checks the result of `method` that passes to the client as it is.
pub(super) fn check(result: &RawValue, method: &str, sender: Sender<'_>) -> Result<(), EgressError> {
    let object = object(result)?;
    match kind(&object)?.as_deref() {
        None | Some("complete") => Ok(()),
        Some("input_required") if takes_inputs(method) => required(&object).map(drop),
        // What the client has declared to know.
        Some(_) if has_extensions(sender) => Ok(()),
        Some(other) => Err(unknown(method, other)),
    }
}

/// The params of a request whose rounds are the gateway's, with what this round brings.
pub(super) fn params(params: Option<&RawValue>, inputs: Option<&Inputs>) -> Result<Option<Box<RawValue>>, ParseError> {
    let Some(params) = params else { return Ok(None) };
    let mut object = Object::parse(params, "params", &["inputResponses", "requestState"])?
        .without("inputResponses")
        .without("requestState");
    if let Some(Inputs { responses, state }) = inputs {
        for (key, value) in [("inputResponses", responses), ("requestState", state)] {
            if let Some(value) = value {
                object = object.with(key, value.clone());
            }
        }
    }
    Ok(Some(object.to_raw()))
}

/// An error as a client of the revisions with sessions knows it: a resource that does not exist has a code of its own there.
pub(super) fn error(method: &str, error: &RawValue) -> Reply {
    #[derive(Deserialize)]
    struct Told<'a> {
        code: i64,
        #[serde(borrow, default)]
        data: Option<Data<'a>>,
    }
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        uri: Option<&'a RawValue>,
    }
    let is_unknown = method == "resources/read"
        && serde_json::from_str::<Told<'_>>(error.get())
            .is_ok_and(|told| told.code == code::INVALID_PARAMS && told.data.is_some_and(|data| data.uri.is_some()));
    let object = is_unknown.then(|| Object::parse(error, "error", &["code"]).ok()).flatten();
    Reply::Error(match object {
        Some(object) => object.with("code", raw(&code::RESOURCE_NOT_FOUND)).to_raw(),
        None => error.to_owned(),
    })
}

impl Required {
    /// Asks `peer` for everything at once. An error is the answer to the request: without an input it cannot go on.
    pub(super) async fn fulfil(self, peer: &Arc<dyn Peer>, limit: &QuestionLimit) -> Result<Inputs, Reply> {
        let Self { questions, state } = self;
        let asked = questions.into_iter().map(|(key, question)| async move {
            let method = question.method.clone();
            match limit.put(Arc::clone(peer), identified(question)).await {
                Reply::Result(result) => Ok((key, result)),
                Reply::Error(error) => Err(refused(&method, &error)),
            }
        });
        let answers = futures::future::try_join_all(asked).await?;
        let responses = (!answers.is_empty()).then(|| raw(&answers.into_iter().collect::<BTreeMap<_, _>>()));
        Ok(Inputs { responses, state })
    }
}

/// A question as clients of the revisions with sessions know it: a URL to be opened has an id there.
fn identified(question: Question) -> Question {
    let with_id = || {
        let params = Object::parse(question.params.as_deref()?, "params", &["mode", ELICITATION_ID]).ok()?;
        let needs = question.method == "elicitation/create"
            && params.field(ELICITATION_ID).is_none()
            && params.string("mode").ok()?? == "url";
        needs.then(|| params.with(ELICITATION_ID, raw(&Uuid::new_v4().to_string())).to_raw())
    };
    match with_id() {
        Some(params) => Question { params: Some(params), ..question },
        None => question,
    }
}

/// The answer to a request for which the client did not give an input.
fn refused(method: &str, error: &RawValue) -> Reply {
    #[derive(Deserialize)]
    struct Told {
        message: String,
    }
    let why = serde_json::from_str::<Told>(error.get()).map(|told| told.message).unwrap_or_default();
    let message = format!("the backend needs the answer to {method:?} to go on, and there is none: {why}");
    Reply::Error(raw(&ErrorObject::new(code::INTERNAL_ERROR, message)))
}

fn object(result: &RawValue) -> Result<Object<'_>, EgressError> {
    Object::parse(result, "result", &RESULT_KEYS).map_err(|error| malformed(&error))
}

fn kind(result: &Object<'_>) -> Result<Option<String>, EgressError> {
    result.string("resultType").map_err(|error| malformed(&error))
}

fn required(result: &Object<'_>) -> Result<Required, EgressError> {
    let state = result.field("requestState").map(ToOwned::to_owned);
    let mut questions = Vec::new();
    if let Some(requests) = result.field("inputRequests") {
        let requests = Object::parse(requests, "result.inputRequests", &[]).map_err(|error| malformed(&error))?;
        for key in requests.keys() {
            let Some(request) = requests.field(key) else { continue };
            let request = Object::parse(request, "result.inputRequests", &["method", "params"]);
            let request = request.map_err(|error| malformed(&error))?;
            let method = request.string("method").map_err(|error| malformed(&error))?;
            let method =
                method.ok_or_else(|| protocol("the backend asks for an input without saying by which method"))?;
            let params = request.field("params").map(ToOwned::to_owned);
            questions.push((key.to_owned(), Question { method, params }));
        }
    }
    if questions.is_empty() && state.is_none() {
        return Err(protocol("the backend needs inputs and does not say which"));
    }
    Ok(Required { questions, state })
}

fn has_extensions(sender: Sender<'_>) -> bool {
    let Sender::Client(declared) = sender else { return false };
    let capabilities = Object::parse(&declared.capabilities, "capabilities", &["extensions"]);
    capabilities.is_ok_and(|capabilities| capabilities.field("extensions").is_some())
}

fn unknown(method: &str, kind: &str) -> EgressError {
    let shown: String = kind.chars().take(40).collect();
    protocol(&format!("the backend answered {method} with the result type {shown:?}, which is not one of the method"))
}

fn malformed(error: &ParseError) -> EgressError {
    protocol(&format!("the backend's result is malformed: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::egress::peer::Declared;

    fn json(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn complete(result: &str, method: &str) -> String {
        match read(&json(result), method).unwrap() {
            Outcome::Complete(result) => result.get().to_owned(),
            Outcome::InputRequired(_) => panic!("not complete"),
        }
    }

    #[test]
    fn a_complete_result_loses_what_only_the_revision_has() {
        assert_eq!(
            complete(r#"{"content":[1.0],"x":{"a":1,"a":2}}"#, "tools/call"),
            r#"{"content":[1.0],"x":{"a":1,"a":2}}"#
        );
        assert_eq!(complete(r#"{"resultType":"complete","content":[1.0]}"#, "tools/call"), r#"{"content":[1.0]}"#);
        let read = r#"{"contents":[],"resultType":"complete","ttlMs":1,"cacheScope":"private"}"#;
        assert_eq!(complete(read, "resources/read"), r#"{"contents":[]}"#);
        assert_eq!(complete(r#"{"ttlMs":1,"resultType":"complete"}"#, "tools/call"), r#"{"ttlMs":1}"#);
    }

    #[test]
    fn results_of_other_types_are_no_results() {
        for result in [
            r#"{"resultType":"task","taskId":"1"}"#,
            r#"{"resultType":1}"#,
            r#"{"resultType":"complete","resultType":"input_required"}"#,
            r#"{"resultType":"input_required"}"#,
            r#"{"resultType":"input_required","inputRequests":{}}"#,
            r#"{"resultType":"input_required","inputRequests":{"a":{}}}"#,
            r#"{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"a":{"method":"roots/list"}}}"#,
            "[]",
        ] {
            assert!(read(&json(result), "tools/call").is_err(), "{result}");
            assert!(check(&json(result), "tools/call", Sender::Gateway).is_err(), "{result}");
        }
        let needs = r#"{"resultType":"input_required","requestState":"s"}"#;
        assert!(read(&json(needs), "tools/call").is_ok() && read(&json(needs), "tools/list").is_err());
        let declared = |capabilities: &str| Declared {
            capabilities: Arc::from(json(capabilities)),
            client_info: None,
            log_level: None,
            arguments: http::HeaderMap::new(),
        };
        let task = json(r#"{"resultType":"task","taskId":"1"}"#);
        assert!(check(&task, "tools/call", Sender::Client(&declared(r#"{"extensions":{"x/y":{}}}"#))).is_ok());
        assert!(check(&task, "tools/call", Sender::Client(&declared("{}"))).is_err());
    }

    #[test]
    fn a_url_has_an_id_in_a_session() {
        let told = |method: &str, params: &str| {
            let question = Question { method: method.to_owned(), params: Some(json(params)) };
            identified(question).params.unwrap().get().to_owned()
        };
        let url = told("elicitation/create", r#"{"mode":"url","url":"https://x.example","message":"m"}"#);
        let id = serde_json::from_str::<serde_json::Value>(&url).unwrap()["elicitationId"].take();
        assert!(url.starts_with(r#"{"mode":"url","url":"https://x.example","message":"m","#), "{url}");
        assert_eq!(id.as_str().unwrap().len(), 36, "{id}");
        for (method, params) in [
            ("elicitation/create", r#"{"mode":"url","elicitationId":"its own"}"#),
            ("elicitation/create", r#"{"mode":"form"}"#),
            ("elicitation/create", r#"{"message":"m"}"#),
            ("sampling/createMessage", r#"{"mode":"url"}"#),
        ] {
            assert_eq!(told(method, params), params);
        }
    }

    #[test]
    fn a_round_brings_what_was_asked_for_and_nothing_of_the_round_before() {
        let asked = json(r#"{"name":"a","requestState":"old","inputResponses":{"x":1}}"#);
        assert_eq!(params(Some(&asked), None).unwrap().unwrap().get(), r#"{"name":"a"}"#);
        let inputs = Inputs { responses: Some(json(r#"{"q":{}}"#)), state: None };
        assert_eq!(
            params(Some(&asked), Some(&inputs)).unwrap().unwrap().get(),
            r#"{"name":"a","inputResponses":{"q":{}}}"#
        );
        let inputs = Inputs { responses: None, state: Some(json(r#""s""#)) };
        assert_eq!(params(Some(&asked), Some(&inputs)).unwrap().unwrap().get(), r#"{"name":"a","requestState":"s"}"#);
    }

    #[test]
    fn a_resource_that_does_not_exist_has_its_code() {
        let mapped = |method: &str, text: &str| match error(method, &json(text)) {
            Reply::Error(error) => error.get().to_owned(),
            Reply::Result(_) => panic!("a result"),
        };
        let unknown = r#"{"code":-32602,"message":"no","data":{"uri":"x:y"}}"#;
        assert_eq!(mapped("resources/read", unknown), unknown.replace("-32602", "-32002"));
        assert_eq!(mapped("tools/call", unknown), unknown);
        let other = r#"{"code":-32602,"message":"no"}"#;
        assert_eq!(mapped("resources/read", other), other);
    }
}
