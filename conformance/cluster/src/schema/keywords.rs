//! Reading the keywords of a schema; what has another type than it should counts as absent.

use serde_json::{Map, Number, Value};

pub(super) fn numeric(schema: &Map<String, Value>, keyword: &str) -> Option<Number> {
    schema.get(keyword)?.as_number().cloned()
}

pub(super) fn count(schema: &Map<String, Value>, keyword: &str) -> Option<u64> {
    schema.get(keyword)?.as_u64()
}

pub(super) fn flag(schema: &Map<String, Value>, keyword: &str) -> bool {
    schema.get(keyword) == Some(&Value::Bool(true))
}

pub(super) fn text<'a>(schema: &'a Map<String, Value>, keyword: &str) -> Option<&'a str> {
    schema.get(keyword)?.as_str()
}

pub(super) fn array<'a>(schema: &'a Map<String, Value>, keyword: &str) -> &'a [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn object<'a>(
    schema: &'a Map<String, Value>,
    keyword: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    schema.get(keyword).and_then(Value::as_object).into_iter().flatten()
}

pub(super) fn strings(schema: &Map<String, Value>, keyword: &str) -> Vec<String> {
    array(schema, keyword).iter().filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}
