//! Custom resources: from a `CustomResourceDefinition` to a served kind.

pub(crate) mod defaults;
pub(crate) mod lifecycle;
mod selectable;
pub(crate) mod validation;

use std::sync::Arc;

use serde_json::{Value, json};

use super::registry::{Custom, Resource, ScalePaths, Source, Version};
use super::status::qualified;
use super::table::{Cell, Column};
use crate::apply::TypeModel;
use crate::schema::Schema;

/// The kind that a valid `CustomResourceDefinition` defines.
pub(crate) fn resource(definition: &Value) -> Resource {
    let spec = &definition["spec"];
    let names = &spec["names"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let (group, plural) = (text(&spec["group"]), text(&names["plural"]));
    let all = || spec["versions"].as_array().into_iter().flatten();
    let namespaced = spec["scope"] == "Namespaced";
    let mut served: Vec<Arc<Version>> = all()
        .filter(|version| version["served"] == true)
        .map(|version| Arc::new(self::version(spec, version, namespaced)))
        .collect();
    served.sort_by(|a, b| priority(&b.name).cmp(&priority(&a.name)).then_with(|| a.name.cmp(&b.name)));
    let storage = all().find(|version| version["storage"] == true);
    Resource {
        collection: qualified(&plural, &group).into(),
        group,
        plural,
        singular: text(&names["singular"]),
        kind: text(&names["kind"]),
        list_kind: text(&names["listKind"]),
        short_names: list(&names["shortNames"]),
        categories: list(&names["categories"]),
        namespaced,
        versions: served,
        source: Source::Custom(Box::new(Custom {
            definition: text(&definition["metadata"]["name"]),
            storage_version: storage.map(|version| text(&version["name"])).unwrap_or_default(),
            terminating: super::metadata::is_terminating(definition),
        })),
    }
}

fn version(spec: &Value, version: &Value, namespaced: bool) -> Version {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let path = |value: &Value| text(value).trim_start_matches('.').to_owned();
    let name = text(&version["name"]);
    let schema = &version["schema"]["openAPIV3Schema"];
    let scale = &version["subresources"]["scale"];
    let mut field_labels = vec!["metadata.name".to_owned()];
    if namespaced {
        field_labels.push("metadata.namespace".to_owned());
    }
    field_labels
        .extend(version["selectableFields"].as_array().into_iter().flatten().map(|field| path(&field["jsonPath"])));
    let warning = (version["deprecated"] == true)
        .then(|| version["deprecationWarning"].as_str().map_or_else(|| deprecation(spec, &name), str::to_owned));
    Version {
        status: version["subresources"]["status"].is_object(),
        scale: scale.is_object().then(|| ScalePaths {
            spec: path(&scale["specReplicasPath"]),
            status: path(&scale["statusReplicasPath"]),
            selector: scale["labelSelectorPath"].as_str().map(|value| value.trim_start_matches('.').to_owned()),
        }),
        // A definition with a schema that does not compile is refused before it is stored.
        schema: Schema::compile(schema).ok(),
        openapi: Some(schema.clone()),
        model: TypeModel::from_schema(schema).with_status_subresource(version["subresources"]["status"].is_object()),
        columns: columns(version),
        field_labels,
        warning,
        name,
    }
}

/// What the clients of a deprecated version are told by default: what to use instead, if there is something.
fn deprecation(spec: &Value, name: &str) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
    let versions = spec["versions"].as_array().into_iter().flatten();
    let replacement = versions
        .filter(|version| version["served"] == true && version["deprecated"] != true)
        .map(|version| text(&version["name"]))
        .filter(|version| priority(version) > priority(name))
        .max_by_key(|version| priority(version));
    let told = format!("{group}/{name} {kind} is deprecated");
    replacement.map_or_else(|| told.clone(), |version| format!("{told}; use {group}/{version} {kind}"))
}

fn columns(version: &Value) -> Vec<Column> {
    let mut columns = vec![Column::name()];
    let Some(declared) = version["additionalPrinterColumns"].as_array().filter(|columns| !columns.is_empty()) else {
        let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
            "description": super::table::CREATED});
        columns.push(column(&age));
        return columns;
    };
    columns.extend(declared.iter().map(column));
    columns
}

fn column(declared: &Value) -> Column {
    let text = |field: &str| declared[field].as_str().unwrap_or_default();
    let path = text("jsonPath");
    let description = match text("description") {
        "" => format!("Custom resource definition column (in JSONPath format): {path}"),
        description => description.to_owned(),
    };
    let priority = declared["priority"].as_i64().unwrap_or(0);
    Column::new(text("name"), text("type"), &description, priority, Cell::Path(path.to_owned()))
        .formatted(text("format"))
}

/// Kubernetes' order of versions: `v2` before `v1` before `v1beta2` before `v1alpha1` before all other names.
pub(crate) fn priority(version: &str) -> (u8, u64, u64) {
    let parse = || -> Option<(u8, u64, u64)> {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major = rest[..digits].parse().ok()?;
        match &rest[digits..] {
            "" => Some((3, major, 0)),
            stage => {
                let (level, minor) = stage
                    .strip_prefix("beta")
                    .map(|minor| (2, minor))
                    .or_else(|| stage.strip_prefix("alpha").map(|minor| (1, minor)))?;
                Some((level, major, minor.parse().ok()?))
            }
        }
    };
    parse().unwrap_or((0, 0, 0))
}

/// Whether a schema has validation rules anywhere.
pub(crate) fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key("x-kubernetes-validations") || fields.values().any(has_rules),
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}
