//! Validation of custom resource definitions, in the words of the real server.

use serde_json::{Value, json};

use super::selectable;
use crate::api::names;
use crate::api::status::Cause;
use crate::schema::Schema;

/// What is wrong with a definition; `old` is the stored one on update.
pub(crate) fn validate(definition: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (name, group, plural) =
        (text(&definition["metadata"]["name"]), text(&spec["group"]), text(&spec["names"]["plural"]));
    if old.is_none() && name != format!("{plural}.{group}") {
        causes.push(Cause::invalid("metadata.name", &name.into(), "must be spec.names.plural+\".\"+spec.group"));
    }
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &group.into(), "should be a domain with at least one dot"));
    }
    validate_scope(&spec["scope"], &mut causes);
    validate_names(&spec["names"], &mut causes);
    validate_versions(definition, &mut causes);
    if let Some(old) = old {
        for (field, path) in [("scope", "spec.scope"), ("group", "spec.group")] {
            if old["spec"][field] != spec[field] {
                causes.push(Cause::invalid(path, &spec[field], "field is immutable"));
            }
        }
        for (field, path) in [("kind", "spec.names.kind"), ("plural", "spec.names.plural")] {
            if old["spec"]["names"][field] != spec["names"][field] {
                causes.push(Cause::invalid(path, &spec["names"][field], "field is immutable"));
            }
        }
    }
    causes
}

fn validate_scope(scope: &Value, causes: &mut Vec<Cause>) {
    match scope.as_str() {
        Some("Cluster" | "Namespaced") => {}
        None | Some("") => causes.push(Cause::required("spec.scope", "")),
        Some(_) => causes.push(Cause::unsupported("spec.scope", scope, &["Cluster", "Namespaced"])),
    }
}

fn validate_names(declared: &Value, causes: &mut Vec<Cause>) {
    for field in ["plural", "singular", "kind", "listKind"] {
        let path = format!("spec.names.{field}");
        match declared[field].as_str() {
            None | Some("") => causes.push(Cause::required(path, "")),
            Some(name) => {
                for error in names::service_label(&name.to_lowercase()) {
                    let detail = if matches!(field, "kind" | "listKind") {
                        format!("may have mixed case, but should otherwise match: {error}")
                    } else {
                        error
                    };
                    causes.push(Cause::invalid(path.clone(), &name.into(), detail));
                }
            }
        }
    }
    if declared["kind"].is_string() && declared["kind"] == declared["listKind"] {
        causes.push(Cause::invalid(
            "spec.names.listKind",
            &declared["listKind"],
            "kind and listKind may not be the same",
        ));
    }
}

fn validate_versions(definition: &Value, causes: &mut Vec<Cause>) {
    let versions: Vec<&Value> = definition["spec"]["versions"].as_array().into_iter().flatten().collect();
    let name = |version: &Value| version["name"].as_str().unwrap_or_default().to_owned();
    let schema_count = versions.iter().filter(|version| version["schema"].is_object()).count();
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}]");
        for error in names::service_label(&name(version)) {
            causes.push(Cause::invalid(format!("{path}.name"), &version["name"], error));
        }
        validate_schema(version, &path, schema_count > 1 && !same_everywhere(&versions), causes);
        validate_columns(version, &path, causes);
    }
    validate_selectable(&versions, causes);
    let mut seen = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        if seen.contains(&name(version)) {
            causes.push(Cause::duplicate(format!("spec.versions[{index}].name"), &version["name"]));
        }
        seen.push(name(version));
    }
    let storage: Vec<String> =
        versions.iter().filter(|version| version["storage"] == true).map(|version| name(version)).collect();
    if storage.len() != 1 {
        let shown = shown_versions(definition, &versions);
        let detail = "must have exactly one version marked as storage version";
        causes.push(Cause::new("FieldValueInvalid", format!("Invalid value: {shown}: {detail}"), "spec.versions"));
    }
    validate_stored(definition, &storage, &seen, causes);
}

/// Whether every version has the same schema: then the real server keeps one for all and names it so in messages.
fn same_everywhere(versions: &[&Value]) -> bool {
    versions.windows(2).all(|pair| pair[0]["schema"] == pair[1]["schema"])
}

fn validate_schema(version: &Value, path: &str, per_version: bool, causes: &mut Vec<Cause>) {
    let schema = &version["schema"]["openAPIV3Schema"];
    if !schema.is_object() {
        causes.push(Cause::required(format!("{path}.schema.openAPIV3Schema"), ""));
        return;
    }
    let Err(errors) = Schema::compile(schema) else { return };
    let root = if per_version {
        format!("{path}.schema.openAPIV3Schema")
    } else {
        "spec.validation.openAPIV3Schema".to_owned()
    };
    for error in errors {
        let field = if error.field.is_empty() { root.clone() } else { format!("{root}.{}", error.field) };
        let cause = Cause::new(error.reason(), error.message.clone(), field);
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
}

/// Fields that all versions share are kept in one place, too.
fn validate_selectable(versions: &[&Value], causes: &mut Vec<Cause>) {
    if versions.windows(2).all(|pair| pair[0]["selectableFields"] == pair[1]["selectableFields"]) {
        causes.extend(
            versions.first().into_iter().flat_map(|version| selectable::validate(version, "spec.selectableFields")),
        );
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        causes.extend(selectable::validate(version, &format!("spec.versions[{index}].selectableFields")));
    }
}

fn validate_columns(version: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (index, column) in version["additionalPrinterColumns"].as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.additionalPrinterColumns[{index}]");
        for field in ["name", "type", "jsonPath"] {
            if column[field].as_str().unwrap_or_default().is_empty() {
                causes.push(Cause::required(format!("{path}.{field}"), ""));
            }
        }
        let kinds = ["integer", "number", "string", "boolean", "date"];
        if let Some(kind) = column["type"].as_str().filter(|kind| !kind.is_empty() && !kinds.contains(kind)) {
            let shown = format!("must be one of {}", kinds.join(","));
            causes.push(Cause::invalid(format!("{path}.type"), &kind.into(), shown));
        }
    }
}

fn validate_stored(definition: &Value, storage: &[String], names: &[String], causes: &mut Vec<Cause>) {
    let path = "status.storedVersions";
    let stored = &definition["status"]["storedVersions"];
    let listed: Vec<&str> = stored.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if listed.is_empty() {
        causes.push(Cause::invalid(path, stored, "must have at least one stored version"));
    }
    for (index, version) in listed.iter().enumerate() {
        if !names.iter().any(|name| name == version) {
            let detail = format!(
                "missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions \
                 until a storage migration ensures no data remains persisted in {version} and removes {version} from \
                 status.storedVersions"
            );
            causes.push(Cause::invalid(format!("{path}[{index}]"), &(*version).into(), detail));
        }
    }
    // The real server compares with the last of several storage versions.
    if let Some(last) = storage.last()
        && !listed.is_empty()
        && !listed.contains(&last.as_str())
    {
        causes.push(Cause::invalid(path, &json!(listed), format!("must have the storage version {last}")));
    }
}

/// The versions as Go prints its internal type in messages.
fn shown_versions(definition: &Value, versions: &[&Value]) -> String {
    let shared = same_everywhere(versions);
    let shown: Vec<String> = versions
        .iter()
        .map(|version| {
            let flag = |field: &str| version[field] == true;
            let schema = if shared || !version["schema"].is_object() { "null".to_owned() } else { version["schema"].to_string() };
            format!(
                "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":{schema},\
                 \"Subresources\":{},\"AdditionalPrinterColumns\":{},\"SelectableFields\":{}}}",
                version["name"],
                flag("served"),
                flag("storage"),
                flag("deprecated"),
                version["deprecationWarning"],
                shown_subresources(&version["subresources"], versions),
                version["additionalPrinterColumns"],
                version["selectableFields"],
            )
        })
        .collect();
    let _ = definition;
    format!("[{}]", shown.join(","))
}

/// Subresources that all versions share are kept in one place and printed as null.
fn shown_subresources(subresources: &Value, versions: &[&Value]) -> String {
    let shared = versions.iter().all(|version| version["subresources"] == *subresources);
    if !subresources.is_object() || shared {
        return "null".into();
    }
    let status = if subresources["status"].is_object() { "{}" } else { "null" };
    let scale = &subresources["scale"];
    format!("{{\"Status\":{status},\"Scale\":{scale}}}")
}
