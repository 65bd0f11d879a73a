//! The rules of an auth config that its schema does not express.

mod authorization_server;

use operator_api::{
    AwsSts, CrossApplicationAccess, ExternalAuthType, HeaderInjection, MCPExternalAuthConfigSpec, OnBehalfOf,
    SecretKeyReference, TokenExchange,
};
use vmcp_config::{Duration, header_problem};

use crate::controllers::{
    endpoint::{self, Plaintext},
    secrets, unsupported,
};

/// Everything that is wrong with `spec`, and what of it this release does not serve.
pub fn problems(spec: &MCPExternalAuthConfigSpec) -> Vec<String> {
    let mut problems = block(spec);
    problems.extend(unsupported::problems(spec, unsupported::EXTERNAL_AUTH));
    problems
}

/// What is wrong with the block of the type.
fn block(spec: &MCPExternalAuthConfigSpec) -> Vec<String> {
    use ExternalAuthType as Type;
    let (name, found) = match spec.kind {
        Type::TokenExchange => ("tokenExchange", spec.token_exchange.as_ref().map(token_exchange)),
        Type::HeaderInjection => ("headerInjection", spec.header_injection.as_ref().map(header_injection)),
        Type::BearerToken => {
            let token = spec.bearer_token.as_ref().map(|bearer| &bearer.token_secret_ref);
            ("bearerToken", token.map(|token| secrets::problems(token, "bearerToken.tokenSecretRef")))
        }
        Type::Unauthenticated => return Vec::new(),
        Type::EmbeddedAuthServer => {
            ("embeddedAuthServer", spec.embedded_auth_server.as_ref().map(authorization_server::problems))
        }
        Type::AwsSts => ("awsSts", spec.aws_sts.as_ref().map(aws_sts)),
        // Its only field has a schema that says all.
        Type::UpstreamInject => ("upstreamInject", spec.upstream_inject.as_ref().map(|_| Vec::new())),
        Type::Obo => ("obo", spec.obo.as_ref().map(on_behalf_of)),
        Type::Xaa => ("xaa", spec.xaa.as_ref().map(cross_application_access)),
    };
    found.unwrap_or_else(|| vec![format!("{name} is required")])
}

fn token_exchange(exchange: &TokenExchange) -> Vec<String> {
    let endpoint = endpoint::problem("tokenExchange.tokenUrl", &exchange.token_url, Plaintext::Allowed);
    let mut problems: Vec<_> = endpoint.into_iter().collect();
    if exchange.audience.is_empty() {
        problems.push("tokenExchange.audience is empty: name the server that the token is for".to_owned());
    }
    let (id, secret) = (exchange.client_id.as_deref(), exchange.client_secret_ref.as_ref());
    problems.extend(client(("tokenExchange.clientId", id), ("tokenExchange.clientSecretRef", secret)));
    problems
}

/// What is wrong with the credentials of a client, each with its path.
fn client(id: (&str, Option<&str>), secret: (&str, Option<&SecretKeyReference>)) -> Vec<String> {
    let (path, Some(reference)) = secret else { return Vec::new() };
    let mut problems = secrets::problems(reference, path);
    if id.1.unwrap_or_default().is_empty() {
        let field = path.rsplit('.').next().unwrap_or(path);
        problems.push(format!("{} is required beside {field}", id.0));
    }
    problems
}

fn header_injection(header: &HeaderInjection) -> Vec<String> {
    let mut problems = secrets::problems(&header.value_secret_ref, "headerInjection.valueSecretRef");
    if let Some(reason) = header_problem(&header.header_name) {
        problems.push(format!("headerInjection.headerName {:?} cannot be set: {reason}", header.header_name));
    }
    problems
}

/// Somebody must get a role, and every mapping must tell who.
fn aws_sts(sts: &AwsSts) -> Vec<String> {
    let mappings = sts.role_mappings.as_deref().unwrap_or_default();
    let mut problems = Vec::new();
    if mappings.is_empty() && sts.fallback_role_arn.is_none() {
        problems.push("awsSts gives nobody a role: set fallbackRoleArn, or roleMappings".to_owned());
    }
    for (index, mapping) in mappings.iter().enumerate() {
        if mapping.claim.is_some() == mapping.matcher.is_some() {
            problems.push(format!("awsSts.roleMappings[{index}] takes claim or matcher, exactly one of them"));
        }
    }
    problems
}

fn on_behalf_of(obo: &OnBehalfOf) -> Vec<String> {
    let mut problems =
        client(("obo.clientId", obo.client_id.as_deref()), ("obo.clientSecretRef", obo.client_secret_ref.as_ref()));
    if let Some(Err(error)) = obo.cache_skew.as_deref().filter(|text| !text.is_empty()).map(str::parse::<Duration>) {
        problems.push(format!("obo.cacheSkew {error}"));
    }
    problems
}

fn cross_application_access(xaa: &CrossApplicationAccess) -> Vec<String> {
    let plaintext = match xaa.insecure_target_token_url {
        Some(true) => Plaintext::Allowed,
        _ => Plaintext::AllowedBy("insecureTargetTokenUrl"),
    };
    let endpoints = [
        endpoint::problem("xaa.idpTokenUrl", &xaa.idp_token_url, Plaintext::Refused),
        endpoint::problem("xaa.targetTokenUrl", &xaa.target_token_url, plaintext),
    ];
    let mut problems: Vec<_> = endpoints.into_iter().flatten().collect();
    if xaa.target_audience.is_empty() {
        problems.push("xaa.targetAudience is empty: name the authorization server of the remote server".to_owned());
    }
    let idp = ("xaa.idpClientSecretRef", xaa.idp_client_secret_ref.as_ref());
    problems.extend(client(("xaa.idpClientId", xaa.idp_client_id.as_deref()), idp));
    let target = ("xaa.targetClientSecretRef", xaa.target_client_secret_ref.as_ref());
    problems.extend(client(("xaa.targetClientId", xaa.target_client_id.as_deref()), target));
    problems
}
