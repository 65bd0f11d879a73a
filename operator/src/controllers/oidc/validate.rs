//! The rules of an OpenID provider that its schema does not express.

use crate::controllers::{
    endpoint::{self, Plaintext},
    unsupported,
};
use operator_api::{InlineOidc, KubernetesServiceAccountOidc, MCPOIDCConfigSpec, OidcType};

/// Everything that is wrong with `spec`, and what of it this release does not serve.
pub fn problems(spec: &MCPOIDCConfigSpec) -> Vec<String> {
    let (name, found) = match spec.kind {
        OidcType::Inline => ("inline", spec.inline.as_ref().map(inline_problems)),
        OidcType::KubernetesServiceAccount => {
            ("kubernetesServiceAccount", spec.kubernetes_service_account.as_ref().map(service_account_problems))
        }
    };
    let mut problems = found.unwrap_or_else(|| vec![format!("{name} is required")]);
    problems.extend(unsupported::problems(spec, unsupported::OIDC));
    problems
}

/// What is wrong with a provider that is written in place.
pub fn inline_problems(inline: &InlineOidc) -> Vec<String> {
    let plaintext =
        if inline.insecure_allow_http { Plaintext::Allowed } else { Plaintext::AllowedBy("insecureAllowHTTP") };
    let jwks = inline.jwks_url.as_deref().map(|text| ("inline.jwksUrl", text));
    let mut problems: Vec<_> = [("inline.issuer", inline.issuer.as_str())]
        .into_iter()
        .chain(jwks)
        .filter_map(|(path, text)| endpoint::problem(path, text, plaintext))
        .collect();
    let bundle = inline.ca_bundle_ref.as_ref().and_then(|bundle| bundle.config_map_ref.as_ref());
    if bundle.is_some_and(|bundle| bundle.name.is_empty()) {
        problems.push("inline.caBundleRef.configMapRef.name is empty".to_owned());
    }
    problems
}

/// What is wrong with the cluster as a provider.
fn service_account_problems(cluster: &KubernetesServiceAccountOidc) -> Vec<String> {
    [
        ("kubernetesServiceAccount.issuer", Some(cluster.issuer.as_str())),
        ("kubernetesServiceAccount.jwksUrl", cluster.jwks_url.as_deref()),
        ("kubernetesServiceAccount.introspectionUrl", cluster.introspection_url.as_deref()),
    ]
    .into_iter()
    .filter_map(|(path, text)| endpoint::problem(path, text?, Plaintext::Refused))
    .collect()
}
