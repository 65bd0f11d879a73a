//! Role-based access control.

use std::sync::Arc;

use serde_json::Value;

use super::{MASTERS, User};
use crate::api::state::State;
use crate::api::status::ApiError;

/// The group of roles and bindings.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// The resource, with its subresource after a slash.
    pub(crate) resource: String,
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    /// The path, of a request that is not for a resource.
    pub(crate) path: Option<String>,
}

/// Whether a user may do it, and by which binding: the reason that access reviews show.
pub(crate) fn allowed_by(state: &State, user: &User, wanted: &Attributes) -> Option<String> {
    if user.groups.iter().any(|group| group == MASTERS) {
        return Some(String::new());
    }
    let cluster = bindings(state, "clusterrolebindings", None).find_map(|binding| {
        let subject = subject(user, &binding, None)?;
        let (kind, role) = grants(state, &binding, None, wanted)?;
        let name = binding["metadata"]["name"].as_str().unwrap_or_default();
        Some(format!("RBAC: allowed by ClusterRoleBinding \"{name}\" of {kind} \"{role}\" to {subject}"))
    });
    let namespace = wanted.namespace.as_deref();
    cluster.or_else(|| {
        let namespace = namespace.filter(|_| wanted.path.is_none())?;
        bindings(state, "rolebindings", Some(namespace)).find_map(|binding| {
            let subject = subject(user, &binding, Some(namespace))?;
            let (kind, role) = grants(state, &binding, Some(namespace), wanted)?;
            let name = binding["metadata"]["name"].as_str().unwrap_or_default();
            Some(format!("RBAC: allowed by RoleBinding \"{name}/{namespace}\" of {kind} \"{role}\" to {subject}"))
        })
    })
}

/// Every rule that applies to a user, in a namespace or in the cluster alone.
pub(crate) fn rules_for(state: &State, user: &User, namespace: Option<&str>) -> Vec<Value> {
    let of = |binding: &Value, namespace: Option<&str>| {
        subject(user, binding, namespace)?;
        role_rules(state, &binding["roleRef"], namespace)
    };
    let cluster = bindings(state, "clusterrolebindings", None).filter_map(|binding| of(&binding, None));
    let mut rules: Vec<Value> = cluster.flatten().collect();
    if namespace.is_some() {
        rules
            .extend(bindings(state, "rolebindings", namespace).filter_map(|binding| of(&binding, namespace)).flatten());
    }
    rules
}

/// The rules of the role that a binding in a namespace, or in the cluster, refers to; none when there is no such role.
pub(crate) fn role_rules(state: &State, role: &Value, namespace: Option<&str>) -> Option<Vec<Value>> {
    let name = role["name"].as_str()?;
    let role = match (role["kind"].as_str()?, namespace) {
        ("ClusterRole", _) => state.store.object("clusterroles.rbac.authorization.k8s.io", name),
        ("Role", Some(namespace)) => {
            state.store.object("roles.rbac.authorization.k8s.io", &format!("{namespace}/{name}"))
        }
        _ => None,
    }?;
    Some(aggregated_rules(state, &role))
}

/// 403 in the words of the real server.
pub(crate) fn forbidden(user: &User, wanted: &Attributes) -> ApiError {
    let User { name: user, .. } = user;
    let Attributes { verb, group, resource, name, namespace, path } = wanted;
    if let Some(path) = path {
        let why = format!("User \"{user}\" cannot {verb} path \"{path}\"");
        let mut error = ApiError::forbidden("", "", "", &why);
        error.message = format!("forbidden: {why}");
        return error;
    }
    let scope = match namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let why = format!("User \"{user}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {scope}");
    let plural = resource.split('/').next().unwrap_or_default();
    ApiError::forbidden(group, plural, name, why)
}

fn bindings<'a>(state: &'a State, resource: &str, namespace: Option<&'a str>) -> impl Iterator<Item = Arc<Value>> + 'a {
    let collection = state.store.collection(&format!("{resource}.rbac.authorization.k8s.io"));
    collection
        .into_iter()
        .flat_map(|collection| collection.objects().values().map(|object| object.value()))
        .filter(move |binding| namespace.is_none_or(|namespace| binding["metadata"]["namespace"] == namespace))
}

/// The subject of a binding that is this user, as reasons show it.
fn subject(user: &User, binding: &Value, namespace: Option<&str>) -> Option<String> {
    let subjects = binding["subjects"].as_array()?;
    let subject = subjects.iter().find(|subject| user.is_subject(subject, namespace))?;
    let kind = subject["kind"].as_str().unwrap_or_default();
    let name = subject["name"].as_str().unwrap_or_default();
    Some(match subject["namespace"].as_str().or(namespace) {
        Some(namespace) if kind == "ServiceAccount" => format!("{kind} \"{name}/{namespace}\""),
        _ => format!("{kind} \"{name}\""),
    })
}

/// The role of a binding, if it grants what is wanted.
fn grants(state: &State, binding: &Value, namespace: Option<&str>, wanted: &Attributes) -> Option<(String, String)> {
    let kind = binding["roleRef"]["kind"].as_str()?;
    let name = binding["roleRef"]["name"].as_str()?;
    let rules = role_rules(state, &binding["roleRef"], namespace)?;
    rules.iter().any(|rule| rule_allows(rule, wanted)).then(|| (kind.to_owned(), name.to_owned()))
}

/// A role's rules, with those of the roles that it aggregates.
fn aggregated_rules(state: &State, role: &Value) -> Vec<Value> {
    let mut rules = role["rules"].as_array().cloned().unwrap_or_default();
    for selector in role["aggregationRule"]["clusterRoleSelectors"].as_array().into_iter().flatten() {
        let selector = crate::api::selector::LabelSelector::from_spec(selector);
        let all = state.store.collection("clusterroles.rbac.authorization.k8s.io");
        for other in all.into_iter().flat_map(|collection| collection.objects().values()).map(|other| other.value()) {
            if other["metadata"]["name"] != role["metadata"]["name"] && selector.matches(&other) {
                rules.extend(other["rules"].as_array().cloned().unwrap_or_default());
            }
        }
    }
    rules
}

fn rule_allows(rule: &Value, wanted: &Attributes) -> bool {
    let has = |field: &str, value: &str| {
        rule[field].as_array().into_iter().flatten().any(|item| item == "*" || item == value)
    };
    if !has("verbs", &wanted.verb) {
        return false;
    }
    if let Some(path) = &wanted.path {
        return rule["nonResourceURLs"].as_array().into_iter().flatten().filter_map(Value::as_str).any(|pattern| {
            pattern == path || pattern.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
        });
    }
    let resource = &wanted.resource;
    let any_of_subresource = resource.split_once('/').is_some_and(|(_, subresource)| {
        rule["resources"].as_array().into_iter().flatten().any(|item| *item == format!("*/{subresource}"))
    });
    let named = rule["resourceNames"].as_array().filter(|names| !names.is_empty());
    has("apiGroups", &wanted.group)
        && (has("resources", resource) || any_of_subresource)
        && named.is_none_or(|names| names.iter().any(|name| *name == wanted.name.as_str()))
}
