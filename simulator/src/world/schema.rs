//! The JSON Schema of world files, for editors that complete, explain and check while one writes.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::World;
use super::file::template_schema;

/// The schema of world files, made from the very types that read them. Draft 7, which every editor understands.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft07().into_generator();
    let template = template_schema(&mut generator).to_value();
    let mut schema = generator.into_root_schema_for::<World>().to_value();
    for_each_list(&mut schema, &template);
    schema["title"] = json!("A simulated world");
    schema["properties"]["include"] = json!({
        "description": "Other world files, relative to this one: their lists come before its own, its own other keys win.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    });
    schema
}

/// Allows templates as items of every list.
fn for_each_list(schema: &mut Value, template: &Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| for_each_list(schema, template)),
        Value::Object(members) => {
            members.values_mut().for_each(|schema| for_each_list(schema, template));
            if members.get("items").is_some_and(Value::is_object) {
                let items = members["items"].take();
                members["items"] = json!({"anyOf": [items, template]});
            }
        }
        _ => {}
    }
}
