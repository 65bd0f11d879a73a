//! Discovery: which groups, versions and resources are served; and the version.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::custom::priority;
use super::registry::{Resource, Version, api_version};
use super::respond::Answer;
use super::state::State;
use crate::access::reviews::{REVIEWS, ReviewKind};

/// The order of the verbs in the lists of built-in kinds.
const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// The order of the verbs in the lists of custom resources.
const CUSTOM_VERBS: &[&str] = &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// `GET /version`.
pub(crate) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": "v1.36.2+embedded",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// Answers a discovery path.
pub(crate) fn answer(state: &State, path: &str, aggregated: bool) -> Answer {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let value = match segments.as_slice() {
        ["api"] if aggregated => return Answer::Discovery(aggregate(state, true)),
        ["apis"] if aggregated => return Answer::Discovery(aggregate(state, false)),
        ["api"] => Some(json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
        })),
        ["apis"] => Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups(state)})),
        ["api", version] => resource_list(state, "", version),
        ["apis", group] => groups(state).into_iter().find(|entry| entry["name"] == *group).map(|mut entry| {
            entry["kind"] = "APIGroup".into();
            entry["apiVersion"] = "v1".into();
            entry
        }),
        ["apis", group, version] => resource_list(state, group, version),
        _ => None,
    };
    value.map_or_else(Answer::page_not_found, |value| Answer::Json { code: 200, value })
}

/// The served versions of each group, preferred first.
fn group_versions(state: &State) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let resources = state
        .registry
        .resources()
        .flat_map(|resource| resource.versions.iter().map(|version| (resource.group.clone(), version.name.clone())));
    let reviews = REVIEWS.iter().map(|review| (review.group.to_owned(), "v1".to_owned()));
    for (group, version) in resources.chain(reviews) {
        let versions = groups.entry(group).or_default();
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    for versions in groups.values_mut() {
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
    }
    groups
}

fn groups(state: &State) -> Vec<Value> {
    group_versions(state)
        .into_iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| json!({"groupVersion": api_version(&group, version), "version": version}))
                .collect();
            json!({"name": group, "versions": versions, "preferredVersion": versions[0]})
        })
        .collect()
}

fn resource_list(state: &State, group: &str, version: &str) -> Option<Value> {
    let mut entries = Vec::new();
    for resource in state.registry.resources().filter(|resource| resource.group == group) {
        if let Some(version) = resource.version(version) {
            entries.extend(resource_entries(resource, version));
        }
    }
    if version == "v1" {
        entries.extend(REVIEWS.iter().filter(|review| review.group == group).map(review_entry));
    }
    if entries.is_empty() {
        return None;
    }
    let mut list = json!({
        "kind": "APIResourceList",
        "groupVersion": api_version(group, version),
        "resources": entries,
    });
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    Some(list)
}

fn resource_entries(resource: &Resource, version: &Version) -> Vec<Value> {
    let mut main = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs(resource),
        "storageVersionHash": storage_version_hash(resource),
    });
    if !resource.short_names.is_empty() {
        main["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        main["categories"] = json!(resource.categories);
    }
    let mut entries = vec![main];
    for subresource in subresources(resource, version) {
        let mut entry = json!({
            "name": format!("{}/{}", resource.plural, subresource.name),
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": subresource.kind,
            "verbs": subresource.verbs,
        });
        if let Some((group, version)) = subresource.group_version {
            if !group.is_empty() {
                entry["group"] = group.into();
            }
            entry["version"] = version.into();
        }
        entries.push(entry);
    }
    entries
}

fn review_entry(review: &ReviewKind) -> Value {
    json!({
        "name": review.plural,
        "singularName": review.singular,
        "namespaced": review.namespaced,
        "kind": review.kind,
        "verbs": ["create"],
    })
}

struct Subresource {
    name: &'static str,
    kind: String,
    group_version: Option<(&'static str, &'static str)>,
    verbs: &'static [&'static str],
}

fn subresources(resource: &Resource, version: &Version) -> Vec<Subresource> {
    const READ_WRITE: &[&str] = &["get", "patch", "update"];
    let one =
        |name, kind: &str, group_version, verbs| Subresource { name, kind: kind.to_owned(), group_version, verbs };
    let mut list = Vec::new();
    // In the lists of custom resources status comes first, in those of built-in kinds names are sorted.
    if version.status {
        list.push(one("status", &resource.kind, None, READ_WRITE));
    }
    if version.scale.is_some() {
        list.push(one("scale", "Scale", Some(("autoscaling", "v1")), READ_WRITE));
    }
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => list.push(one("finalize", "Namespace", None, &["update"])),
        ("", "pods") => {
            list.push(one("binding", "Binding", None, &["create"]));
            list.push(one("eviction", "Eviction", Some(("policy", "v1")), &["create"]));
            list.push(one("log", "Pod", None, &["get"]));
        }
        ("", "serviceaccounts") => {
            list.push(one("token", "TokenRequest", Some(("authentication.k8s.io", "v1")), &["create"]));
        }
        _ => {}
    }
    if !resource.is_custom() {
        list.sort_by_key(|subresource| subresource.name);
    }
    list
}

fn verbs(resource: &Resource) -> Vec<&'static str> {
    match resource.builtin() {
        None => CUSTOM_VERBS.to_vec(),
        Some(builtin) => {
            let served = |verb: &&&str| builtin.delete_collection || **verb != "deletecollection";
            VERBS.iter().filter(served).copied().collect()
        }
    }
}

/// A hash of what objects are stored as, in the form of the real server.
fn storage_version_hash(resource: &Resource) -> String {
    // The real server has stored CustomResourceDefinitions as v1beta1 ever since.
    let stored = match resource.kind.as_str() {
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1beta1".to_owned(),
        _ => resource.storage_api_version(),
    };
    let (group, version) = stored.rsplit_once('/').unwrap_or(("", &stored));
    let digest = Sha256::digest(format!("{group}/{version}/{}", resource.kind));
    STANDARD.encode(&digest[..8])
}

fn aggregate(state: &State, core: bool) -> Value {
    let items: Vec<Value> = group_versions(state)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    json!({"version": version, "resources": aggregated_resources(state, &group, version), "freshness": "Current"})
                })
                .collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_resources(state: &State, group: &str, version: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    for resource in state.registry.resources().filter(|resource| resource.group == group) {
        if let Some(version) = resource.version(version) {
            entries.push(aggregated_resource(resource, version));
        }
    }
    let reviews = REVIEWS.iter().filter(|review| review.group == group && version == "v1");
    entries.extend(reviews.map(|review| {
        json!({
            "resource": review.plural,
            "responseKind": {"group": group, "version": "v1", "kind": review.kind},
            "scope": scope(review.namespaced),
            "singularResource": review.singular,
            "verbs": ["create"],
        })
    }));
    entries.sort_by(|a, b| a["resource"].as_str().cmp(&b["resource"].as_str()));
    entries
}

fn aggregated_resource(resource: &Resource, version: &Version) -> Value {
    // Built-in kinds leave out the group and version of their own list.
    let own = |kind: &str| {
        if resource.is_custom() {
            json!({"group": resource.group, "version": version.name, "kind": kind})
        } else {
            json!({"group": "", "version": "", "kind": kind})
        }
    };
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": own(&resource.kind),
        "scope": scope(resource.namespaced),
        "singularResource": resource.singular,
        "verbs": verbs(resource),
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    let mut subresources: Vec<Value> = subresources(resource, version)
        .into_iter()
        .map(|subresource| {
            let kind = match subresource.group_version {
                Some((group, version)) => json!({"group": group, "version": version, "kind": subresource.kind}),
                None => own(&subresource.kind),
            };
            json!({"subresource": subresource.name, "responseKind": kind, "verbs": subresource.verbs})
        })
        .collect();
    subresources.sort_by(|a, b| a["subresource"].as_str().cmp(&b["subresource"].as_str()));
    if !subresources.is_empty() {
        entry["subresources"] = subresources.into();
    }
    entry
}

fn scope(namespaced: bool) -> &'static str {
    if namespaced { "Namespaced" } else { "Cluster" }
}
