//! What an entry refers to.

use std::{collections::BTreeMap, sync::Arc};

use operator_api::{MCPExternalAuthConfig, MCPGroup, MCPServerEntry};

use crate::{
    controllers::{Context, ReconcileError, headers, secrets},
    runtime::{ObjectKey, contents::Keys},
};

/// What an entry refers to; `None` where it does not exist, or where the entry refers to nothing.
#[derive(Debug, Clone, Default)]
pub struct References {
    /// The group.
    pub group: Option<Arc<MCPGroup>>,
    /// The auth config.
    pub auth_config: Option<Arc<MCPExternalAuthConfig>>,
    /// The ConfigMap with the CA bundle.
    pub ca_bundle: Option<Arc<Keys>>,
    /// The Secrets of headers, by name, that exist.
    pub secrets: BTreeMap<String, Arc<Keys>>,
}

/// Reads what `entry` refers to.
pub(super) async fn references(context: &Context, entry: &MCPServerEntry) -> Result<References, ReconcileError> {
    let key = ObjectKey::of(entry);
    let mut references = {
        let observed = context.shared.read();
        let auth = entry.spec.external_auth_config_ref.as_ref();
        References {
            group: observed.groups.get(&key.sibling(&entry.spec.group_ref.name)).cloned(),
            auth_config: auth.and_then(|auth| observed.auth_configs.get(&key.sibling(&auth.name)).cloned()),
            ..References::default()
        }
    };
    if let Some(bundle) = entry.spec.ca_bundle_ref.as_ref().and_then(|bundle| bundle.config_map_ref.as_ref()) {
        let key = key.sibling(&bundle.name);
        let keys = context.contents.config_map(&key).await;
        references.ca_bundle = keys.map_err(ReconcileError::reading(format_args!("ConfigMap {key}")))?;
    }
    if let Some(forward) = &entry.spec.header_forward {
        references.secrets = secrets::read(context, &key, headers::secrets(forward)).await?;
    }
    Ok(references)
}
