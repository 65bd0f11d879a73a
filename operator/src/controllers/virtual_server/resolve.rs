//! What a VirtualMCPServer refers to, and what its backends do.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kube::ResourceExt;
use operator_api::{
    BackendAuth, ConfigMapKeyReference, MCPAuthzConfig, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPServerEntry,
    MCPTelemetryConfig, MCPToolConfig, VirtualMCPCompositeToolDefinition, VirtualMCPServer,
};
use vmcp_config::Config;

use super::{
    build, configuration,
    workloads::{self, Workload},
};
use crate::{
    controllers::{Context, ReconcileError, secrets, workload::shared_sessions},
    runtime::{
        Kind, ObjectKey,
        contents::{Keys, Texts},
        index::Referent,
        observed::{Observed, OwnedKind},
    },
};

/// What a VirtualMCPServer refers to; `None` where it does not exist, or where nothing is referred to.
#[derive(Debug, Clone, Default)]
pub struct References {
    /// The group.
    pub group: Option<Arc<MCPGroup>>,
    /// The OpenID provider.
    pub oidc: Option<Arc<MCPOIDCConfig>>,
    /// The ConfigMap with the CA bundle of the provider.
    pub oidc_ca: Option<Arc<Keys>>,
    /// The authorization policy.
    pub authz: Option<Arc<MCPAuthzConfig>>,
    /// The ConfigMap with the policies.
    pub policies: Option<Arc<Texts>>,
    /// The entries of the group.
    pub entries: Vec<Arc<MCPServerEntry>>,
    /// The workloads of the group.
    pub workloads: Vec<Workload>,
    /// The auth configs of those entries and workloads, and of the VirtualMCPServer itself, by name.
    pub auth_configs: BTreeMap<String, Arc<MCPExternalAuthConfig>>,
    /// The workflows that its configuration names and that exist, by name.
    pub workflows: BTreeMap<String, Arc<VirtualMCPCompositeToolDefinition>>,
    /// The selections of tools that its aggregation names and that exist, by name.
    pub tool_configs: BTreeMap<String, Arc<MCPToolConfig>>,
    /// Where its signals go.
    pub telemetry: Option<Arc<MCPTelemetryConfig>>,
    /// What its backends need.
    pub inputs: Inputs,
    /// The Secret with the password of its session storage.
    pub storage_secrets: BTreeMap<String, Arc<Keys>>,
    /// The uid of the Secret with the key that its pods seal with.
    pub seal_key: Option<String>,
    /// How many pods its Deployment is to have.
    pub deployment_replicas: Option<i32>,
}

/// The Secrets and ConfigMaps that backends need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// By name of the Secret; with the version of one that exists where a new one takes new pods, which is in inline mode:
    /// there they are environment variables.
    pub secrets: BTreeMap<String, Option<String>>,
    /// Names of the ConfigMaps.
    pub config_maps: BTreeSet<String>,
}

/// The CA bundle of the provider `config`.
pub(super) fn ca_bundle(config: &MCPOIDCConfig) -> Option<&ConfigMapKeyReference> {
    config.spec.inline.as_ref()?.ca_bundle_ref.as_ref()?.config_map_ref.as_ref()
}

/// Reads what `server` refers to.
pub(super) async fn references(context: &Context, server: &VirtualMCPServer) -> Result<References, ReconcileError> {
    let key = ObjectKey::of(server);
    let mut references = known(&context.shared.read(), server, &key);
    if let Some(bundle) = references.oidc.as_deref().and_then(ca_bundle) {
        let map = key.sibling(&bundle.name);
        references.oidc_ca = context
            .contents
            .config_map(&map)
            .await
            .map_err(ReconcileError::reading(format_args!("ConfigMap {map}")))?;
    }
    let authz = server.spec.incoming_auth.authz_config.as_ref();
    if let Some(map) = authz.and_then(|authz| authz.config_map.as_ref()) {
        let map = key.sibling(&map.name);
        references.policies =
            context.contents.texts(&map).await.map_err(ReconcileError::reading(format_args!("ConfigMap {map}")))?;
    }
    let password = shared_sessions::password(server.spec.session_storage.as_ref());
    let password = password.map(|password| password.name.as_str()).filter(|name| !name.is_empty());
    references.storage_secrets = secrets::read(context, &key, password.into_iter()).await?;
    Ok(references)
}

/// The entries of the group.
fn entries(observed: &Observed, server: &VirtualMCPServer, key: &ObjectKey) -> Vec<Arc<MCPServerEntry>> {
    let group = key.sibling(&server.spec.group_ref.name);
    observed.entries.referring(Referent::Ours(Kind::Group), &group).cloned().collect()
}

/// The auth configs of `entries`, of `workloads` and of `server` itself, by name.
fn auth_configs(
    observed: &Observed,
    server: &VirtualMCPServer,
    key: &ObjectKey,
    entries: &[Arc<MCPServerEntry>],
    workloads: &[Workload],
) -> BTreeMap<String, Arc<MCPExternalAuthConfig>> {
    let own = strategies(server).filter_map(|auth| auth.external_auth_config_ref.as_ref());
    let of_entries = entries.iter().filter_map(|entry| entry.spec.external_auth_config_ref.as_ref());
    let of_workloads = workloads.iter().filter_map(|workload| workload.auth_config.as_ref());
    own.chain(of_entries)
        .chain(of_workloads)
        .filter_map(|reference| {
            let config = observed.auth_configs.get(&key.sibling(&reference.name))?;
            Some((reference.name.clone(), config.clone()))
        })
        .collect()
}

/// What the caches know of `server`, which is named `key`.
fn known(observed: &Observed, server: &VirtualMCPServer, key: &ObjectKey) -> References {
    let group = &server.spec.group_ref.name;
    let oidc = server.spec.incoming_auth.oidc_config_ref.as_ref();
    let authz = server.spec.incoming_auth.authz_config_ref.as_ref();
    let entries = entries(observed, server, key);
    let workloads = workloads::of(observed, &key.sibling(group));
    let auth_configs = auth_configs(observed, server, key, &entries, &workloads);
    let deployment = observed.owned.of(OwnedKind::Deployment).get(&key.sibling(build::name(&key.name)));
    let replicas = deployment.and_then(|deployment| deployment.data.pointer("/spec/replicas")?.as_i64());
    let mut inputs = inputs(server, &entries, auth_configs.values());
    if configuration::is_inline(server) {
        for (name, version) in &mut inputs.secrets {
            *version = observed.secrets.get(&key.sibling(name)).and_then(|secret| secret.resource_version());
        }
    }
    let workflows = workflow_names(server).filter_map(|name| {
        let workflow = observed.composite_tools.get(&key.sibling(name))?;
        Some((name.to_owned(), workflow.clone()))
    });
    let written = configuration::written(server);
    let tool_configs = tool_config_names(&written).filter_map(|(_, name)| {
        let config = observed.tool_configs.get(&key.sibling(name))?;
        Some((name.to_owned(), config.clone()))
    });
    let telemetry = server.spec.telemetry_config_ref.as_ref();
    References {
        workflows: workflows.collect(),
        tool_configs: tool_configs.collect(),
        telemetry: telemetry.and_then(|config| observed.telemetry_configs.get(&key.sibling(&config.name)).cloned()),
        group: observed.groups.get(&key.sibling(group)).cloned(),
        oidc: oidc.and_then(|oidc| observed.oidc_configs.get(&key.sibling(&oidc.name)).cloned()),
        oidc_ca: None,
        authz: authz.and_then(|config| observed.authz_configs.get(&key.sibling(&config.name)).cloned()),
        policies: None,
        entries,
        workloads,
        auth_configs,
        inputs,
        storage_secrets: BTreeMap::new(),
        seal_key: shared_sessions::seal_key(
            observed,
            key,
            &build::name(&key.name),
            server.metadata.uid.as_deref().unwrap_or_default(),
        ),
        deployment_replicas: replicas.and_then(|replicas| i32::try_from(replicas).ok()),
    }
}

/// Names of the VirtualMCPCompositeToolDefinitions that `server` offers as tools.
pub(super) fn workflow_names(server: &VirtualMCPServer) -> impl Iterator<Item = &str> {
    let references = server.spec.config.iter().flat_map(|config| &config.composite_tool_refs).flatten();
    references.map(|reference| reference.name.as_str())
}

/// Names of the MCPToolConfigs that `config` selects tools with, each after its index in `aggregation.tools`.
pub(super) fn tool_config_names(config: &Config) -> impl Iterator<Item = (usize, &str)> {
    let tools = config.aggregation.iter().flat_map(|aggregation| &aggregation.tools).flatten().enumerate();
    tools.filter_map(|(index, workload)| Some((index, workload.tool_config_ref.as_ref()?.name.as_str())))
}

/// What `server` itself says of how to authenticate to backends.
fn strategies(server: &VirtualMCPServer) -> impl Iterator<Item = &BackendAuth> {
    let outgoing = server.spec.outgoing_auth.as_ref();
    let default = outgoing.and_then(|auth| auth.default.as_ref());
    default.into_iter().chain(outgoing.and_then(|auth| auth.backends.as_ref()).into_iter().flat_map(BTreeMap::values))
}

/// The Secrets and ConfigMaps that the backends of `server` need.
pub(super) fn inputs<'a>(
    server: &VirtualMCPServer,
    entries: &[Arc<MCPServerEntry>],
    auth_configs: impl Iterator<Item = &'a Arc<MCPExternalAuthConfig>>,
) -> Inputs {
    let mut secrets = BTreeSet::new();
    let mut config_maps = BTreeSet::new();
    for entry in entries {
        let headers = entry.spec.header_forward.iter().flat_map(|forward| &forward.add_headers_from_secret);
        secrets.extend(headers.map(|header| header.value_secret_ref.name.clone()));
        let bundle = entry.spec.ca_bundle_ref.as_ref().and_then(|bundle| bundle.config_map_ref.as_ref());
        config_maps.extend(bundle.map(|bundle| bundle.name.clone()));
    }
    for config in auth_configs {
        secrets.extend(config.spec.secrets().map(|reference| reference.name.clone()));
    }
    let accounts = strategies(server).filter_map(|auth| auth.service_account.as_ref());
    secrets.extend(accounts.map(|account| account.credentials_ref.name.clone()));
    // A rule with an empty name would match nothing, and the API server refuses it.
    let named = |names: BTreeSet<String>| names.into_iter().filter(|name| !name.is_empty());
    Inputs { secrets: named(secrets).map(|name| (name, None)).collect(), config_maps: named(config_maps).collect() }
}
