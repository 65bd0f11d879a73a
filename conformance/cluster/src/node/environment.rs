//! The environment of a container: `env`, `envFrom`, and `$(NAME)` in values, command and arguments.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};

use super::downward::{self, DownwardError, Placement};
use super::sources::Sources;

/// Why a container's configuration is not complete; the messages are those of a kubelet.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvironmentError {
    #[error("configmap {0:?} not found")]
    ConfigMap(String),
    #[error("secret {0:?} not found")]
    Secret(String),
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    Key { kind: &'static str, namespace: String, name: String, key: String },
    #[error(transparent)]
    Downward(#[from] DownwardError),
    #[error("the value of environment variable {0} comes from a file of a volume, which this node does not support")]
    FileKey(String),
}

/// Computes the environment of a container. Later sources win: `base`, then `envFrom`, then `env`.
pub(crate) fn environment(
    base: BTreeMap<String, String>,
    pod: &Pod,
    container: &Container,
    placement: &Placement,
    sources: &Sources,
) -> Result<BTreeMap<String, String>, EnvironmentError> {
    let context = Context { pod, container, placement, sources };
    let mut result = base;
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let data = if let Some(reference) = &source.config_map_ref {
            let optional = reference.optional.unwrap_or_default();
            present(&sources.config_maps, &reference.name, optional, EnvironmentError::ConfigMap)?
        } else if let Some(reference) = &source.secret_ref {
            let optional = reference.optional.unwrap_or_default();
            present(&sources.secrets, &reference.name, optional, EnvironmentError::Secret)?
        } else {
            None
        };
        for (key, value) in data.into_iter().flatten() {
            result.insert(format!("{prefix}{key}"), String::from_utf8_lossy(value).into_owned());
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (None, Some(source)) => context.value_from(&variable.name, source)?,
            (value, _) => Some(expand(value.as_deref().unwrap_or_default(), &result)),
        };
        if let Some(value) = value {
            result.insert(variable.name.clone(), value);
        }
    }
    Ok(result)
}

type Data = BTreeMap<String, Vec<u8>>;

fn present<'a>(
    objects: &'a BTreeMap<String, Data>,
    name: &str,
    optional: bool,
    missing: fn(String) -> EnvironmentError,
) -> Result<Option<&'a Data>, EnvironmentError> {
    match objects.get(name) {
        None if !optional => Err(missing(name.to_owned())),
        found => Ok(found),
    }
}

struct Context<'a> {
    pod: &'a Pod,
    container: &'a Container,
    placement: &'a Placement,
    sources: &'a Sources,
}

impl Context<'_> {
    /// `None` when the source is optional and not there.
    fn value_from(&self, variable: &str, source: &EnvVarSource) -> Result<Option<String>, EnvironmentError> {
        if let Some(reference) = &source.field_ref {
            return Ok(Some(downward::field(self.pod, self.placement, &reference.field_path)?));
        }
        if let Some(selector) = &source.resource_field_ref {
            return Ok(Some(downward::resource(self.pod, &self.container.name, selector)?));
        }
        if let Some(key) = &source.config_map_key_ref {
            let optional = key.optional.unwrap_or_default();
            let data = present(&self.sources.config_maps, &key.name, optional, EnvironmentError::ConfigMap)?;
            return self.key("ConfigMap", data, &key.name, &key.key, optional);
        }
        if let Some(key) = &source.secret_key_ref {
            let optional = key.optional.unwrap_or_default();
            let data = present(&self.sources.secrets, &key.name, optional, EnvironmentError::Secret)?;
            return self.key("Secret", data, &key.name, &key.key, optional);
        }
        Err(EnvironmentError::FileKey(variable.to_owned()))
    }

    fn key(
        &self,
        kind: &'static str,
        data: Option<&Data>,
        name: &str,
        key: &str,
        optional: bool,
    ) -> Result<Option<String>, EnvironmentError> {
        match data.and_then(|data| data.get(key)) {
            Some(value) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
            None if optional => Ok(None),
            None => Err(EnvironmentError::Key {
                kind,
                namespace: self.pod.metadata.namespace.clone().unwrap_or_default(),
                name: name.to_owned(),
                key: key.to_owned(),
            }),
        }
    }
}

/// Replaces `$(NAME)` by the value of NAME; an unknown name stays as it is, and `$$(NAME)` becomes `$(NAME)`.
pub(crate) fn expand(text: &str, environment: &BTreeMap<String, String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('$') {
        result.push_str(&rest[..position]);
        rest = &rest[position + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inside| inside.split_once(')')) {
            match environment.get(name) {
                Some(value) => result.push_str(value),
                None => result.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            result.push('$');
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::Ipv4Addr;

    use serde_json::{Value, json};

    use super::*;

    fn compute(container: Value) -> Result<BTreeMap<String, String>, EnvironmentError> {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop"}})).unwrap();
        let container: Container = serde_json::from_value(container).unwrap();
        let placement = Placement {
            node: "node".into(),
            pod_address: Ipv4Addr::new(127, 80, 0, 20),
            host_address: Ipv4Addr::LOCALHOST,
        };
        let data = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.as_bytes().to_vec())]);
        let sources = Sources {
            config_maps: BTreeMap::from([("settings".to_owned(), data("LEVEL", "debug"))]),
            secrets: BTreeMap::from([("keys".to_owned(), data("token", "s3cr3t"))]),
        };
        environment(BTreeMap::new(), &pod, &container, &placement, &sources)
    }

    #[test]
    fn values_come_from_every_source() {
        let result = compute(json!({"name": "c",
            "envFrom": [{"prefix": "APP_", "configMapRef": {"name": "settings"}},
                        {"secretRef": {"name": "none", "optional": true}}],
            "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
                    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "OPTIONAL", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "y", "optional": true}}},
                    {"name": "BOTH", "value": "$(POD)-$(APP_LEVEL)-$(LATER)-$$(POD)"},
                    {"name": "LATER", "value": "x"}]}))
        .unwrap();
        let expected = [
            ("APP_LEVEL", "debug"),
            ("BOTH", "web-debug-$(LATER)-$(POD)"),
            ("LATER", "x"),
            ("POD", "web"),
            ("TOKEN", "s3cr3t"),
        ];
        assert_eq!(result.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_missing_is_named_as_a_kubelet_does() {
        for (source, message) in [
            (json!({"configMapKeyRef": {"name": "none", "key": "k"}}), "configmap \"none\" not found"),
            (json!({"secretKeyRef": {"name": "none", "key": "k"}}), "secret \"none\" not found"),
            (json!({"secretKeyRef": {"name": "keys", "key": "k"}}), "couldn't find key k in Secret shop/keys"),
        ] {
            let error = compute(json!({"name": "c", "env": [{"name": "X", "valueFrom": source}]})).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn dollars_are_expanded_as_documented() {
        let environment = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        for (text, expected) in
            [("$(A)$(A)", "11"), ("$A ${A} $", "$A ${A} $"), ("$(B", "$(B"), ("$$$(A)", "$1"), ("$$A", "$A")]
        {
            assert_eq!(expand(text, &environment), expected, "{text}");
        }
    }
}
