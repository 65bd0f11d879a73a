//! Rules of the strategies by which a gateway authenticates to its backends.

use crate::{
    HeaderInjection, OutgoingAuth, OutgoingStrategy, Secret, TokenExchange, Violation,
    headers::{name_rule, value_rule},
    proxy::SubjectTokenType,
    urls::url_rule,
};

/// Every strategy says enough, and what it says can be used.
pub(super) fn outgoing_auth(outgoing: &OutgoingAuth, found: &mut Vec<Violation>) {
    if let Some(strategy) = &outgoing.default {
        outgoing_strategy(strategy, "outgoingAuth.default", found);
    }
    for (name, strategy) in outgoing.backends.iter().flatten() {
        outgoing_strategy(strategy, &format!("outgoingAuth.backends.{name}"), found);
    }
}

/// The block named after the type is there, and it says enough.
fn outgoing_strategy(strategy: &OutgoingStrategy, path: &str, found: &mut Vec<Violation>) {
    let (block, present) = match strategy.kind.as_str() {
        "unauthenticated" | "discovered" => return,
        "external_auth_config" => ("externalAuthConfig", strategy.external_auth_config.is_some()),
        "header_injection" => ("headerInjection", strategy.header_injection.is_some()),
        "token_exchange" => ("tokenExchange", strategy.token_exchange.is_some()),
        "upstream_inject" => ("upstreamInject", strategy.upstream_inject.is_some()),
        "aws_sts" => ("awsSts", strategy.aws_sts.is_some()),
        "xaa" => ("xaa", strategy.xaa.is_some()),
        "obo" => ("obo", strategy.obo.is_some()),
        other => {
            found.push(Violation::new(
                format!("{path}.type"),
                format!(
                    "unknown type {other:?}: expected unauthenticated, discovered, external_auth_config, \
                     header_injection, token_exchange, upstream_inject, aws_sts, xaa or obo"
                ),
            ));
            return;
        }
    };
    if !present {
        found.push(Violation::new(format!("{path}.{block}"), format!("required when type is {}", strategy.kind)));
    }
    if let Some(header) = &strategy.header_injection {
        header_injection(header, &format!("{path}.headerInjection"), found);
    }
    if let Some(exchange) = &strategy.token_exchange {
        token_exchange(exchange, &format!("{path}.tokenExchange"), found);
    }
}

/// The value comes from one place, and the format has a place for it.
fn header_injection(header: &HeaderInjection, path: &str, found: &mut Vec<Violation>) {
    let sources =
        [header.header_value.is_some(), header.header_value_env.is_some(), header.header_value_secret.is_some()];
    if sources.into_iter().filter(|set| *set).count() != 1 {
        found.push(Violation::new(path, "set exactly one of headerValue, headerValueEnv and headerValueSecret"));
    }
    if header.header_format.as_ref().is_some_and(|format| !format.contains("{token}")) {
        found.push(Violation::new(
            format!("{path}.headerFormat"),
            "must contain {token}, which stands for the value: for example \"Bearer {token}\"",
        ));
    }
    name_rule(&format!("{path}.headerName"), &header.header_name, found);
    value_rule(&format!("{path}.headerValue"), header.header_value.as_ref().map_or("", Secret::expose), found);
    value_rule(&format!("{path}.headerFormat"), header.header_format.as_deref().unwrap_or_default(), found);
}

/// There is an endpoint, and whoever has a secret also has a name.
fn token_exchange(exchange: &TokenExchange, path: &str, found: &mut Vec<Violation>) {
    url_rule(&format!("{path}.tokenUrl"), &exchange.token_url, found);
    let has_secret = exchange.client_secret.is_some() || exchange.client_secret_env.is_some();
    if has_secret && exchange.client_id.as_deref().unwrap_or_default().is_empty() {
        let message = "required with a client secret, which alone authenticates nobody";
        found.push(Violation::new(format!("{path}.clientId"), message));
    }
    let kind = exchange.subject_token_type.as_deref().unwrap_or_default();
    if !kind.is_empty() && SubjectTokenType::parse(kind).is_none() {
        found.push(Violation::new(
            format!("{path}.subjectTokenType"),
            format!("{kind:?} is not a subject token type: expected access_token, id_token or jwt"),
        ));
    }
}
