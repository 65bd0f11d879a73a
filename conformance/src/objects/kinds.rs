//! Which kinds the API server has, found by any of the names that kubectl takes.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::RwLock;

use super::rest::{ApiError, get};

/// A kind in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The group; empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// `MCPServerEntry`
    pub kind: String,
    /// `mcpserverentries`
    pub plural: String,
    /// `mcpserverentry`
    pub singular: String,
    /// `mcpentry`
    pub short_names: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Kind {
    /// `toolhive.stacklok.dev/v1beta1`, or `v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of the collection, or of an object in it.
    pub fn path(&self, namespace: &str, name: Option<&str>) -> String {
        let mut path = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if self.namespaced {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(&self.plural);
        if let Some(name) = name {
            path.push('/');
            path.push_str(name);
        }
        path
    }

    fn is_called(&self, name: &str) -> bool {
        let mut parts = name.splitn(2, '.');
        let word = parts.next().unwrap_or_default();
        let named = self.plural.eq_ignore_ascii_case(word)
            || self.singular.eq_ignore_ascii_case(word)
            || self.kind.eq_ignore_ascii_case(word)
            || self.short_names.iter().any(|short| short == word);
        named
            && parts.next().is_none_or(|rest| rest == self.group || rest == format!("{}.{}", self.version, self.group))
    }
}

/// The kinds of an API server, read again when one is not found.
#[derive(Clone)]
pub struct Kinds {
    client: kube::Client,
    known: Arc<RwLock<Vec<Kind>>>,
}

impl Kinds {
    /// Nothing is read yet.
    pub fn new(client: kube::Client) -> Self {
        Self { client, known: Arc::default() }
    }

    /// The kind that has this name: `MCPServerEntry`, `mcpentry`, `mcpserverentries.v1alpha1.toolhive.stacklok.dev`.
    pub async fn named(&self, name: &str) -> Result<Kind, ApiError> {
        self.find(|kind| kind.is_called(name)).await?.ok_or_else(|| ApiError::UnknownKind(name.to_owned()))
    }

    /// The kind of a manifest.
    pub async fn of(&self, object: &Value) -> Result<Kind, ApiError> {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let kind = object["kind"].as_str().unwrap_or_default();
        self.find(|known| known.kind == kind && known.api_version() == api_version)
            .await?
            .ok_or_else(|| ApiError::UnknownKind(format!("{kind} of {api_version}")))
    }

    async fn find(&self, wanted: impl Fn(&Kind) -> bool) -> Result<Option<Kind>, ApiError> {
        if let Some(kind) = self.known.read().await.iter().find(|kind| wanted(kind)) {
            return Ok(Some(kind.clone()));
        }
        let kinds = self.discover().await?;
        let found = kinds.iter().find(|kind| wanted(kind)).cloned();
        *self.known.write().await = kinds;
        Ok(found)
    }

    async fn discover(&self) -> Result<Vec<Kind>, ApiError> {
        let mut kinds = Vec::new();
        read_resources("", "v1", &get(&self.client, "/api/v1").await?, &mut kinds);
        let groups = get(&self.client, "/apis").await?;
        for group in groups["groups"].as_array().into_iter().flatten() {
            let name = group["name"].as_str().unwrap_or_default();
            let preferred = &group["preferredVersion"]["version"];
            let mut versions: Vec<&Value> =
                group["versions"].as_array().into_iter().flatten().map(|version| &version["version"]).collect();
            versions.sort_by_key(|version| *version != preferred);
            for version in versions.into_iter().filter_map(Value::as_str) {
                let list = get(&self.client, &format!("/apis/{name}/{version}")).await?;
                read_resources(name, version, &list, &mut kinds);
            }
        }
        Ok(kinds)
    }
}

fn read_resources(group: &str, version: &str, list: &Value, kinds: &mut Vec<Kind>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for resource in list["resources"].as_array().into_iter().flatten() {
        let plural = text(&resource["name"]);
        if plural.contains('/') {
            continue;
        }
        kinds.push(Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(&resource["kind"]),
            plural,
            singular: text(&resource["singularName"]),
            short_names: resource["shortNames"].as_array().into_iter().flatten().map(text).collect(),
            namespaced: resource["namespaced"] == true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Kind {
        Kind {
            group: "toolhive.stacklok.dev".into(),
            version: "v1beta1".into(),
            kind: "MCPServerEntry".into(),
            plural: "mcpserverentries".into(),
            singular: "mcpserverentry".into(),
            short_names: vec!["mcpentry".into()],
            namespaced: true,
        }
    }

    #[test]
    fn a_kind_has_the_names_that_kubectl_takes() {
        for name in [
            "MCPServerEntry",
            "mcpserverentry",
            "mcpserverentries",
            "mcpentry",
            "mcpserverentries.toolhive.stacklok.dev",
            "mcpserverentries.v1beta1.toolhive.stacklok.dev",
        ] {
            assert!(entry().is_called(name), "{name}");
        }
        assert!(!entry().is_called("mcpserverentries.v1alpha1.toolhive.stacklok.dev"));
        assert!(!entry().is_called("pod"));
    }

    #[test]
    fn paths_follow_the_scope() {
        assert_eq!(entry().path("a", Some("b")), "/apis/toolhive.stacklok.dev/v1beta1/namespaces/a/mcpserverentries/b");
    }
}
