//! The CustomResourceDefinitions, made from the types.
//!
//! What a derived schema cannot say is added here once for all kinds: the deprecated version, the default status, the
//! published schema of conditions, and that nothing is nullable.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSON, JSONSchemaProps,
};
use kube::CustomResourceExt;
use serde_json::json;

use crate::{
    DEPRECATED_VERSION, GROUP, MCPAuthzConfig, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPRemoteProxy,
    MCPServer, MCPServerEntry, MCPTelemetryConfig, MCPToolConfig, VERSION, VirtualMCPCompositeToolDefinition,
    VirtualMCPServer,
};

/// Asks the operator to rewrite objects that are stored in the deprecated version, when its value is `true`.
pub const MIGRATE_LABEL: &str = "toolhive.stacklok.dev/auto-migrate-storage-version";

/// The CustomResourceDefinitions that an administrator installs, by name.
pub fn crds() -> Vec<CustomResourceDefinition> {
    [
        MCPAuthzConfig::crd(),
        MCPExternalAuthConfig::crd(),
        with_empty_spec(MCPGroup::crd()),
        MCPOIDCConfig::crd(),
        MCPRemoteProxy::crd(),
        MCPServerEntry::crd(),
        MCPServer::crd(),
        with_empty_spec(MCPTelemetryConfig::crd()),
        with_empty_spec(MCPToolConfig::crd()),
        VirtualMCPCompositeToolDefinition::crd(),
        VirtualMCPServer::crd(),
    ]
    .into_iter()
    .map(published)
    .collect()
}

/// An object that may be nothing but its name.
fn with_empty_spec(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(spec) = property(version, "spec") {
            spec.default = Some(JSON(json!({})));
        }
    }
    crd
}

fn published(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    crd.metadata.labels.get_or_insert_default().insert(MIGRATE_LABEL.to_owned(), "true".to_owned());
    let kind = crd.spec.names.kind.clone();
    crd.spec.names.list_kind = Some(format!("{kind}List"));
    for version in &mut crd.spec.versions {
        if let Some(schema) = root(version) {
            deny_null(schema);
            schema.title = None;
            let properties = schema.properties.get_or_insert_default();
            for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
                properties
                    .insert(name.to_owned(), JSONSchemaProps { type_: Some(kind.to_owned()), ..Default::default() });
            }
        }
        if let Some(status) = property(version, "status") {
            status.default = Some(JSON(json!({})));
            status.description = Some(format!("What the operator observed of the {kind}."));
            let conditions = status.properties.as_mut().and_then(|properties| properties.get_mut("conditions"));
            if let Some(conditions) = conditions {
                conditions.items = serde_json::from_value(condition_schema()).ok();
            }
        }
    }
    let deprecated: Vec<_> = crd.spec.versions.iter().cloned().map(|version| deprecate(version, &kind)).collect();
    crd.spec.versions.splice(0..0, deprecated);
    crd
}

/// The same schema under the deprecated version.
fn deprecate(mut version: CustomResourceDefinitionVersion, kind: &str) -> CustomResourceDefinitionVersion {
    DEPRECATED_VERSION.clone_into(&mut version.name);
    version.storage = false;
    version.deprecated = Some(true);
    version.deprecation_warning = Some(format!("{GROUP}/{DEPRECATED_VERSION} is deprecated; use {VERSION}"));
    if let Some(schema) = root(&mut version) {
        schema.description = Some(format!("The deprecated version {DEPRECATED_VERSION} of {kind}."));
    }
    version
}

fn root(version: &mut CustomResourceDefinitionVersion) -> Option<&mut JSONSchemaProps> {
    version.schema.as_mut()?.open_api_v3_schema.as_mut()
}

fn property<'a>(version: &'a mut CustomResourceDefinitionVersion, name: &str) -> Option<&'a mut JSONSchemaProps> {
    root(version)?.properties.as_mut()?.get_mut(name)
}

/// An optional field is left out, not null.
fn deny_null(schema: &mut JSONSchemaProps) {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        JSONSchemaPropsOrArray as OneOrMany, JSONSchemaPropsOrBool as SchemaOrBool,
    };
    schema.nullable = None;
    if let Some(values) = &mut schema.enum_ {
        values.retain(|value| !value.0.is_null());
    }
    schema.properties.iter_mut().flatten().for_each(|(_, property)| deny_null(property));
    match &mut schema.items {
        Some(OneOrMany::Schema(item)) => deny_null(item),
        Some(OneOrMany::Schemas(items)) => items.iter_mut().for_each(deny_null),
        None => {}
    }
    if let Some(SchemaOrBool::Schema(values)) = &mut schema.additional_properties {
        deny_null(values);
    }
}

/// The schema of `metav1.Condition`, with the bounds that the API server enforces on it.
fn condition_schema() -> serde_json::Value {
    json!({
        "type": "object",
        "description": "One aspect of the object's state.",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": {
                "type": "string", "format": "date-time", "description": "When the status of the condition changed last."
            },
            "message": {
                "type": "string", "maxLength": 32768, "description": "What was observed, for people; may be empty."
            },
            "observedGeneration": {
                "type": "integer", "format": "int64", "minimum": 0,
                "description": "Generation of the spec that the condition is about."
            },
            "reason": {
                "type": "string", "minLength": 1, "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                "description": "Why the condition has its status, for programs."
            },
            "status": {
                "type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether the condition holds."
            },
            "type": {
                "type": "string", "maxLength": 316,
                "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                "description": "The aspect."
            }
        }
    })
}
