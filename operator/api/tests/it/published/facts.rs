//! A CustomResourceDefinition as a set of facts, so that two of them can be compared one fact at a time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What is said, and where: `spec.replicas` and `minimum`, say.
pub(super) type Subject = (String, String);

/// Everything that a definition says, but for texts that are meant for people.
pub(super) type Facts = BTreeMap<Subject, Value>;

/// The keyword under which a field, a kind or a version is there.
pub(super) const PRESENT: &str = "present";

/// Keywords that are structure, or texts for people.
const STRUCTURE: [&str; 7] =
    ["description", "title", "properties", "items", "additionalProperties", "required", "x-kubernetes-validations"];

/// The facts of `crd` that hold in its version `version`.
pub(super) fn of(crd: &Value, version: &str) -> Facts {
    let mut facts = Facts::new();
    for (keyword, value) in crd["spec"]["names"].as_object().into_iter().flatten() {
        facts.insert(("names".to_owned(), keyword.clone()), sorted(value));
    }
    facts.insert((String::new(), "scope".to_owned()), crd["spec"]["scope"].clone());
    facts.insert((String::new(), "labels".to_owned()), crd["metadata"]["labels"].clone());
    let versions = crd["spec"]["versions"].as_array().unwrap();
    let Some(version) = versions.iter().find(|candidate| candidate["name"] == version) else { return facts };
    let name = format!("version {}", version["name"].as_str().unwrap());
    facts.insert((name.clone(), PRESENT.to_owned()), json!(true));
    for keyword in ["served", "storage", "deprecated", "deprecationWarning", "subresources", "selectableFields"] {
        if let Some(value) = version.get(keyword) {
            facts.insert((name.clone(), keyword.to_owned()), value.clone());
        }
    }
    let columns = version["additionalPrinterColumns"].as_array().into_iter().flatten();
    let names: Vec<_> = columns.clone().map(|column| column["name"].clone()).collect();
    facts.insert(("columns".to_owned(), "order".to_owned()), json!(names));
    for column in columns {
        let name = format!("column {}", column["name"].as_str().unwrap());
        for keyword in ["jsonPath", "type", "format", "priority"] {
            if let Some(value) = column.get(keyword) {
                facts.insert((name.clone(), keyword.to_owned()), value.clone());
            }
        }
    }
    schema(&version["schema"]["openAPIV3Schema"], "", &mut facts);
    facts
}

fn schema(node: &Value, path: &str, facts: &mut Facts) {
    for (keyword, value) in node.as_object().into_iter().flatten() {
        if !STRUCTURE.contains(&keyword.as_str()) {
            let value = if keyword == "enum" { sorted(value) } else { number(value) };
            facts.insert((path.to_owned(), keyword.clone()), value);
        }
    }
    for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let mut details = rule.clone();
        let members = details.as_object_mut().unwrap();
        members.remove("message");
        let text = members.remove("rule").unwrap();
        let value = if members.is_empty() { json!(true) } else { details };
        facts.insert((path.to_owned(), format!("rule {}", squeezed(text.as_str().unwrap()))), value);
    }
    for (name, property) in node["properties"].as_object().into_iter().flatten() {
        let child = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        facts.insert((child.clone(), PRESENT.to_owned()), json!(true));
        let required = node["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name));
        if required {
            facts.insert((child.clone(), "required".to_owned()), json!(true));
        }
        schema(property, &child, facts);
    }
    for (keyword, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        match node.get(keyword) {
            None => {}
            Some(Value::Bool(open)) => {
                facts.insert((path.to_owned(), keyword.to_owned()), json!(open));
            }
            Some(element) => {
                let child = format!("{path}{mark}");
                facts.insert((child.clone(), PRESENT.to_owned()), json!(true));
                schema(element, &child, facts);
            }
        }
    }
}

/// A list whose order says nothing.
fn sorted(value: &Value) -> Value {
    let Value::Array(items) = value else { return value.clone() };
    let mut items = items.clone();
    items.sort_by_key(ToString::to_string);
    Value::Array(items)
}

/// 1 and 1.0 are one number.
#[expect(clippy::cast_possible_truncation, reason = "the bounds of schemas are small")]
fn number(value: &Value) -> Value {
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 => json!(number as i64),
        _ => value.clone(),
    }
}

/// The text of a rule without the space that says nothing: what stands in quotes is kept.
fn squeezed(rule: &str) -> String {
    let mut text = String::new();
    let mut quote = None;
    for character in rule.chars() {
        match quote {
            Some(open) if open == character => quote = None,
            None if matches!(character, '\'' | '"') => quote = Some(character),
            None if character.is_whitespace() => {
                if !text.ends_with(' ') {
                    text.push(' ');
                }
                continue;
            }
            _ => {}
        }
        text.push(character);
    }
    text.trim().to_owned()
}
