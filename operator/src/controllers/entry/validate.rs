//! The checks of an entry. Each says what it found; all of them run.

use operator_api::{EntryReason, GroupPhase, HeaderForward, MCPServerEntrySpec};

use super::resolve::References;
use crate::{
    controllers::{
        ca_bundle::{self, Bundle},
        configuration, headers,
    },
    remote_url::RemoteUrl,
    runtime::contents::Keys,
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
        ca_bundle: trust(spec, references.ca_bundle.as_deref()),
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
    match configuration::problem(config.status.as_ref()) {
        None => Check::passed(EntryReason::AuthConfigValid, format!("MCPExternalAuthConfig {name:?} is Valid")),
        Some(why) => {
            Check::failed(EntryReason::AuthConfigInvalid, format!("MCPExternalAuthConfig {name:?} is not Valid: {why}"))
        }
    }
}

fn trust(spec: &MCPServerEntrySpec, found: Option<&Keys>) -> Check {
    let Some(reference) = spec.ca_bundle_ref.as_ref().and_then(|bundle| bundle.config_map_ref.as_ref()) else {
        return Check::passed(EntryReason::CABundleRefNotConfigured, "No CA bundle is referred to");
    };
    match ca_bundle::judge(reference, found) {
        Bundle::Present(message) => Check::passed(EntryReason::CABundleRefValid, message),
        Bundle::NotNeeded(message) => Check::passed(EntryReason::CABundleRefNotConfigured, message),
        Bundle::NotFound(message) => Check::failed(EntryReason::CABundleRefNotFound, message),
        Bundle::Invalid(message) => Check::failed(EntryReason::CABundleRefInvalid, message),
    }
}

fn header_secrets(spec: &MCPServerEntrySpec, references: &References) -> Option<Check> {
    let forward = spec.header_forward.as_ref().filter(|forward| !forward.add_headers_from_secret.is_empty())?;
    let failures = headers::secret_problems(forward, &references.secrets);
    Some(if failures.is_empty() {
        Check::passed(EntryReason::HeaderSecretsValid, "Every Secret of a header exists and has its key")
    } else {
        Check::failed(EntryReason::HeaderSecretNotFound, failures.join("; "))
    })
}

fn header_names(forward: &HeaderForward) -> Option<Check> {
    let failures = headers::problems(forward);
    (!failures.is_empty()).then(|| Check::failed(EntryReason::ConfigInvalid, failures.join("; ")))
}
