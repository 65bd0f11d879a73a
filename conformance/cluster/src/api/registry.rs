//! The kinds that are served: built-in ones and those of custom resource definitions, in one form.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::builtin::Builtin;
use super::table::Column;
use crate::apply::TypeModel;
use crate::schema::Schema;

/// A served resource with all its versions.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// The served versions, preferred first.
    pub(crate) versions: Vec<Arc<Version>>,
    /// Where the objects are stored; `events` of both groups share one collection.
    pub(crate) collection: Arc<str>,
    pub(crate) source: Source,
}

/// Where a resource comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Built in.
    Builtin(&'static Builtin),
    /// Defined by a `CustomResourceDefinition`.
    Custom(Box<Custom>),
}

/// What only custom resources have.
#[derive(Debug)]
pub(crate) struct Custom {
    /// The name of the definition.
    pub(crate) definition: String,
    /// The version that objects are stored in.
    pub(crate) storage_version: String,
    /// Whether the definition is being deleted: no objects are created any more.
    pub(crate) terminating: bool,
}

/// One served version of a resource.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) status: bool,
    pub(crate) scale: Option<ScalePaths>,
    /// The structural schema of a custom resource.
    pub(crate) schema: Option<Schema>,
    /// The schema as documents show it.
    pub(crate) openapi: Option<Value>,
    pub(crate) model: TypeModel,
    pub(crate) columns: Vec<Column>,
    /// The field labels that selectors may use.
    pub(crate) field_labels: Vec<String>,
    /// What clients of a deprecated version are told.
    pub(crate) warning: Option<String>,
}

/// Where the scale subresource finds its values; dotted paths without the leading dot.
#[derive(Debug, Clone)]
pub(crate) struct ScalePaths {
    pub(crate) spec: String,
    pub(crate) status: String,
    pub(crate) selector: Option<String>,
}

/// All served resources by group and plural name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    resources: BTreeMap<(String, String), Arc<Resource>>,
}

impl Resource {
    /// `group/version`, or the version alone in the core group.
    pub(crate) fn api_version(&self, version: &Version) -> String {
        api_version(&self.group, &version.name)
    }

    /// Whether a `CustomResourceDefinition` defines it.
    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.source, Source::Custom(_))
    }

    /// The built-in kind, if it is one.
    pub(crate) fn builtin(&self) -> Option<&'static Builtin> {
        match self.source {
            Source::Builtin(builtin) => Some(builtin),
            Source::Custom(_) => None,
        }
    }

    /// A served version by name.
    pub(crate) fn version(&self, name: &str) -> Option<&Arc<Version>> {
        self.versions.iter().find(|version| version.name == name)
    }

    /// The apiVersion that objects are stored with.
    pub(crate) fn storage_api_version(&self) -> String {
        match &self.source {
            Source::Builtin(builtin) => api_version(builtin.storage_group(), builtin.version),
            Source::Custom(custom) => api_version(&self.group, &custom.storage_version),
        }
    }
}

/// Joins a group and a version.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

impl Registry {
    /// The resource that a path names, with the version.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<(Arc<Resource>, Arc<Version>)> {
        let resource = self.resource(group, plural)?;
        let version = resource.version(version)?.clone();
        Some((resource.clone(), version))
    }

    /// A resource by group and plural name.
    pub(crate) fn resource(&self, group: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources.get(&(group.to_owned(), plural.to_owned()))
    }

    /// All resources, sorted by group and plural name.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// Serves a resource, in place of one of the same name.
    pub(crate) fn insert(&mut self, resource: Resource) -> Arc<Resource> {
        let resource = Arc::new(resource);
        self.resources.insert((resource.group.clone(), resource.plural.clone()), resource.clone());
        resource
    }

    /// Serves a resource no more.
    pub(crate) fn remove(&mut self, group: &str, plural: &str) {
        self.resources.remove(&(group.to_owned(), plural.to_owned()));
    }
}
