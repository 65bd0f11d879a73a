//! Inputs that a call needs of its client: which must be asked for, and whether what the client sends answers them.

use serde_json::{Map, Value, json};

use super::request_state::Progress;
use crate::mcp::content::{Asked, Capability};
use crate::mcp::jsonrpc::{INVALID_PARAMS, MethodError};
use crate::world::Step;

/// The rounds of one call.
pub(super) struct Rounds {
    /// What earlier requests have brought.
    progress: Progress,
    /// What this request brings for the round that was asked for.
    responses: Map<String, Value>,
}

impl Rounds {
    /// Reads the inputs of a request that goes on from `progress`.
    pub(super) fn read(progress: Progress, params: &Map<String, Value>) -> Result<Self, MethodError> {
        let mut rounds = Self { progress, responses: Map::new() };
        rounds.bring(params)?;
        Ok(rounds)
    }

    /// Takes the inputs of a request for the round that was asked for.
    pub(super) fn bring(&mut self, params: &Map<String, Value>) -> Result<(), MethodError> {
        self.responses = match params.get("inputResponses") {
            None => Map::new(),
            Some(Value::Object(responses)) => responses.clone(),
            Some(_) => return Err(MethodError::new(INVALID_PARAMS, "`inputResponses` is not an object")),
        };
        Ok(())
    }

    /// The answers to a round of questions, or those that must be asked, for the first time or again. What was not asked for is
    /// not looked at.
    pub(super) fn answers(
        &mut self,
        questions: Vec<Asked>,
        capabilities: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Vec<Asked>> {
        let mut missing = Vec::new();
        for question in questions {
            let response = self.responses.remove(&question.name).filter(|response| is_answer(&question, response));
            if let Some(response) = response {
                self.progress.pending.insert(question.name, response);
            } else if !self.progress.pending.contains_key(&question.name)
                && question.capability.is_declared(capabilities)
            {
                missing.push(question);
            }
        }
        // They were for this round: another one has not been asked for yet.
        self.responses.clear();
        if !missing.is_empty() {
            return Err(missing);
        }
        let answers = std::mem::take(&mut self.progress.pending);
        self.progress.answers.extend(answers.clone());
        Ok(answers)
    }

    /// What to remember before the step `done`.
    pub(super) fn progress(&self, done: usize) -> Progress {
        Progress { done, ..self.progress.clone() }
    }
}

/// What the steps will need of the client and what it has not declared.
pub(super) fn undeclared(steps: &[Step], capabilities: &Map<String, Value>) -> Vec<Capability> {
    let required = steps.iter().flat_map(|step| match step {
        Step::Ask(questions) => questions
            .values()
            .filter(|question| !question.optional)
            .map(|question| Capability::of(&question.inquiry))
            .collect(),
        Step::Task(settings) if settings.required => vec![Capability::Tasks],
        _ => Vec::new(),
    });
    let mut missing: Vec<Capability> = Vec::new();
    for capability in required {
        if !capability.is_declared(capabilities) && !missing.contains(&capability) {
            missing.push(capability);
        }
    }
    missing
}

/// The member `inputRequests` that asks for all of them.
pub(super) fn input_requests(questions: &[Asked]) -> Value {
    let request = |asked: &Asked| (asked.name.clone(), json!({"method": asked.method, "params": asked.params}));
    Value::Object(questions.iter().map(request).collect())
}

/// Whether `response` has the form of a result of the question's method.
fn is_answer(question: &Asked, response: &Value) -> bool {
    match question.method {
        "elicitation/create" => match response["action"].as_str() {
            Some("decline" | "cancel") => true,
            Some("accept") => match question.params.get("requestedSchema") {
                Some(schema) => response["content"].as_object().is_some_and(|content| fits(schema, content)),
                None => true,
            },
            _ => false,
        },
        "sampling/createMessage" => {
            response["role"].is_string()
                && response["model"].is_string()
                && (response["content"].is_object() || response["content"].is_array())
        }
        _ => response["roots"].as_array().is_some_and(|roots| roots.iter().all(|root| root["uri"].is_string())),
    }
}

/// Whether a form is filled in: what is required is there, and what is there is of its type.
fn fits(schema: &Value, content: &Map<String, Value>) -> bool {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    required.into_iter().all(|name| content.contains_key(name))
        && content.iter().all(|(name, value)| match schema["properties"][name]["type"].as_str() {
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("number") => value.is_number(),
            Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            Some("array") => value.is_array(),
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn asked(name: &str, method: &'static str, params: &Value, capability: Capability) -> Asked {
        Asked { name: name.to_owned(), method, params: params.as_object().unwrap().clone(), capability, optional: true }
    }

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn form() -> Asked {
        let schema =
            json!({"properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name"]});
        asked("user", "elicitation/create", &json!({ "requestedSchema": schema }), Capability::Form)
    }

    #[test]
    fn answers_have_the_form_of_the_methods_results() {
        let accept = |content: Value| json!({"action": "accept", "content": content});
        for right in
            [accept(json!({"name": "a"})), accept(json!({"name": "a", "age": 3})), json!({"action": "decline"})]
        {
            assert!(is_answer(&form(), &right), "{right}");
        }
        for wrong in [
            json!(12345),
            json!({}),
            json!({"action": "agree"}),
            json!({"action": "accept"}),
            accept(json!({})),
            accept(json!({"name": 1})),
            accept(json!({"name": "a", "age": 1.5})),
        ] {
            assert!(!is_answer(&form(), &wrong), "{wrong}");
        }
        let sampling = asked("s", "sampling/createMessage", &json!({}), Capability::Sampling);
        assert!(is_answer(&sampling, &json!({"role": "assistant", "model": "m", "content": {"type": "text"}})));
        assert!(!is_answer(&sampling, &json!({"role": "assistant", "content": {}})));
        let roots = asked("r", "roots/list", &json!({}), Capability::Roots);
        assert!(is_answer(&roots, &json!({"roots": [{"uri": "file:///a"}]})));
        assert!(!is_answer(&roots, &json!({"roots": ["file:///a"]})));
    }

    #[test]
    fn what_is_missing_is_asked_again_and_the_rest_is_remembered() {
        let capabilities = object(&json!({"elicitation": {}, "roots": {}}));
        let questions = || {
            vec![
                form(),
                asked("where", "roots/list", &json!({}), Capability::Roots),
                asked("what", "sampling/createMessage", &json!({}), Capability::Sampling),
            ]
        };
        let params = object(&json!({"inputResponses": {"user": 1, "where": {"roots": []}, "other": {}}}));
        let mut rounds = Rounds::read(Progress::default(), &params).unwrap();
        let missing = rounds.answers(questions(), &capabilities).unwrap_err();
        assert_eq!(missing.iter().map(|asked| asked.name.as_str()).collect::<Vec<_>>(), ["user"]);
        let progress = rounds.progress(2);
        assert_eq!(progress.done, 2);
        assert_eq!(progress.pending.keys().collect::<Vec<_>>(), ["where"]);

        let params = object(&json!({"inputResponses": {"user": {"action": "cancel"}}}));
        let mut rounds = Rounds::read(progress, &params).unwrap();
        let answers = rounds.answers(questions(), &capabilities).unwrap();
        assert_eq!(answers.keys().collect::<Vec<_>>(), ["user", "where"]);
        // The answers were for that round alone.
        let again = rounds.answers(questions(), &capabilities).unwrap_err();
        assert_eq!(again.len(), 2);
    }
}
