//! The rules of an OpenID provider that its schema does not express.

use operator_api::{InlineOidc, MCPOIDCConfigSpec, OidcType};
use url::Url;

use crate::controllers::unsupported;

/// Everything that is wrong with `spec`, and what of it this release does not serve.
pub fn problems(spec: &MCPOIDCConfigSpec) -> Vec<String> {
    let mut problems = match (spec.kind, &spec.inline) {
        (OidcType::Inline, Some(block)) => inline_problems(block),
        (OidcType::Inline, None) => vec!["inline is required".to_owned()],
        (OidcType::KubernetesServiceAccount, _) => Vec::new(),
    };
    problems.extend(unsupported::problems(spec, unsupported::OIDC));
    problems
}

/// What is wrong with a provider that is written in place.
pub fn inline_problems(inline: &InlineOidc) -> Vec<String> {
    let jwks = inline.jwks_url.as_deref().map(|text| ("inline.jwksUrl", text));
    let mut problems: Vec<_> = [("inline.issuer", inline.issuer.as_str())]
        .into_iter()
        .chain(jwks)
        .filter_map(|(path, text)| endpoint(path, text, inline))
        .collect();
    let bundle = inline.ca_bundle_ref.as_ref().and_then(|bundle| bundle.config_map_ref.as_ref());
    if bundle.is_some_and(|bundle| bundle.name.is_empty()) {
        problems.push("inline.caBundleRef.configMapRef.name is empty".to_owned());
    }
    problems
}

fn endpoint(path: &str, text: &str, inline: &InlineOidc) -> Option<String> {
    match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Some(format!("{path} holds credentials: remove them"))
        }
        Ok(url) if url.scheme() == "https" => None,
        Ok(url) if url.scheme() == "http" && inline.insecure_allow_http => None,
        Ok(url) if url.scheme() == "http" => {
            Some(format!("{path} {text:?} is without TLS: use https://, or set insecureAllowHTTP for tests"))
        }
        _ => Some(format!("{path} {text:?} is not a URL such as https://idp.example.com")),
    }
}
