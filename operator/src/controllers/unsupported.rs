//! Fields that a kind has and that this release does not serve yet: an object that sets one is not Valid, and its
//! condition names the field.
//!
//! Whoever builds a field deletes its row here. A row is a path in the spec (`[]` stands for the items of a list, `{}` for
//! the values of a map), and when it counts.

use serde::Serialize;
use serde_json::Value;

/// A field that is not served yet, or some values of one.
#[derive(Debug, Clone, Copy)]
pub struct Unsupported {
    /// Where the field is in the spec.
    pub path: &'static str,
    /// Which values are not served.
    pub values: Values,
}

/// Some values of a field.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// Every value that says something: not false, and not empty.
    All,
    /// This value.
    Only(&'static str),
    /// Every value but this.
    Except(&'static str),
}

const fn field(path: &'static str) -> Unsupported {
    Unsupported { path, values: Values::All }
}

const fn value(path: &'static str, value: &'static str) -> Unsupported {
    Unsupported { path, values: Values::Only(value) }
}

const fn other_than(path: &'static str, value: &'static str) -> Unsupported {
    Unsupported { path, values: Values::Except(value) }
}

/// Of an MCPExternalAuthConfig.
pub const EXTERNAL_AUTH: &[Unsupported] = &[
    value("type", "embeddedAuthServer"),
    value("type", "awsSts"),
    value("type", "upstreamInject"),
    value("type", "obo"),
    value("type", "xaa"),
    field("tokenExchange.subjectProviderName"),
    field("tokenExchange.externalTokenHeaderName"),
];

/// Of an MCPOIDCConfig.
pub const OIDC: &[Unsupported] = &[
    value("type", "kubernetesServiceAccount"),
    field("inline.jwksAuthTokenPath"),
    field("inline.introspectionUrl"),
    field("inline.clientId"),
    field("inline.clientSecretRef"),
];

/// Of an MCPRemoteProxy.
pub const REMOTE_PROXY: &[Unsupported] = &[
    field("authServerRef"),
    field("authzConfig"),
    field("authzConfigRef"),
    field("audit.enabled"),
    field("telemetryConfigRef"),
    field("oidcConfig.inline.jwksAuthTokenPath"),
    field("oidcConfig.inline.introspectionUrl"),
    field("oidcConfig.inline.clientId"),
    field("oidcConfig.inline.clientSecretRef"),
];

/// Of an MCPServer.
pub const SERVER: &[Unsupported] = &[
    field("authServerRef"),
    field("authzConfig"),
    field("authzConfigRef"),
    field("audit.enabled"),
    field("telemetryConfigRef"),
    field("webhookConfigRef"),
    field("rateLimiting"),
    value("permissionProfile.type", "configmap"),
    other_than("permissionProfile.name", "network"),
];

/// Of a VirtualMCPServer; what is not served of `spec.config` the configuration says itself.
pub const VIRTUAL_SERVER: &[Unsupported] = &[
    field("incomingAuth.authzConfig"),
    field("incomingAuth.authzConfigRef"),
    field("authServerConfig"),
    field("telemetryConfigRef"),
    field("embeddingServerRef"),
];

/// One sentence per row that `spec` runs into, each starting with the field's path.
pub fn problems<S: Serialize>(spec: &S, rows: &[Unsupported]) -> Vec<String> {
    let spec = serde_json::to_value(spec).unwrap_or_default();
    let mut problems = Vec::new();
    for row in rows {
        visit(&spec, row.path, "", &mut |path, found| {
            let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            match row.values {
                Values::All if says_something(found) => {
                    problems.push(format!("{path} is not supported by this release: remove it"));
                }
                Values::Only(unserved) if text == unserved => {
                    problems.push(format!("{path} {unserved} is not supported by this release: choose another"));
                }
                Values::Except(served) if text != served => {
                    problems.push(format!("{path} {text} is not supported by this release: use {served}"));
                }
                _ => {}
            }
        });
    }
    problems
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// Calls `found` with every value at `path` below `value`, and its full path.
fn visit(value: &Value, path: &str, walked: &str, found: &mut impl FnMut(&str, &Value)) {
    if path.is_empty() {
        return found(walked, value);
    }
    if let Some(rest) = path.strip_prefix("[]") {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            visit(item, rest, &format!("{walked}[{index}]"), found);
        }
        return;
    }
    if let Some(rest) = path.strip_prefix("{}") {
        for (key, item) in value.as_object().into_iter().flatten() {
            visit(item, rest, &format!("{walked}[{key:?}]"), found);
        }
        return;
    }
    let path = path.trim_start_matches('.');
    let end = path.find(['.', '[', '{']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    if let Some(member) = value.get(name) {
        let walked = if walked.is_empty() { name.to_owned() } else { format!("{walked}.{name}") };
        visit(member, rest, &walked, found);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    /// The schema of the field at `path` of the spec of `kind`.
    fn schema(kind: &str, path: &str) -> Option<Value> {
        let crd = operator_api::crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
        let crd = serde_json::to_value(crd).unwrap();
        let mut schema = crd["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone();
        for step in path.replace("[]", ".[]").replace("{}", ".{}").split('.') {
            let next = match step {
                "[]" => schema.get("items"),
                "{}" => schema.get("additionalProperties"),
                name => schema["properties"].get(name),
            };
            schema = next?.clone();
        }
        Some(schema)
    }

    #[test]
    fn every_row_is_a_field_of_its_kind_and_a_value_of_that_field() {
        for (kind, rows) in [
            ("MCPExternalAuthConfig", EXTERNAL_AUTH),
            ("MCPOIDCConfig", OIDC),
            ("MCPRemoteProxy", REMOTE_PROXY),
            ("MCPServer", SERVER),
            ("VirtualMCPServer", VIRTUAL_SERVER),
        ] {
            for row in rows {
                let schema = schema(kind, row.path).unwrap_or_else(|| panic!("{kind} has no {}", row.path));
                if let (Values::Only(value) | Values::Except(value), Some(known)) = (row.values, schema.get("enum")) {
                    assert!(known.as_array().unwrap().contains(&json!(value)), "{kind} {} {value}", row.path);
                }
            }
        }
    }

    #[test]
    fn what_is_set_and_not_served_is_named_with_its_path() {
        let rows = [
            field("a.b"),
            field("list[].x"),
            value("map{}.type", "new"),
            other_than("profile", "network"),
            field("empty"),
            field("off"),
        ];
        let spec = json!({
            "a": {"b": {"c": 1}},
            "list": [{"y": 1}, {"x": "text"}],
            "map": {"k": {"type": "new"}, "l": {"type": "old"}},
            "profile": "none", "empty": [], "off": false
        });
        assert_eq!(
            problems(&spec, &rows),
            [
                "a.b is not supported by this release: remove it",
                "list[1].x is not supported by this release: remove it",
                "map[\"k\"].type new is not supported by this release: choose another",
                "profile none is not supported by this release: use network",
            ]
        );
        assert_eq!(problems(&json!({"map": {}, "profile": "network"}), &rows), Vec::<String>::new());
    }
}
