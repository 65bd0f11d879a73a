//! Values that a schema admits, in its structure: whatever may be said, and much of what people do say.
//!
//! Rules that span several fields are left to [`admit`](crate::world::admit), but for one: where a type names the one
//! block that goes with it, the other blocks are left out.

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
    string::string_regex,
};
use serde_json::{Map, Value, json};

/// Texts that mean something somewhere: names of the objects that there are, URLs, headers, templates.
const TEXTS: &[&str] = &[
    "",
    " ",
    "tools",
    "exchange",
    "injection",
    "idp",
    "selection",
    "signals",
    "report",
    "keys",
    "first",
    "authorities",
    "ca.crt",
    "partner",
    "partner_search",
    "look",
    "X-Tenant",
    "Host",
    "https://mcp.example.com/mcp",
    "http://10.0.0.1:8080",
    "https://user:password@[::ffff:169.254.169.254]/",
    "{{.params.topic}}",
    "{{.steps.look.output.text",
    "5s",
    "redis:6379",
    "a\nb",
    "ünï-cödé",
    "0",
];

/// How often a field is there.
#[derive(Debug, Clone, Copy)]
struct Density {
    required: f64,
    optional: f64,
}

/// Whole values for a field with this schema.
pub(super) fn values(schema: &Value) -> BoxedStrategy<Value> {
    any_of(schema, Density { required: 1.0, optional: 0.4 })
}

/// A few fields of values for a field with this schema, to be merged into a whole one.
pub(super) fn changes(schema: &Value) -> BoxedStrategy<Value> {
    any_of(schema, Density { required: 0.2, optional: 0.1 })
}

fn any_of(schema: &Value, density: Density) -> BoxedStrategy<Value> {
    if let Some(values) = schema["enum"].as_array() {
        return select(values.clone()).boxed();
    }
    match schema["type"].as_str() {
        Some("object") => objects(schema, density),
        Some("array") => {
            let least = length(&schema["minItems"]).unwrap_or(0);
            let most = length(&schema["maxItems"]).map_or(3, |most| most.min(3));
            vec(values(&schema["items"]), least..=most.max(least)).prop_map(Value::Array).boxed()
        }
        Some("string") => texts(schema),
        Some("integer") => integers(schema),
        Some("number") => (-1000.0..1000.0_f64).prop_map(|number| json!(number)).boxed(),
        Some("boolean") => any::<bool>().prop_map(Value::Bool).boxed(),
        _ => anything(),
    }
}

/// Objects with some of their properties.
fn objects(schema: &Value, density: Density) -> BoxedStrategy<Value> {
    let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else {
        return match &schema["additionalProperties"] {
            Value::Object(_) => {
                let names = prop_oneof![select(TEXTS).prop_map(str::to_owned), "[A-Za-z-]{1,8}"];
                let maps = btree_map(names, values(&schema["additionalProperties"]), 0..3);
                maps.prop_map(|map| Value::Object(map.into_iter().collect())).boxed()
            }
            _ => anything().prop_filter("an object", Value::is_object).boxed(),
        };
    };
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut members: BoxedStrategy<Map<String, Value>> = Just(Map::new()).boxed();
    for (name, property) in properties {
        let chance = if required.contains(&json!(name)) { density.required } else { density.optional };
        let value = any_of(property, density);
        let value = if chance < 1.0 { option::weighted(chance, value).boxed() } else { value.prop_map(Some).boxed() };
        let name = name.clone();
        members = (members, value)
            .prop_map(move |(mut members, value)| {
                members.extend(value.map(|value| (name.clone(), value)));
                members
            })
            .boxed();
    }
    let blocks = blocks(properties);
    if blocks.is_empty() {
        return members.prop_map(Value::Object).boxed();
    }
    // The block of each type, for where chance left it out.
    let of_types: Vec<_> = blocks.iter().map(|(_, name)| values(&properties[name.as_str()])).collect();
    (members, of_types)
        .prop_map(move |(mut members, of_types)| {
            for ((kind, name), block) in blocks.iter().zip(of_types) {
                if members.get("type").and_then(Value::as_str) == Some(kind) {
                    members.entry(name.clone()).or_insert(block);
                } else {
                    members.remove(name);
                }
            }
            Value::Object(members)
        })
        .boxed()
}

/// The values of `type`, and the properties that go with them.
fn blocks(properties: &Map<String, Value>) -> Vec<(String, String)> {
    let kinds = properties.get("type").and_then(|kind| kind["enum"].as_array()).into_iter().flatten();
    kinds
        .filter_map(|kind| {
            let kind = kind.as_str()?;
            let name =
                [kind.to_owned(), format!("{kind}Config")].into_iter().find(|name| properties.contains_key(name))?;
            Some((kind.to_owned(), name))
        })
        .collect()
}

fn texts(schema: &Value) -> BoxedStrategy<Value> {
    let texts = match schema["pattern"].as_str() {
        // What is longer than the type can hold is refused when it is read, which is a rule of its own.
        Some(pattern) if pattern.contains("(ns|us|") => "([0-9]{1,3}(ms|s|m|h)){1,2}".boxed(),
        Some(pattern) => {
            let inner = pattern.strip_prefix('^').unwrap_or(pattern);
            let open = if inner.ends_with('$') { "" } else { "[a-z./]{0,10}" };
            // Repetitions without end would rarely be short.
            let inner = inner.strip_suffix('$').unwrap_or(inner).replace(".*", "[a-z0-9./:]{0,20}");
            string_regex(&format!("{inner}{open}")).unwrap_or_else(|error| panic!("{pattern}: {error}")).boxed()
        }
        None => prop_oneof![4 => select(TEXTS).prop_map(str::to_owned), 1 => r"\PC{0,12}"].boxed(),
    };
    let least = length(&schema["minLength"]).unwrap_or(0);
    let most = length(&schema["maxLength"]).unwrap_or(usize::MAX);
    texts
        .prop_filter("of an admitted length", move |text| (least..=most).contains(&text.chars().count()))
        .prop_map(Value::String)
        .boxed()
}

fn length(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

/// A bound of an integer, which a definition writes as any number.
fn bound(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.to_string().strip_suffix(".0")?.parse().ok())
}

fn integers(schema: &Value) -> BoxedStrategy<Value> {
    let (least, most) = match schema["format"].as_str() {
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let least = bound(&schema["minimum"]).unwrap_or(least);
    let most = bound(&schema["maximum"]).unwrap_or(most);
    let usual = least.max(0)..=most.min(least.max(0).saturating_add(70_000));
    prop_oneof![3 => usual, 1 => Just(least), 1 => Just(most)].prop_map(|number| json!(number)).boxed()
}

/// Any JSON but null, not deep.
fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|number| json!(number)),
        select(TEXTS).prop_map(|text| json!(text)),
    ];
    let names = prop_oneof![
        select(&["type", "properties", "spec", "containers", "metadata", "labels", "name", "id", "tool"][..])
            .prop_map(str::to_owned),
        "[a-z]{1,6}",
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..3).prop_map(Value::Array),
            3 => btree_map(names.clone(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}
