//! The JSON Schema of world files, for editors that complete, explain and check while one writes.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::World;

/// The schema of world files, made from the very types that read them. Draft 7, which every editor understands.
#[must_use]
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<World>();
    schema.insert("title".to_owned(), "A simulated world".into());
    schema.to_value()
}
