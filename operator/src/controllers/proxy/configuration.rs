//! What a proxy is told: the file that `vmcp proxy` reads.

use operator_api::{HeaderForward, InlineOidc, MCPExternalAuthConfigSpec, SecretKeyReference};
use serde_json::json;
use vmcp_config::{
    Oidc,
    proxy::{
        BearerToken, HeaderInjection, ProxyConfig, ProxyHeaders, ProxyIncoming, ProxyIncomingKind, ProxyOutgoing,
        ProxyOutgoingKind, ProxyTools, SecretHeader, SecretKey, TokenExchange,
    },
};

use super::{front::Front, resolve, resolve::References};
use crate::controllers::workload::{config_volume::Bundle, shared_sessions};

/// The configuration of the proxy `front`.
pub fn of(front: &Front<'_>, references: &References) -> ProxyConfig {
    ProxyConfig {
        name: front.key.name.clone(),
        url: front.server_url.clone(),
        transport: front.transport,
        class: front.class,
        headers: front.headers.map(headers),
        incoming: incoming(front, references),
        outgoing: references.auth_config.as_deref().and_then(|config| outgoing(&config.spec)),
        tools: references.tools.as_deref().map(|config| ProxyTools {
            filter: config.spec.tools_filter.clone(),
            overrides: config.spec.tools_override.clone().unwrap_or_default(),
        }),
        trust_proxy_headers: front.trust_proxy_headers,
        endpoint_prefix: front.endpoint_prefix.filter(|prefix| !prefix.is_empty()).map(str::to_owned),
        authz: None,
        audit: None,
        telemetry: None,
        session_storage: front.session_storage.map(shared_sessions::configuration),
    }
}

fn headers(forward: &HeaderForward) -> ProxyHeaders {
    let secret = forward.add_headers_from_secret.iter().map(|header| SecretHeader {
        header: header.header_name.clone(),
        secret: header.value_secret_ref.name.clone(),
        key: header.value_secret_ref.key.clone(),
    });
    ProxyHeaders { plain: forward.add_plaintext_headers.clone(), from_secret: secret.collect() }
}

/// Who may connect. A provider that is referred to and missing leaves nobody, never everyone.
fn incoming(front: &Front<'_>, references: &References) -> ProxyIncoming {
    let inline = front.oidc.and_then(|config| config.inline.as_ref());
    let (audience, scopes, resource) = match (front.oidc_config, inline) {
        (Some(reference), _) => (&reference.audience, &reference.scopes, &reference.resource_url),
        (None, Some(inline)) => (&inline.audience, &inline.scopes, &inline.resource_url),
        (None, None) if front.oidc.is_none() => {
            return ProxyIncoming { kind: ProxyIncomingKind::Anonymous, oidc: None };
        }
        (None, None) => return ProxyIncoming { kind: ProxyIncomingKind::Oidc, oidc: None },
    };
    let provider = resolve::provider(front, references.oidc.as_deref());
    let oidc = provider.map(|provider| Oidc {
        audience: audience.clone(),
        resource: Some(resource.clone().unwrap_or_else(|| front.url())),
        scopes: Some(scopes.clone().unwrap_or_else(|| vec!["openid".to_owned()])),
        ..accepted(provider)
    });
    ProxyIncoming { kind: ProxyIncomingKind::Oidc, oidc }
}

/// Whose tokens are accepted.
fn accepted(provider: &InlineOidc) -> Oidc {
    let bundle = resolve::ca_bundle(provider);
    Oidc {
        issuer: provider.issuer.clone(),
        jwks_url: provider.jwks_url.clone(),
        jwks_allow_private_ip: provider.jwks_allow_private_ip,
        protected_resource_allow_private_ip: provider.protected_resource_allow_private_ip,
        insecure_allow_http: provider.insecure_allow_http,
        ca_bundle_path: bundle.map(|bundle| Bundle::of_provider(&bundle.name, &bundle.key).path),
        ..Oidc::default()
    }
}

/// How the proxy authenticates by `config`; `None` for types that are not served, which are never Valid.
fn outgoing(config: &MCPExternalAuthConfigSpec) -> Option<ProxyOutgoing> {
    if let Some(exchange) = &config.token_exchange {
        let kind = exchange.subject_token_type.as_deref().filter(|kind| !kind.is_empty());
        return Some(ProxyOutgoing {
            kind: ProxyOutgoingKind::TokenExchange,
            token_exchange: Some(TokenExchange {
                token_url: exchange.token_url.clone(),
                audience: Some(exchange.audience.clone()).filter(|audience| !audience.is_empty()),
                client_id: exchange.client_id.clone(),
                client_secret: exchange.client_secret_ref.as_ref().map(secret_key),
                scopes: exchange.scopes.clone().unwrap_or_default(),
                // The schema admits the names that this type reads, and no others.
                subject_token_type: kind.and_then(|kind| serde_json::from_value(json!(kind)).ok()),
            }),
            ..ProxyOutgoing::default()
        });
    }
    if let Some(injection) = &config.header_injection {
        return Some(ProxyOutgoing {
            kind: ProxyOutgoingKind::HeaderInjection,
            header_injection: Some(HeaderInjection {
                header_name: injection.header_name.clone(),
                value: secret_key(&injection.value_secret_ref),
            }),
            ..ProxyOutgoing::default()
        });
    }
    let bearer = config.bearer_token.as_ref()?;
    Some(ProxyOutgoing {
        kind: ProxyOutgoingKind::BearerToken,
        bearer_token: Some(BearerToken { token: secret_key(&bearer.token_secret_ref) }),
        ..ProxyOutgoing::default()
    })
}

fn secret_key(reference: &SecretKeyReference) -> SecretKey {
    SecretKey { secret: reference.name.clone(), key: reference.key.clone() }
}
