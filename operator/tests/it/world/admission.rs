//! What the API server says to an object of ours, by its definition.

use std::{collections::BTreeMap, sync::LazyLock};

use embedded_cluster::schema::Schema;
use operator::runtime::observed::OwnedKind;
use serde_json::Value;

/// The definition of a kind of ours.
pub(crate) struct Definition {
    /// The plural of the kind.
    plural: String,
    /// What a spec may be.
    pub(crate) spec: Value,
    schema: Schema,
}

/// The stored version of every definition, by kind.
static DEFINITIONS: LazyLock<BTreeMap<String, Definition>> = LazyLock::new(|| {
    let crds = operator_api::crds().into_iter();
    crds.map(|crd| {
        let version = crd.spec.versions.iter().find(|version| version.storage).unwrap();
        let schema = serde_json::to_value(version.schema.as_ref().unwrap().open_api_v3_schema.as_ref()).unwrap();
        let definition = Definition {
            plural: crd.spec.names.plural,
            spec: schema["properties"]["spec"].clone(),
            schema: Schema::compile(&schema).unwrap_or_else(|errors| panic!("{errors:?}")),
        };
        (crd.spec.names.kind, definition)
    })
    .collect()
});

/// The definition of `kind`; `None` for kinds of the core.
pub(crate) fn definition(kind: &str) -> Option<&'static Definition> {
    DEFINITIONS.get(kind)
}

/// How `kind` is called in paths.
pub(super) fn plural(kind: &str) -> String {
    if let Some(definition) = definition(kind) {
        return definition.plural.clone();
    }
    let owned = OwnedKind::ALL.into_iter().map(OwnedKind::api_resource).find(|resource| resource.kind == kind);
    owned.map_or_else(|| format!("{}s", kind.to_lowercase()), |resource| resource.plural)
}

/// Fills in the defaults of `object` as the API server would, or says why that would refuse it.
pub(crate) fn admit(object: &mut Value) -> Result<(), String> {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let Some(Definition { schema, .. }) = definition(&kind) else { return Ok(()) };
    let unknown = schema.prune(object);
    if !unknown.is_empty() {
        return Err(format!("unknown fields {unknown:?}"));
    }
    schema.default(object);
    let errors = schema.validate(object, None);
    if errors.is_empty() { Ok(()) } else { Err(format!("{errors:?}")) }
}
