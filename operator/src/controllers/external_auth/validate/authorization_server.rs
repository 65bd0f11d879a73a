//! The rules of an authorization server that runs beside a server.

use std::collections::BTreeSet;

use operator_api::{AuthServerStorageType, EmbeddedAuthServer, Oauth2Provider, OidcProvider, UpstreamProvider};

use crate::controllers::{
    endpoint::{self, Plaintext},
    secrets,
};

const PATH: &str = "embeddedAuthServer";

/// Everything that is wrong with `server`.
pub(super) fn problems(server: &EmbeddedAuthServer) -> Vec<String> {
    let plaintext =
        if server.insecure_allow_http { Plaintext::Allowed } else { Plaintext::AllowedBy("insecureAllowHTTP") };
    let base = server.authorization_endpoint_base_url.as_deref();
    let own = [("issuer", Some(server.issuer.as_str())), ("authorizationEndpointBaseUrl", base)];
    let own =
        own.into_iter().filter_map(|(field, text)| endpoint::problem(&format!("{PATH}.{field}"), text?, plaintext));
    let mut problems: Vec<_> = own.collect();
    for (index, provider) in server.upstream_providers.iter().enumerate() {
        problems.extend(upstream(provider, &format!("{PATH}.upstreamProviders[{index}]")));
    }
    let names: BTreeSet<_> = server.upstream_providers.iter().map(|provider| provider.name.as_str()).collect();
    if let Some(primary) = server.primary_upstream_provider.as_deref().filter(|primary| !names.contains(primary)) {
        problems.push(format!("{PATH}.primaryUpstreamProvider {primary:?} is none of upstreamProviders: name one"));
    }
    for (field, references) in
        [("signingKeySecretRefs", &server.signing_key_secret_refs), ("hmacSecretRefs", &server.hmac_secret_refs)]
    {
        for (index, reference) in references.iter().flatten().enumerate() {
            problems.extend(secrets::problems(reference, &format!("{PATH}.{field}[{index}]")));
        }
    }
    if let Some(storage) = &server.storage
        && (storage.kind == AuthServerStorageType::Redis) != storage.redis.is_some()
    {
        problems.push(format!("{PATH}.storage.redis goes with type redis: set both or none"));
    }
    problems
}

fn upstream(provider: &UpstreamProvider, path: &str) -> Vec<String> {
    let oidc = provider.oidc_config.as_ref().map(|oidc| self::oidc(oidc, &format!("{path}.oidcConfig")));
    let oauth2 = provider.oauth2_config.as_ref().map(|oauth2| self::oauth2(oauth2, &format!("{path}.oauth2Config")));
    oidc.into_iter().chain(oauth2).flatten().collect()
}

fn oidc(oidc: &OidcProvider, path: &str) -> Vec<String> {
    let mut problems: Vec<_> =
        endpoint::problem(&format!("{path}.issuerUrl"), &oidc.issuer_url, Plaintext::Refused).into_iter().collect();
    if oidc.client_id.is_empty() {
        problems.push(format!("{path}.clientId is empty"));
    }
    let secret = oidc.client_secret_ref.as_ref();
    problems
        .extend(secret.into_iter().flat_map(|secret| secrets::problems(secret, &format!("{path}.clientSecretRef"))));
    problems
}

fn oauth2(oauth2: &Oauth2Provider, path: &str) -> Vec<String> {
    let plaintext = match oauth2.insecure_allow_http {
        Some(true) => Plaintext::Allowed,
        _ => Plaintext::AllowedBy("insecureAllowHTTP"),
    };
    let endpoints =
        [("authorizationEndpoint", &oauth2.authorization_endpoint), ("tokenEndpoint", &oauth2.token_endpoint)];
    let found =
        endpoints.into_iter().filter_map(|(field, url)| endpoint::problem(&format!("{path}.{field}"), url, plaintext));
    let mut problems: Vec<_> = found.collect();
    let secret = oauth2.client_secret_ref.as_ref();
    problems
        .extend(secret.into_iter().flat_map(|secret| secrets::problems(secret, &format!("{path}.clientSecretRef"))));
    problems
}
