//! The checks of an entry. Each says what it found; all of them run.

use std::collections::BTreeSet;

use operator_api::{
    ConfigCondition, EntryReason, GroupPhase, HeaderForward, MCPServerEntrySpec, find_condition, is_true,
};

use super::resolve::References;
use crate::{
    controllers::headers,
    remote_url::RemoteUrl,
    runtime::contents::{Keys, Value},
};

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Whether the entry passes.
    pub holds: bool,
    /// Why.
    pub reason: EntryReason,
    /// Why, for people.
    pub message: String,
}

impl Check {
    fn passed(reason: EntryReason, message: impl Into<String>) -> Self {
        Self { holds: true, reason, message: message.into() }
    }

    fn failed(reason: EntryReason, message: impl Into<String>) -> Self {
        Self { holds: false, reason, message: message.into() }
    }
}

/// What every check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// RemoteURLValidated.
    pub remote_url: Check,
    /// GroupRefValidated.
    pub group: Check,
    /// ExternalAuthConfigValidated.
    pub auth_config: Check,
    /// CABundleRefValidated.
    pub ca_bundle: Check,
    /// HeaderSecretRefsValidated; `None` when no header is in a Secret.
    pub header_secrets: Option<Check>,
    /// The names and values of headers; only when they cannot be sent. It has no condition of its own.
    pub headers: Option<Check>,
}

impl Checks {
    /// The checks that the entry does not pass.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        [&self.remote_url, &self.group, &self.auth_config, &self.ca_bundle]
            .into_iter()
            .chain(&self.header_secrets)
            .chain(&self.headers)
            .filter(|check| !check.holds)
    }
}

/// Runs every check of `spec`.
pub fn checks(spec: &MCPServerEntrySpec, references: &References) -> Checks {
    Checks {
        remote_url: match RemoteUrl::judge(&spec.remote_url, spec.allow_private_endpoint) {
            Ok(_) => Check::passed(EntryReason::RemoteURLValid, "The remote URL may be called"),
            Err(error) => Check::failed(EntryReason::RemoteURLInvalid, error.to_string()),
        },
        group: group(spec, references),
        auth_config: auth_config(spec, references),
        ca_bundle: ca_bundle(spec, references.ca_bundle.as_deref()),
        header_secrets: header_secrets(spec, references),
        headers: spec.header_forward.as_ref().and_then(header_names),
    }
}

fn group(spec: &MCPServerEntrySpec, references: &References) -> Check {
    let name = &spec.group_ref.name;
    let Some(group) = &references.group else {
        return Check::failed(
            EntryReason::GroupRefNotFound,
            format!("MCPGroup {name:?} does not exist in this namespace: create it, or change groupRef.name"),
        );
    };
    if group.metadata.deletion_timestamp.is_some() {
        return Check::failed(EntryReason::GroupRefNotFound, format!("MCPGroup {name:?} is being deleted"));
    }
    match group.status.as_ref().and_then(|status| status.phase) {
        Some(GroupPhase::Ready) => {
            Check::passed(EntryReason::GroupRefIsValid, format!("MCPGroup {name:?} exists and is Ready"))
        }
        phase => {
            let phase = phase.unwrap_or(GroupPhase::Pending);
            Check::failed(EntryReason::GroupRefNotReady, format!("MCPGroup {name:?} is {phase:?}, not Ready"))
        }
    }
}

fn auth_config(spec: &MCPServerEntrySpec, references: &References) -> Check {
    let Some(reference) = &spec.external_auth_config_ref else {
        return Check::passed(EntryReason::AuthConfigNotConfigured, "No external auth config is referred to");
    };
    let name = &reference.name;
    let Some(config) = &references.auth_config else {
        return Check::failed(
            EntryReason::AuthConfigNotFound,
            format!(
                "MCPExternalAuthConfig {name:?} does not exist in this namespace: create it, or change \
                 externalAuthConfigRef.name"
            ),
        );
    };
    let conditions = config.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let valid = ConfigCondition::Valid.as_str();
    if is_true(conditions, valid) {
        return Check::passed(EntryReason::AuthConfigValid, format!("MCPExternalAuthConfig {name:?} is Valid"));
    }
    let why = match find_condition(conditions, valid) {
        Some(condition) => condition.message.clone(),
        None => "it has not been checked yet".to_owned(),
    };
    Check::failed(EntryReason::AuthConfigInvalid, format!("MCPExternalAuthConfig {name:?} is not Valid: {why}"))
}

fn ca_bundle(spec: &MCPServerEntrySpec, found: Option<&Keys>) -> Check {
    let Some(reference) = spec.ca_bundle_ref.as_ref().and_then(|bundle| bundle.config_map_ref.as_ref()) else {
        return Check::passed(EntryReason::CABundleRefNotConfigured, "No CA bundle is referred to");
    };
    let (name, key) = (&reference.name, &reference.key);
    let optional = reference.optional == Some(true);
    let absent = |reason, message: String| {
        if optional {
            let message = format!("{message}; it is optional, so the system's authorities are trusted alone");
            Check::passed(EntryReason::CABundleRefNotConfigured, message)
        } else {
            Check::failed(reason, message)
        }
    };
    let Some(keys) = found else {
        return absent(
            EntryReason::CABundleRefNotFound,
            format!("ConfigMap {name:?} does not exist in this namespace: create it with the key {key:?}"),
        );
    };
    match keys.get(key) {
        Some(Value::Certificates) => Check::passed(
            EntryReason::CABundleRefValid,
            format!("ConfigMap {name:?} has certificates under the key {key:?}"),
        ),
        Some(_) => Check::failed(
            EntryReason::CABundleRefInvalid,
            format!("ConfigMap {name:?} has no PEM certificate under the key {key:?}: store the CA bundle there"),
        ),
        None => {
            absent(EntryReason::CABundleRefInvalid, format!("ConfigMap {name:?} has no key {key:?}: {}", present(keys)))
        }
    }
}

fn header_secrets(spec: &MCPServerEntrySpec, references: &References) -> Option<Check> {
    let headers = &spec.header_forward.as_ref()?.add_headers_from_secret;
    if headers.is_empty() {
        return None;
    }
    let failures: Vec<_> = headers
        .iter()
        .filter_map(|header| {
            let reference = &header.value_secret_ref;
            let (header, name, key) = (&header.header_name, &reference.name, &reference.key);
            match references.secrets.get(name) {
                None => Some(format!("header {header:?}: Secret {name:?} does not exist in this namespace")),
                Some(keys) => match keys.get(key) {
                    None => Some(format!("header {header:?}: Secret {name:?} has no key {key:?}: {}", present(keys))),
                    Some(Value::Empty) => {
                        Some(format!("header {header:?}: Secret {name:?} has nothing under the key {key:?}"))
                    }
                    Some(_) => None,
                },
            }
        })
        .collect();
    Some(if failures.is_empty() {
        Check::passed(EntryReason::HeaderSecretsValid, "Every Secret of a header exists and has its key")
    } else {
        Check::failed(EntryReason::HeaderSecretNotFound, failures.join("; "))
    })
}

/// Which keys there are instead.
fn present(keys: &Keys) -> String {
    let names: Vec<_> = keys.names().take(10).collect();
    if names.is_empty() { "it has no keys at all".to_owned() } else { format!("it has {}", names.join(", ")) }
}

fn header_names(forward: &HeaderForward) -> Option<Check> {
    let mut failures = Vec::new();
    let mut seen = BTreeSet::new();
    let secret = forward.add_headers_from_secret.iter().map(|header| &header.header_name);
    for name in forward.add_plaintext_headers.keys().chain(secret) {
        if let Some(reason) = headers::refusal(name) {
            failures.push(format!("header {name:?} cannot be set: {reason}"));
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            failures.push(format!("header {name:?} is set twice"));
        }
    }
    for (name, value) in &forward.add_plaintext_headers {
        if !headers::is_value(value) {
            failures.push(format!("header {name:?} has a value with control characters"));
        }
    }
    (!failures.is_empty()).then(|| Check::failed(EntryReason::ConfigInvalid, failures.join("; ")))
}
