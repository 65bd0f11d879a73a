//! What the object in front of whose server a proxy runs refers to.

use std::{collections::BTreeMap, sync::Arc};

use operator_api::{
    ConfigMapKeyReference, InlineOidc, MCPAuthzConfig, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig,
    MCPTelemetryConfig, MCPToolConfig,
};

use super::front::Front;
use crate::{
    controllers::{Context, ReconcileError, secrets, workload::shared_sessions},
    runtime::{
        ObjectKey,
        cache::Cache,
        contents::{Keys, Texts},
    },
};

/// What an object refers to; `None` where it does not exist, or where nothing is referred to.
#[derive(Debug, Clone, Default)]
pub struct References {
    /// The group.
    pub group: Option<Arc<MCPGroup>>,
    /// How the proxy authenticates.
    pub auth_config: Option<Arc<MCPExternalAuthConfig>>,
    /// The authorization server.
    pub auth_server: Option<Arc<MCPExternalAuthConfig>>,
    /// The OpenID provider.
    pub oidc: Option<Arc<MCPOIDCConfig>>,
    /// The ConfigMap with the CA bundle of the provider.
    pub oidc_ca: Option<Arc<Keys>>,
    /// The selection of tools.
    pub tools: Option<Arc<MCPToolConfig>>,
    /// The authorization policy.
    pub authz: Option<Arc<MCPAuthzConfig>>,
    /// The ConfigMap with the policies.
    pub policies: Option<Arc<Texts>>,
    /// Where traces and metrics go.
    pub telemetry: Option<Arc<MCPTelemetryConfig>>,
    /// The Secrets of the spec, by name, that exist.
    pub secrets: BTreeMap<String, Arc<Keys>>,
    /// The uid of the Secret with the key that the pods seal with, if it was made for this object.
    pub seal_key: Option<String>,
}

/// The OpenID provider of `front`: the one written in place, or the one that it refers to, `oidc`.
pub fn provider<'a>(front: &Front<'a>, oidc: Option<&'a MCPOIDCConfig>) -> Option<&'a InlineOidc> {
    let inline = front.oidc.and_then(|config| config.inline.as_ref()).map(|inline| &inline.provider);
    inline.or_else(|| oidc?.spec.inline.as_ref())
}

/// The CA bundle of `provider`.
pub fn ca_bundle(provider: &InlineOidc) -> Option<&ConfigMapKeyReference> {
    provider.ca_bundle_ref.as_ref()?.config_map_ref.as_ref()
}

/// Reads what `front` refers to.
pub(super) async fn references(context: &Context, front: &Front<'_>) -> Result<References, ReconcileError> {
    let key = &front.key;
    let mut references = {
        let observed = context.shared.read();
        References {
            group: find(&observed.groups, key, front.group.map(|group| &group.name)),
            auth_config: find(&observed.auth_configs, key, front.auth_config.map(|config| &config.name)),
            auth_server: find(&observed.auth_configs, key, front.auth_server.map(|server| &server.name)),
            oidc: find(&observed.oidc_configs, key, front.oidc_config.map(|config| &config.name)),
            tools: find(&observed.tool_configs, key, front.tool_config.map(|config| &config.name)),
            authz: find(&observed.authz_configs, key, front.authz_config.map(|config| &config.name)),
            telemetry: find(&observed.telemetry_configs, key, front.telemetry_config.map(|config| &config.name)),
            seal_key: shared_sessions::seal_key(&observed, key, &front.service, front.uid),
            ..References::default()
        }
    };
    if let Some(bundle) = provider(front, references.oidc.as_deref()).and_then(ca_bundle) {
        let map = key.sibling(&bundle.name);
        references.oidc_ca = context
            .contents
            .config_map(&map)
            .await
            .map_err(ReconcileError::reading(format_args!("ConfigMap {map}")))?;
    }
    if let Some(map) = front.authz.and_then(|authz| authz.config_map.as_ref()) {
        let map = key.sibling(&map.name);
        references.policies =
            context.contents.texts(&map).await.map_err(ReconcileError::reading(format_args!("ConfigMap {map}")))?;
    }
    let password = shared_sessions::password(front.session_storage).map(|password| password.name.as_str());
    let secrets = front.secrets.iter().copied().chain(password.filter(|name| !name.is_empty()));
    references.secrets = secrets::read(context, key, secrets).await?;
    Ok(references)
}

/// The object `name` beside the object `key`.
fn find<K: kube::Resource>(objects: &Cache<K>, key: &ObjectKey, name: Option<&String>) -> Option<Arc<K>> {
    objects.get(&key.sibling(name?)).cloned()
}
