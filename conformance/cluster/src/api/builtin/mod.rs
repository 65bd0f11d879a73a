//! The built-in kinds: their names, traits, defaults and rules.

pub(crate) mod columns;
pub(crate) mod defaults;
pub(crate) mod events;
pub(crate) mod kinds;
pub(crate) mod pods;
pub(crate) mod services;
pub(crate) mod types;
pub(crate) mod validation;

use std::sync::Arc;

use super::registry::{Registry, Resource, ScalePaths, Source, Version};
use crate::apply::TypeModel;

/// What sets a built-in kind apart; names and traits are those of the real API.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent traits of a kind, set in one table")]
pub(crate) struct Builtin {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) short_names: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) namespaced: bool,
    pub(crate) status: bool,
    pub(crate) scale: bool,
    /// Whether `metadata.generation` counts changes of the spec.
    pub(crate) generation: bool,
    /// Whether PUT needs no resourceVersion.
    pub(crate) unconditional_update: bool,
    /// Whether PUT creates an object that is not there.
    pub(crate) create_on_update: bool,
    /// Whether DELETE answers the deleted object instead of a `Status`.
    pub(crate) returns_deleted: bool,
    /// Whether `deletecollection` is served.
    pub(crate) delete_collection: bool,
    /// Field labels beyond `metadata.name` and `metadata.namespace`.
    pub(crate) field_labels: &'static [&'static str],
}

impl Builtin {
    /// The group that the objects are stored under: events of both groups are the same objects.
    pub(crate) fn storage_group(&self) -> &'static str {
        if self.plural == "events" { "" } else { self.group }
    }
}

/// Serves every built-in kind.
pub(crate) fn register(registry: &mut Registry) {
    for builtin in kinds::KINDS {
        registry.insert(resource(builtin));
    }
}

fn resource(builtin: &'static Builtin) -> Resource {
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut field_labels = vec!["metadata.name".to_owned()];
    if builtin.namespaced {
        field_labels.push("metadata.namespace".to_owned());
    }
    field_labels.extend(strings(builtin.field_labels));
    let version = Version {
        name: builtin.version.into(),
        status: builtin.status,
        scale: builtin.scale.then(|| ScalePaths {
            spec: "spec.replicas".into(),
            status: "status.replicas".into(),
            selector: Some("spec.selector".into()),
        }),
        schema: None,
        openapi: None,
        model: TypeModel::builtin(builtin.group, builtin.kind),
        columns: columns::of(builtin),
        field_labels,
        warning: None,
    };
    Resource {
        group: builtin.group.into(),
        plural: builtin.plural.into(),
        singular: builtin.singular.into(),
        kind: builtin.kind.into(),
        list_kind: format!("{}List", builtin.kind),
        short_names: strings(builtin.short_names),
        categories: strings(builtin.categories),
        namespaced: builtin.namespaced,
        versions: vec![Arc::new(version)],
        collection: collection(builtin),
        source: Source::Builtin(builtin),
    }
}

fn collection(builtin: &Builtin) -> Arc<str> {
    super::status::qualified(builtin.plural, builtin.storage_group()).into()
}
