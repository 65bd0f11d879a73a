//! Who sends a request, and what they may do.

pub(crate) mod bootstrap;
pub(crate) mod escalation;
pub(crate) mod impersonation;
pub(crate) mod rbac;
pub(crate) mod reviews;
mod rules;
pub(crate) mod token;

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The user name of requests without credentials.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// The group that may do everything.
pub(crate) const MASTERS: &str = "system:masters";

/// An authenticated user, or the anonymous one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// The cluster's administrator.
    pub(crate) fn admin() -> Self {
        Self::named("kubernetes-admin", &[MASTERS, "system:authenticated"])
    }

    /// Whoever sends no credentials.
    pub(crate) fn anonymous() -> Self {
        Self::named(ANONYMOUS, &["system:unauthenticated"])
    }

    /// A user with groups.
    pub(crate) fn named(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Self { name: name.to_owned(), groups, ..Self::default() }
    }

    /// The user as `UserInfo`.
    pub(crate) fn info(&self) -> Value {
        let mut info = json!({"username": self.name});
        if !self.uid.is_empty() {
            info["uid"] = self.uid.as_str().into();
        }
        if !self.groups.is_empty() {
            info["groups"] = json!(self.groups);
        }
        if !self.extra.is_empty() {
            info["extra"] = json!(self.extra);
        }
        info
    }

    /// Whether a binding's subject is this user.
    pub(crate) fn is_subject(&self, subject: &Value, namespace: Option<&str>) -> bool {
        let name = subject["name"].as_str().unwrap_or_default();
        match subject["kind"].as_str() {
            Some("User") => self.name == name,
            Some("Group") => self.groups.iter().any(|group| group == name),
            Some("ServiceAccount") => {
                let namespace = subject["namespace"].as_str().filter(|value| !value.is_empty()).or(namespace);
                namespace.is_some_and(|namespace| self.name == format!("system:serviceaccount:{namespace}:{name}"))
            }
            _ => false,
        }
    }
}
