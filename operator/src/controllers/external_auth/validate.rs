//! The rules of an auth config that its schema does not express.

use operator_api::{ExternalAuthType, MCPExternalAuthConfigSpec, TokenExchange};
use url::Url;

use crate::controllers::{headers, secrets, unsupported};

/// Everything that is wrong with `spec`, and what of it this release does not serve.
pub fn problems(spec: &MCPExternalAuthConfigSpec) -> Vec<String> {
    let mut problems = block(spec);
    problems.extend(unsupported::problems(spec, unsupported::EXTERNAL_AUTH));
    problems
}

/// What is wrong with the block of the type.
fn block(spec: &MCPExternalAuthConfigSpec) -> Vec<String> {
    match (spec.kind, &spec.token_exchange, &spec.header_injection) {
        (ExternalAuthType::TokenExchange, Some(exchange), _) => token_exchange(exchange),
        (ExternalAuthType::HeaderInjection, _, Some(header)) => {
            let mut problems = secrets::problems(&header.value_secret_ref, "headerInjection.valueSecretRef");
            if let Some(reason) = headers::refusal(&header.header_name) {
                problems.push(format!("headerInjection.headerName {:?} cannot be set: {reason}", header.header_name));
            }
            problems
        }
        (ExternalAuthType::TokenExchange, None, _) => vec!["tokenExchange is required".to_owned()],
        (ExternalAuthType::HeaderInjection, _, None) => {
            vec!["headerInjection is required".to_owned()]
        }
        (ExternalAuthType::BearerToken, ..) => spec.bearer_token.as_ref().map_or_else(
            || vec!["bearerToken is required".to_owned()],
            |bearer| secrets::problems(&bearer.token_secret_ref, "bearerToken.tokenSecretRef"),
        ),
        // The others are not supported yet, and their blocks not judged.
        _ => Vec::new(),
    }
}

fn token_exchange(exchange: &TokenExchange) -> Vec<String> {
    let mut problems = Vec::new();
    match Url::parse(&exchange.token_url) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => problems.push(format!(
            "tokenExchange.tokenUrl {:?} is not an HTTP URL: write one such as https://auth.example.com/token",
            exchange.token_url
        )),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => problems.push(
            "tokenExchange.tokenUrl holds credentials: remove them, and use clientId and clientSecretRef".to_owned(),
        ),
        Ok(_) => {}
        Err(error) => problems.push(format!("tokenExchange.tokenUrl is not a URL ({error})")),
    }
    if exchange.audience.is_empty() {
        problems.push("tokenExchange.audience is empty: name the server that the token is for".to_owned());
    }
    if let Some(reference) = &exchange.client_secret_ref {
        problems.extend(secrets::problems(reference, "tokenExchange.clientSecretRef"));
        if exchange.client_id.as_deref().unwrap_or_default().is_empty() {
            problems.push("tokenExchange.clientId is required beside clientSecretRef".to_owned());
        }
    }
    problems
}
