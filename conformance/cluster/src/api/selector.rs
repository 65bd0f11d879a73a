//! Label selectors and field selectors: their grammar, its error messages, and matching.

use serde_json::Value;

use super::status::{ApiError, ApiResult};

/// A parsed label selector; the empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    /// Parses the string form: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    pub(crate) fn parse(text: &str) -> ApiResult<Self> {
        let mut parser = Parser { tokens: tokens(text), position: 0 };
        let requirements = parser.requirements().map_err(ApiError::bad_request)?;
        Ok(Self { requirements })
    }

    /// Reads the structured form of specs: `matchLabels` and `matchExpressions`.
    pub(crate) fn from_spec(spec: &Value) -> Self {
        let mut requirements = Vec::new();
        if let Some(labels) = spec["matchLabels"].as_object() {
            for (key, value) in labels {
                let value = value.as_str().unwrap_or_default().to_owned();
                requirements.push(Requirement { key: key.clone(), test: Test::In(vec![value]) });
            }
        }
        for expression in spec["matchExpressions"].as_array().into_iter().flatten() {
            let values = || {
                let values = expression["values"].as_array().into_iter().flatten();
                values.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
            };
            let test = match expression["operator"].as_str().unwrap_or_default() {
                "In" => Test::In(values()),
                "NotIn" => Test::NotIn(values()),
                "DoesNotExist" => Test::Absent,
                _ => Test::Exists,
            };
            let key = expression["key"].as_str().unwrap_or_default().to_owned();
            requirements.push(Requirement { key, test });
        }
        Self { requirements }
    }

    /// Whether nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether the object's labels satisfy every requirement.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.matches_labels(&object["metadata"]["labels"])
    }

    /// Whether a map of labels satisfies every requirement.
    pub(crate) fn matches_labels(&self, labels: &Value) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key).and_then(Value::as_str);
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.iter().any(|item| item == value)),
                Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|item| item != value)),
                Test::Greater(bound) => value.and_then(|value| value.parse().ok()).is_some_and(|n: i64| n > *bound),
                Test::Less(bound) => value.and_then(|value| value.parse().ok()).is_some_and(|n: i64| n < *bound),
            }
        })
    }
}

/// Cuts a selector into words and operators; spaces only separate.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if "=!<>".contains(first) {
            ["==", "!="].iter().find(|operator| rest.starts_with(**operator)).map_or(1, |operator| operator.len())
        } else if "(),".contains(first) {
            1
        } else {
            rest.find(|c: char| "=!<>(),".contains(c) || c.is_whitespace()).unwrap_or(rest.len())
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

struct Parser {
    tokens: Vec<String>,
    position: usize,
}

impl Parser {
    fn peek(&self) -> &str {
        self.tokens.get(self.position).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let token = self.peek().to_owned();
        self.position += 1;
        token
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        if self.tokens.is_empty() {
            return Ok(requirements);
        }
        loop {
            requirements.push(self.requirement()?);
            match self.next().as_str() {
                "" => return Ok(requirements),
                "," if matches!(self.peek(), "" | ",") => {
                    return Err(format!("found '{}', expected: identifier after ','", self.peek()));
                }
                "," => {}
                other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == "!";
        if absent {
            self.position += 1;
        }
        let key = self.next();
        if key.is_empty() || is_symbol(&key) {
            return Err(format!("unable to parse requirement: found '{key}', expected: identifier"));
        }
        if absent {
            return Ok(Requirement { key, test: Test::Absent });
        }
        let test = match self.peek() {
            "" | "," => Test::Exists,
            "=" | "==" => Test::In(vec![self.value()]),
            "!=" => Test::NotIn(vec![self.value()]),
            ">" => Test::Greater(self.number()?),
            "<" => Test::Less(self.number()?),
            "in" => Test::In(self.values()?),
            "notin" => Test::NotIn(self.values()?),
            other => {
                let expected = "in, notin, =, ==, !=, gt, lt";
                return Err(format!("unable to parse requirement: found '{other}', expected: {expected}"));
            }
        };
        Ok(Requirement { key, test })
    }

    fn value(&mut self) -> String {
        self.position += 1;
        if matches!(self.peek(), "" | ",") { String::new() } else { self.next() }
    }

    fn number(&mut self) -> Result<i64, String> {
        let value = self.value();
        value.parse().map_err(|_| {
            format!("values[0][]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer")
        })
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        self.position += 1;
        let open = self.next();
        if open != "(" {
            return Err(format!("unable to parse requirement: found '{open}' expected: '('"));
        }
        let mut values = Vec::new();
        loop {
            match self.next().as_str() {
                ")" => return Ok(values),
                "," => {}
                "" => return Err("unable to parse requirement: found '', expected: ',', ')' or identifier".into()),
                value => values.push(value.to_owned()),
            }
        }
    }
}

fn is_symbol(token: &str) -> bool {
    matches!(token, "=" | "==" | "!=" | "!" | "<" | ">" | "(" | ")" | ",")
}

/// A parsed field selector; the empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector {
    terms: Vec<FieldTerm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldTerm {
    path: String,
    value: String,
    equal: bool,
}

impl FieldSelector {
    /// Parses `a=b,c!=d`; every path must be one of `supported`.
    pub(crate) fn parse(text: &str, supported: &[String]) -> ApiResult<Self> {
        let mut terms = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let split = ["!=", "==", "="]
                .iter()
                .find_map(|operator| part.split_once(operator).map(|(path, value)| (path, value, *operator != "!=")));
            let Some((path, value, equal)) = split else {
                let message = format!("invalid selector: '{text}'; can't understand '{part}'");
                return Err(ApiError::bad_request(message));
            };
            if !supported.iter().any(|field| field == path) {
                return Err(ApiError::bad_request(format!("field label not supported: {path}")));
            }
            terms.push(FieldTerm { path: path.to_owned(), value: value.to_owned(), equal });
        }
        Ok(Self { terms })
    }

    /// Whether nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether the object satisfies every term; a missing field counts as the empty string.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|term| (field(object, &term.path) == term.value) == term.equal)
    }
}

fn field(object: &Value, path: &str) -> String {
    let mut value = object;
    for segment in path.split('.') {
        value = &value[segment];
    }
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn set_based_requirements_match() {
        let object = json!({"metadata": {"labels": {"a": "1", "b": "x"}}});
        for (text, expected) in [
            ("", true),
            ("a", true),
            ("!a", false),
            ("!c", true),
            ("a=1,b==x", true),
            ("a!=1", false),
            ("c!=1", true),
            ("a in (1, 2),b notin (y)", true),
            ("c in (1)", false),
            ("a>0", true),
            ("a<1", false),
        ] {
            assert_eq!(LabelSelector::parse(text).unwrap().matches(&object), expected, "{text}");
        }
    }

    #[test]
    fn malformed_selectors_are_refused_with_what_was_expected() {
        let message = |text| LabelSelector::parse(text).unwrap_err().message;
        assert_eq!(message("a=b=c"), "found '=', expected: ',' or 'end of string'");
        assert_eq!(message("idx in 1"), "unable to parse requirement: found '1' expected: '('");
    }

    #[test]
    fn an_unsupported_field_is_refused() {
        let supported = vec!["metadata.name".to_owned()];
        let error = FieldSelector::parse("spec.size=2", &supported).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (400, "field label not supported: spec.size"));
        let selector = FieldSelector::parse("metadata.name!=a", &supported).unwrap();
        assert!(selector.matches(&json!({"metadata": {"name": "b"}})));
    }
}
