//! The types of built-in kinds, from the published schemas: decoding with unknown fields and wrong types, and documents.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch, coordination::v1 as coordination,
    core::v1 as core, discovery::v1 as discovery, events::v1 as events, networking::v1 as networking,
    policy::v1 as policy, rbac::v1 as rbac,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Builtin;
use crate::api::metadata::go_kind;
use crate::api::place::Place;

/// A type and the types that it refers to, by their published names.
#[derive(Debug)]
pub(crate) struct Type {
    /// The published name, such as `io.k8s.api.apps.v1.Deployment`.
    pub(crate) name: String,
    pub(crate) definitions: Map<String, Value>,
}

/// Types by group and kind.
type Types = HashMap<(&'static str, &'static str), Arc<Type>>;

/// Types are generated when first needed: most runs touch few kinds.
static TYPES: LazyLock<Mutex<Types>> = LazyLock::new(Mutex::default);

/// The type of a built-in kind.
pub(crate) fn of(builtin: &'static Builtin) -> Option<Arc<Type>> {
    let key = (builtin.group, builtin.kind);
    let mut types = TYPES.lock();
    if let Some(known) = types.get(&key) {
        return Some(known.clone());
    }
    let made = Arc::new(make(builtin)?);
    types.insert(key, made.clone());
    Some(made)
}

/// The type of metadata, which custom resources refer to.
pub(crate) fn object_meta() -> Type {
    generate::<ObjectMeta>()
}

fn make(builtin: &Builtin) -> Option<Type> {
    Some(match (builtin.group, builtin.kind) {
        ("", "ConfigMap") => generate::<core::ConfigMap>(),
        ("", "Endpoints") => generate::<core::Endpoints>(),
        ("", "Event") => generate::<core::Event>(),
        ("", "Namespace") => generate::<core::Namespace>(),
        ("", "Node") => generate::<core::Node>(),
        ("", "PersistentVolumeClaim") => generate::<core::PersistentVolumeClaim>(),
        ("", "Pod") => generate::<core::Pod>(),
        ("", "Secret") => generate::<core::Secret>(),
        ("", "Service") => generate::<core::Service>(),
        ("", "ServiceAccount") => generate::<core::ServiceAccount>(),
        ("apps", "ControllerRevision") => generate::<apps::ControllerRevision>(),
        ("apps", "DaemonSet") => generate::<apps::DaemonSet>(),
        ("apps", "Deployment") => generate::<apps::Deployment>(),
        ("apps", "ReplicaSet") => generate::<apps::ReplicaSet>(),
        ("apps", "StatefulSet") => generate::<apps::StatefulSet>(),
        ("autoscaling", _) => generate::<autoscaling::HorizontalPodAutoscaler>(),
        ("apiextensions.k8s.io", _) => generate::<apiextensions::CustomResourceDefinition>(),
        ("batch", _) => generate::<batch::Job>(),
        ("coordination.k8s.io", _) => generate::<coordination::Lease>(),
        ("discovery.k8s.io", _) => generate::<discovery::EndpointSlice>(),
        ("events.k8s.io", _) => generate::<events::Event>(),
        ("networking.k8s.io", "Ingress") => generate::<networking::Ingress>(),
        ("networking.k8s.io", "NetworkPolicy") => generate::<networking::NetworkPolicy>(),
        ("policy", _) => generate::<policy::PodDisruptionBudget>(),
        ("rbac.authorization.k8s.io", "Role") => generate::<rbac::Role>(),
        ("rbac.authorization.k8s.io", "RoleBinding") => generate::<rbac::RoleBinding>(),
        ("rbac.authorization.k8s.io", "ClusterRole") => generate::<rbac::ClusterRole>(),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => generate::<rbac::ClusterRoleBinding>(),
        _ => return None,
    })
}

fn generate<T: JsonSchema>() -> Type {
    let mut generator = SchemaSettings::openapi3().into_generator();
    generator.subschema_for::<T>();
    Type { name: T::schema_name().into_owned(), definitions: generator.take_definitions(true) }
}

/// Drops nulls and fields that the kind does not have, and names the latter; the error is the Go decoder's.
pub(crate) fn decode(builtin: &'static Builtin, object: &mut Value) -> Result<Vec<String>, String> {
    let Some(kind) = of(builtin) else { return Ok(Vec::new()) };
    let mut decoder = Decoder { definitions: &kind.definitions, unknown: Vec::new() };
    let position = Position { place: &Place::Root, owner: builtin.kind };
    let Some(root) = kind.definitions.get(&kind.name) else { return Ok(Vec::new()) };
    decoder.value(root, object, position)?;
    Ok(decoder.unknown)
}

struct Decoder<'a> {
    definitions: &'a Map<String, Value>,
    unknown: Vec<String>,
}

/// Where the decoder stands.
#[derive(Clone, Copy)]
struct Position<'a> {
    place: &'a Place<'a>,
    /// The Go type that holds the field.
    owner: &'a str,
}

impl Position<'_> {
    fn wrong(&self, value: &Value, expected: &str) -> String {
        let (owner, fields) = (self.owner, self.place.fields());
        format!("json: cannot unmarshal {} into Go struct field {owner}.{fields} of type {expected}", go_kind(value))
    }
}

impl Decoder<'_> {
    fn value(&mut self, schema: &Value, value: &mut Value, position: Position<'_>) -> Result<(), String> {
        let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
        if let Some(name) = reference.and_then(|reference| reference.rsplit('/').next()) {
            let short = name.rsplit('.').next().unwrap_or(name);
            if short == "ObjectMeta" && matches!(position.place, Place::Field(Place::Root, "metadata")) {
                // The object's own metadata has rules of its own.
                return Ok(());
            }
            if short == "Quantity" && value.is_number() {
                *value = value.to_string().into();
            }
            let Some(definition) = self.definitions.get(name) else { return Ok(()) };
            return if definition["properties"].is_object() {
                self.structure(definition, value, Position { owner: short, ..position }, position)
            } else {
                self.value(definition, value, position)
            };
        }
        if schema["properties"].is_object() {
            return self.structure(schema, value, position, position);
        }
        match schema["type"].as_str() {
            Some("string") => string(schema, value, position),
            Some("boolean") if !value.is_boolean() => Err(position.wrong(value, "bool")),
            Some("integer") if !(value.is_i64() || value.is_u64()) => {
                Err(position.wrong(value, schema["format"].as_str().unwrap_or("int64")))
            }
            Some("number") if !value.is_number() => Err(position.wrong(value, "float64")),
            Some("array") => self.list(schema, value, position),
            Some("object") => self.map(schema, value, position),
            _ => Ok(()),
        }
    }

    fn structure(
        &mut self,
        schema: &Value,
        value: &mut Value,
        inner: Position<'_>,
        outer: Position<'_>,
    ) -> Result<(), String> {
        if !value.is_object() {
            return Err(outer.wrong(value, &format!("v1.{}", inner.owner)));
        }
        let Value::Object(fields) = value else { return Ok(()) };
        let known = &schema["properties"];
        let mut dropped = Vec::new();
        for (name, field) in fields.iter_mut() {
            let place = Place::Field(inner.place, name);
            match known.get(name) {
                _ if field.is_null() => dropped.push(name.clone()),
                Some(schema) => self.value(schema, field, Position { place: &place, ..inner })?,
                None => {
                    self.unknown.push(place.path());
                    dropped.push(name.clone());
                }
            }
        }
        for name in dropped {
            fields.remove(&name);
        }
        Ok(())
    }

    fn list(&mut self, schema: &Value, value: &mut Value, position: Position<'_>) -> Result<(), String> {
        if !value.is_array() {
            let element = schema["items"]["$ref"].as_str().and_then(|name| name.rsplit('.').next());
            let element = element.map_or_else(|| "string".to_owned(), |name| format!("v1.{name}"));
            return Err(position.wrong(value, &format!("[]{element}")));
        }
        for (index, item) in value.as_array_mut().into_iter().flatten().enumerate() {
            let place = Place::Item(position.place, index);
            self.value(&schema["items"], item, Position { place: &place, ..position })?;
        }
        Ok(())
    }

    fn map(&mut self, schema: &Value, value: &mut Value, position: Position<'_>) -> Result<(), String> {
        let values = &schema["additionalProperties"];
        if !values.is_object() {
            return Ok(());
        }
        if !value.is_object() {
            return Err(position.wrong(value, "map[string]string"));
        }
        let Value::Object(entries) = value else { return Ok(()) };
        entries.retain(|_, entry| !entry.is_null());
        for (key, entry) in entries.iter_mut() {
            let place = Place::Entry(position.place, key);
            self.value(values, entry, Position { place: &place, ..position })?;
        }
        Ok(())
    }
}

fn string(schema: &Value, value: &Value, position: Position<'_>) -> Result<(), String> {
    let Some(text) = value.as_str() else { return Err(position.wrong(value, "string")) };
    if schema["format"] == "byte" && STANDARD.decode(text).is_err() {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let position = text.bytes().position(|byte| !valid(byte)).unwrap_or(text.len());
        return Err(format!("illegal base64 data at input byte {position}"));
    }
    if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
        return Err(format!(
            "parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{text}\" as a time"
        ));
    }
    Ok(())
}
