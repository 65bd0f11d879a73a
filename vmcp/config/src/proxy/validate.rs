//! Rules of a proxy's configuration that the types do not express, and what this release does not serve.

use crate::{
    SessionProvider, Transport, Violation,
    headers::{name_rule, value_rule},
    selection_problems,
    urls::url_rule,
    validate::{oidc_rules, session_storage},
};

use super::{ProxyConfig, ProxyIncomingKind, ProxyOutgoing, ProxyOutgoingKind, SecretKey};

impl ProxyConfig {
    /// Every rule that this configuration breaks.
    pub fn problems(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.name.is_empty() {
            found.push(Violation::new("name", "required: the name of the proxy"));
        }
        url_rule("url", &self.url, &mut found);
        for (name, value) in self.headers.iter().flat_map(|headers| &headers.plain) {
            let path = format!("headers.plain.{name}");
            name_rule(&path, name, &mut found);
            value_rule(&path, value, &mut found);
        }
        for (index, header) in self.headers.iter().flat_map(|headers| &headers.from_secret).enumerate() {
            let path = format!("headers.fromSecret[{index}]");
            if header.header.is_empty() {
                found.push(Violation::new(format!("{path}.header"), "required: the name of a header"));
            } else {
                name_rule(&format!("{path}.header"), &header.header, &mut found);
            }
            secret_key(&header.secret, &header.key, &path, &mut found);
        }
        match (self.incoming.kind, &self.incoming.oidc) {
            (ProxyIncomingKind::Oidc, None) => {
                found.push(Violation::new("incoming.oidc", "required when type is oidc: issuer and audience"));
            }
            (ProxyIncomingKind::Oidc, Some(oidc)) => oidc_rules(oidc, "incoming.oidc", &mut found),
            (ProxyIncomingKind::Anonymous, _) => {}
        }
        if let Some(outgoing) = &self.outgoing {
            outgoing_rules(outgoing, &mut found);
            if outgoing.kind == ProxyOutgoingKind::TokenExchange && self.incoming.kind == ProxyIncomingKind::Anonymous {
                let message = "tokenExchange needs the tokens of clients: set incoming.type to oidc";
                found.push(Violation::new("outgoing.type", message));
            }
        }
        if let Some(tools) = &self.tools {
            let filter = ("tools.filter", tools.filter.as_deref().unwrap_or_default());
            found.extend(selection_problems(filter, ("tools.overrides", &tools.overrides)));
        }
        if self.endpoint_prefix.as_ref().is_some_and(|prefix| !is_path(prefix)) {
            let message = "must be a path that starts with a slash, such as /tools/github";
            found.push(Violation::new("endpointPrefix", message));
        }
        if let Some(storage) = &self.session_storage {
            session_storage(storage, &mut found);
        }
        found
    }

    /// One sentence per configured feature that this release does not serve, each starting with the key.
    ///
    /// A proxy with such a configuration must not start: it would accept what it then ignores.
    pub fn unsupported(&self) -> Vec<String> {
        let oidc = self.incoming.oidc.as_ref();
        let storage = self.session_storage.as_ref();
        let is_shared = storage.is_some_and(|storage| storage.provider == SessionProvider::Redis);
        let configured = [
            ("incoming.oidc.introspectionUrl", oidc.is_some_and(|oidc| oidc.introspection_url.is_some())),
            ("incoming.oidc.clientSecretEnv", oidc.is_some_and(|oidc| oidc.client_secret_env.is_some())),
            ("authz", self.authz.as_ref().is_some_and(|authz| authz.kind != "none")),
            ("audit", self.audit.as_ref().is_some_and(|audit| audit.enabled)),
            ("telemetry", self.telemetry.is_some()),
            // Such a session is its stream, which one process has.
            ("sessionStorage.provider redis with transport sse", self.transport == Transport::Sse && is_shared),
        ];
        configured
            .into_iter()
            .filter(|(_, configured)| *configured)
            .map(|(key, _)| format!("{key} is not supported by this release: remove it"))
            .collect()
    }
}

/// The block named after the type is there, no other is, and it says enough.
fn outgoing_rules(outgoing: &ProxyOutgoing, found: &mut Vec<Violation>) {
    let blocks = [
        ("tokenExchange", ProxyOutgoingKind::TokenExchange, outgoing.token_exchange.is_some()),
        ("headerInjection", ProxyOutgoingKind::HeaderInjection, outgoing.header_injection.is_some()),
        ("bearerToken", ProxyOutgoingKind::BearerToken, outgoing.bearer_token.is_some()),
    ];
    for (name, kind, present) in blocks {
        let path = format!("outgoing.{name}");
        match (kind == outgoing.kind, present) {
            (true, false) => found.push(Violation::new(path, format!("required when type is {name}"))),
            (false, true) => found.push(Violation::new(path, format!("without effect: type is not {name}"))),
            _ => {}
        }
    }
    if let Some(exchange) = &outgoing.token_exchange {
        url_rule("outgoing.tokenExchange.tokenUrl", &exchange.token_url, found);
        if let Some(SecretKey { secret, key }) = &exchange.client_secret {
            secret_key(secret, key, "outgoing.tokenExchange.clientSecret", found);
            if exchange.client_id.as_deref().unwrap_or_default().is_empty() {
                found.push(Violation::new(
                    "outgoing.tokenExchange.clientId",
                    "required with clientSecret: a secret alone authenticates nobody",
                ));
            }
        }
    }
    if let Some(injection) = &outgoing.header_injection {
        if injection.header_name.is_empty() {
            found.push(Violation::new("outgoing.headerInjection.headerName", "required: the name of a header"));
        } else {
            name_rule("outgoing.headerInjection.headerName", &injection.header_name, found);
        }
        secret_key(&injection.value.secret, &injection.value.key, "outgoing.headerInjection.value", found);
    }
    if let Some(bearer) = &outgoing.bearer_token {
        secret_key(&bearer.token.secret, &bearer.token.key, "outgoing.bearerToken.token", found);
    }
}

fn secret_key(secret: &str, key: &str, path: &str, found: &mut Vec<Violation>) {
    for (field, value, what) in [("secret", secret, "the name of a Secret"), ("key", key, "a key of the Secret")] {
        if value.is_empty() {
            found.push(Violation::new(format!("{path}.{field}"), format!("required: {what}")));
        }
    }
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains(['?', '#', '\\']) && !text.contains(|c: char| c.is_control() || c == ' ')
}
