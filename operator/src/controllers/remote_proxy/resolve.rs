//! What an MCPRemoteProxy refers to.

use std::{collections::BTreeMap, sync::Arc};

use operator_api::{
    ConfigMapKeyReference, InlineOidc, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPRemoteProxy,
    MCPRemoteProxySpec, MCPToolConfig,
};

use crate::{
    controllers::{Context, ReconcileError, headers},
    runtime::{ObjectKey, contents::Keys},
};

/// What an MCPRemoteProxy refers to; `None` where it does not exist, or where nothing is referred to.
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
    /// The Secrets of headers, by name, that exist.
    pub secrets: BTreeMap<String, Arc<Keys>>,
}

/// The OpenID provider of `spec`: the one written in place, or the one that it refers to, `oidc`.
pub fn provider<'a>(spec: &'a MCPRemoteProxySpec, oidc: Option<&'a MCPOIDCConfig>) -> Option<&'a InlineOidc> {
    let inline = spec.oidc_config.as_ref().and_then(|config| config.inline.as_ref()).map(|inline| &inline.provider);
    inline.or_else(|| oidc?.spec.inline.as_ref())
}

/// The CA bundle of `provider`.
pub fn ca_bundle(provider: &InlineOidc) -> Option<&ConfigMapKeyReference> {
    provider.ca_bundle_ref.as_ref()?.config_map_ref.as_ref()
}

/// Reads what `proxy` refers to.
pub(super) async fn references(context: &Context, proxy: &MCPRemoteProxy) -> Result<References, ReconcileError> {
    let key = ObjectKey::of(proxy);
    let spec = &proxy.spec;
    let mut references = {
        let observed = context.shared.read();
        let group = spec.group_ref.as_ref();
        let auth = spec.external_auth_config_ref.as_ref();
        let server = spec.auth_server_ref.as_ref();
        let oidc = spec.oidc_config_ref.as_ref();
        let tools = spec.tool_config_ref.as_ref();
        References {
            group: group.and_then(|group| observed.groups.get(&key.sibling(&group.name)).cloned()),
            auth_config: auth.and_then(|auth| observed.auth_configs.get(&key.sibling(&auth.name)).cloned()),
            auth_server: server.and_then(|server| observed.auth_configs.get(&key.sibling(&server.name)).cloned()),
            oidc: oidc.and_then(|oidc| observed.oidc_configs.get(&key.sibling(&oidc.name)).cloned()),
            tools: tools.and_then(|tools| observed.tool_configs.get(&key.sibling(&tools.name)).cloned()),
            ..References::default()
        }
    };
    if let Some(bundle) = provider(spec, references.oidc.as_deref()).and_then(ca_bundle) {
        let key = key.sibling(&bundle.name);
        let keys = context.contents.config_map(&key).await;
        references.oidc_ca =
            keys.map_err(|source| ReconcileError::Read { what: format!("ConfigMap {key}"), source: Box::new(source) })?;
    }
    if let Some(forward) = &spec.header_forward {
        references.secrets = headers::secrets(context, &key, forward).await?;
    }
    Ok(references)
}
