//! What a gateway is told: `spec.config`, with what the spec says elsewhere.

use operator_api::{IncomingAuthType, VirtualMCPServer};
use vmcp_config::{Aggregation, Config, IncomingAuth, IncomingAuthKind, Oidc, OutgoingAuth, OutgoingAuthSource};

use super::{build, resolve, resolve::References};
use crate::runtime::ObjectKey;

/// Where the CA bundle of the OpenID provider is in the pod.
pub(super) const OIDC_CA_FOLDER: &str = "/etc/vmcp-oidc-ca";
/// Its file name there.
pub(super) const OIDC_CA_FILE: &str = "ca.crt";

/// The configuration of the gateway of `server`. What the spec says elsewhere replaces what `spec.config` says of it.
pub fn of(server: &VirtualMCPServer, references: &References) -> Config {
    let mut config = server.spec.config.as_deref().cloned().unwrap_or_default();
    config.name = server.metadata.name.clone().unwrap_or_default();
    config.group_ref.clone_from(&server.spec.group_ref.name);
    config.incoming_auth = Some(match server.spec.incoming_auth.kind {
        IncomingAuthType::Anonymous => IncomingAuth { kind: IncomingAuthKind::Anonymous, oidc: None, authz: None },
        IncomingAuthType::Oidc => {
            IncomingAuth { kind: IncomingAuthKind::Oidc, oidc: Some(oidc(server, references)), authz: None }
        }
    });
    config.outgoing_auth = Some(OutgoingAuth { source: OutgoingAuthSource::Discovered, default: None, backends: None });
    config.aggregation.get_or_insert_with(Aggregation::default);
    config
}

fn oidc(server: &VirtualMCPServer, references: &References) -> Oidc {
    let reference = server.spec.incoming_auth.oidc_config_ref.clone().unwrap_or_default();
    let provider = references.oidc.as_deref();
    let inline = provider.and_then(|provider| provider.spec.inline.clone()).unwrap_or_default();
    let bundle = provider.and_then(resolve::ca_bundle);
    Oidc {
        issuer: inline.issuer,
        audience: reference.audience,
        resource: Some(reference.resource_url.unwrap_or_else(|| build::url(&ObjectKey::of(server)))),
        scopes: Some(reference.scopes.unwrap_or_else(|| vec!["openid".to_owned()])),
        jwks_url: inline.jwks_url,
        jwks_allow_private_ip: inline.jwks_allow_private_ip,
        protected_resource_allow_private_ip: inline.protected_resource_allow_private_ip,
        insecure_allow_http: inline.insecure_allow_http,
        ca_bundle_path: bundle.map(|_| format!("{OIDC_CA_FOLDER}/{OIDC_CA_FILE}")),
        ..Oidc::default()
    }
}
