//! The rules of `metadata`: what the server fills in, what it keeps, and what it refuses.

use jiff::Timestamp;
use rand::RngExt as _;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::clock::seconds;
use super::names;
use super::registry::Resource;
use super::status::Cause;
use crate::schema::METADATA_FIELDS;

/// The finalizers that the API server itself adds and the garbage collector removes.
pub(crate) const ORPHAN: &str = "orphan";
/// See [`ORPHAN`].
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

/// `metadata.name`.
pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// `metadata.namespace`, if there is one.
pub(crate) fn namespace(object: &Value) -> Option<&str> {
    object["metadata"]["namespace"].as_str().filter(|namespace| !namespace.is_empty())
}

/// Whether a deletion of the object has begun.
pub(crate) fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The finalizers.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Makes sure that metadata is an object, drops what it does not know and everything empty, and names what was unknown.
pub(crate) fn prune(object: &mut Value) -> Vec<String> {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let Value::Object(metadata) = &mut object["metadata"] else { return Vec::new() };
    let mut unknown = Vec::new();
    metadata.retain(|key, value| {
        if !METADATA_FIELDS.contains(&key.as_str()) {
            unknown.push(format!("metadata.{key}"));
            return false;
        }
        let empty = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(entries) => entries.is_empty(),
            _ => false,
        };
        !empty && key != "selfLink"
    });
    unknown
}

/// What is malformed in metadata, in the words of Go's decoder; the labels of an object must be strings, for example.
pub(crate) fn decode_error(object: &Value) -> Option<String> {
    let metadata = object["metadata"].as_object()?;
    for field in ["labels", "annotations"] {
        let Some(entries) = metadata.get(field) else { continue };
        if entries.is_null() {
            continue;
        }
        let path = format!("json: cannot unmarshal {{}} into Go struct field ObjectMeta.metadata.{field} of type");
        let Some(map) = entries.as_object() else {
            return Some(format!("{} map[string]string", path.replace("{}", go_kind(entries))));
        };
        if let Some(wrong) = map.values().find(|value| !value.is_string() && !value.is_null()) {
            return Some(format!("{} string", path.replace("{}", go_kind(wrong))));
        }
    }
    None
}

/// What Go's decoder calls a value.
pub(crate) fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Fills in what the server sets on create.
pub(crate) fn create(object: &mut Value, now: Timestamp) {
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"] {
        metadata.remove(field);
    }
    metadata.insert("uid".into(), Uuid::new_v4().to_string().into());
    metadata.insert("creationTimestamp".into(), seconds(now).into());
    let generated = metadata.get("generateName").and_then(Value::as_str).map(str::to_owned);
    if let Some(prefix) = generated
        && !metadata.contains_key("name")
    {
        metadata.insert("name".into(), generate_name(&prefix).into());
    }
}

/// A name with five random characters, from the alphabet that makes no words.
pub(crate) fn generate_name(prefix: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut random = rand::rng();
    let suffix: String = (0..5).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect();
    let end = prefix.char_indices().nth(58).map_or(prefix.len(), |(end, _)| end);
    format!("{}{suffix}", &prefix[..end])
}

/// Validates the metadata of an object that is to be stored.
pub(crate) fn validate(object: &Value, resource: &Resource) -> Vec<Cause> {
    let metadata = &object["metadata"];
    let mut causes = Vec::new();
    let name = name(object);
    if let Some(prefix) = metadata["generateName"].as_str() {
        let trimmed = prefix.strip_suffix('-').unwrap_or(prefix);
        for error in name_errors(resource, trimmed) {
            causes.push(Cause::invalid("metadata.generateName", &prefix.into(), error));
        }
    }
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        for error in name_errors(resource, name) {
            causes.push(Cause::invalid("metadata.name", &name.into(), error));
        }
    }
    causes.extend(validate_maps(metadata));
    causes
}

fn name_errors(resource: &Resource, name: &str) -> Vec<String> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        _ if resource.is_custom() => names::subdomain(name),
        ("", "namespaces") => names::label(name),
        ("", "services") => names::service_label(name),
        ("rbac.authorization.k8s.io", _) => names::path_segment(name),
        _ => names::subdomain(name),
    }
}

/// Labels, annotations, owner references and finalizers.
pub(crate) fn validate_maps(metadata: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        for error in names::qualified(key) {
            causes.push(Cause::invalid("metadata.labels", &key.as_str().into(), error));
        }
        for error in names::label_value(value.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid("metadata.labels", value, error));
        }
    }
    let annotations: Option<&Map<String, Value>> = metadata["annotations"].as_object();
    for (key, _) in annotations.into_iter().flatten() {
        for error in names::qualified(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &key.as_str().into(), error));
        }
    }
    let size: usize =
        annotations.into_iter().flatten().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > 256 * 1024 {
        let message = "Too long: may not be more than 262144 bytes";
        causes.push(Cause::new("FieldValueTooLong", message, "metadata.annotations"));
    }
    causes.extend(validate_owners(&metadata["ownerReferences"]));
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten() {
        for error in names::qualified(finalizer.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid("metadata.finalizers", finalizer, error));
        }
    }
    causes
}

fn validate_owners(references: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut controller: Option<String> = None;
    for (index, reference) in references.as_array().into_iter().flatten().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if reference[field].as_str().unwrap_or_default().is_empty() {
                let (path, detail) = (format!("metadata.ownerReferences[{index}].{field}"), "must not be empty");
                let value = if field == "apiVersion" { "version must not be empty" } else { detail };
                causes.push(Cause::invalid(path, &"".into(), value));
            }
        }
        if reference["controller"] == true {
            let text = |field: &str| reference[field].as_str().unwrap_or_default().to_owned();
            let this = format!("{}/{}", text("kind"), text("name"));
            if let Some(other) = &controller {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {other} and {this}"
                );
                let shown = json_in_order(
                    references,
                    &["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"],
                );
                causes.push(Cause::new(
                    "FieldValueInvalid",
                    format!("Invalid value: {shown}: {detail}"),
                    "metadata.ownerReferences",
                ));
            }
            controller.get_or_insert(this);
        }
    }
    causes
}

/// A list of objects as JSON with the keys in the order of the Go type.
fn json_in_order(list: &Value, keys: &[&str]) -> String {
    let item = |object: &Value| {
        let fields: Vec<String> =
            keys.iter().filter_map(|key| object.get(*key).map(|value| format!("\"{key}\":{value}"))).collect();
        format!("{{{}}}", fields.join(","))
    };
    let items: Vec<String> = list.as_array().into_iter().flatten().map(item).collect();
    format!("[{}]", items.join(","))
}

/// Carries over from the stored object what a write may leave out, and refuses changes of what is fixed.
pub(crate) fn update(old: &Value, new: &mut Value) -> Vec<Cause> {
    let was = &old["metadata"];
    let Some(metadata) = new["metadata"].as_object_mut() else { return Vec::new() };
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "name", "namespace"] {
        if !metadata.contains_key(field) && !was[field].is_null() {
            metadata.insert(field.into(), was[field].clone());
        }
    }
    // The generation is the server's alone, and so is the creation time once set.
    for field in ["generation", "creationTimestamp"] {
        match was.get(field) {
            Some(value) => metadata.insert(field.into(), value.clone()),
            None => metadata.remove(field),
        };
    }
    metadata.remove("selfLink");
    let mut causes = Vec::new();
    if is_terminating(old) {
        let before = finalizers(old);
        let now = metadata.get("finalizers").and_then(Value::as_array);
        let added: Vec<String> = now
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|finalizer| !before.contains(finalizer))
            .map(|finalizer| format!("\"{finalizer}\""))
            .collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            causes.push(Cause::forbidden("metadata.finalizers", detail));
        }
    }
    for field in ["name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let value = metadata.get(field).unwrap_or(&Value::Null);
        if value != &was[field] {
            causes.push(Cause::invalid(format!("metadata.{field}"), value, "field is immutable"));
        }
    }
    causes
}

/// Warnings about finalizers without a domain, other than the standard ones.
pub(crate) fn finalizer_warnings(old: Option<&Value>, new: &Value) -> Vec<String> {
    let before = old.map(finalizers).unwrap_or_default();
    finalizers(new)
        .into_iter()
        .enumerate()
        .filter(|(_, finalizer)| !before.contains(finalizer))
        .filter(|(_, finalizer)| !finalizer.contains('/') && ![ORPHAN, FOREGROUND, "kubernetes"].contains(finalizer))
        .map(|(_, finalizer)| {
            format!(
                "metadata.finalizers: \"{finalizer}\": prefer a domain-qualified finalizer name to avoid accidental conflicts \
                 with other finalizer writers"
            )
        })
        .collect()
}
