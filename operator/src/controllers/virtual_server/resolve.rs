//! What a VirtualMCPServer refers to, and what its backends do.

use std::{collections::BTreeMap, sync::Arc};

use operator_api::{
    ConfigMapKeyReference, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPServerEntry, VirtualMCPServer,
};

use crate::{
    controllers::{Context, ReconcileError},
    runtime::{ObjectKey, contents::Keys, index::Referent},
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
    /// The entries of the group.
    pub entries: Vec<Arc<MCPServerEntry>>,
    /// The auth configs of those entries, by name.
    pub auth_configs: BTreeMap<String, Arc<MCPExternalAuthConfig>>,
}

/// The CA bundle of the provider `config`.
pub(super) fn ca_bundle(config: &MCPOIDCConfig) -> Option<&ConfigMapKeyReference> {
    config.spec.inline.as_ref()?.ca_bundle_ref.as_ref()?.config_map_ref.as_ref()
}

/// Reads what `server` refers to.
pub(super) async fn references(context: &Context, server: &VirtualMCPServer) -> Result<References, ReconcileError> {
    let key = ObjectKey::of(server);
    let mut references = {
        let observed = context.shared.read();
        let group = &server.spec.group_ref.name;
        let oidc = server.spec.incoming_auth.oidc_config_ref.as_ref();
        let entries: Vec<_> = observed.entries.referring(Referent::Group, &key.sibling(group)).cloned().collect();
        let names = entries.iter().filter_map(|entry| entry.spec.external_auth_config_ref.as_ref());
        let auth_configs = names.filter_map(|reference| {
            let config = observed.auth_configs.get(&key.sibling(&reference.name))?;
            Some((reference.name.clone(), config.clone()))
        });
        References {
            group: observed.groups.get(&key.sibling(group)).cloned(),
            oidc: oidc.and_then(|oidc| observed.oidc_configs.get(&key.sibling(&oidc.name)).cloned()),
            oidc_ca: None,
            auth_configs: auth_configs.collect(),
            entries,
        }
    };
    if let Some(bundle) = references.oidc.as_deref().and_then(ca_bundle) {
        let key = key.sibling(&bundle.name);
        let keys = context.contents.config_map(&key).await;
        references.oidc_ca =
            keys.map_err(|source| ReconcileError::Read { what: format!("ConfigMap {key}"), source: Box::new(source) })?;
    }
    Ok(references)
}
