//! Features that this release knows but does not serve.

use crate::{Config, IncomingAuthKind, OutgoingAuth};

impl Config {
    /// One sentence per configured feature that this release does not serve, each starting with the key.
    ///
    /// A gateway with such a configuration must not start: it would accept what it then ignores.
    pub fn unsupported(&self) -> Vec<String> {
        let incoming = self.incoming_auth.as_ref();
        let oidc = incoming.and_then(|incoming| incoming.oidc.as_ref());
        let tools = self.aggregation.as_ref().and_then(|aggregation| aggregation.tools.as_deref());
        let configured = [
            ("incomingAuth.authz", incoming.is_some_and(|auth| auth.authz.as_ref().is_some_and(|a| a.kind != "none"))),
            ("incomingAuth.oidc.introspectionUrl", oidc.is_some_and(|oidc| oidc.introspection_url.is_some())),
            ("incomingAuth.oidc.clientSecretEnv", oidc.is_some_and(|oidc| oidc.client_secret_env.is_some())),
            ("incomingAuth.type local", incoming.is_some_and(|auth| auth.kind == IncomingAuthKind::Local)),
            (
                "aggregation.tools[].toolConfigRef",
                tools.is_some_and(|all| all.iter().any(|tools| tools.tool_config_ref.is_some())),
            ),
            ("compositeTools", self.composite_tools.is_some()),
            ("compositeToolRefs", self.composite_tool_refs.is_some()),
            ("telemetry", self.telemetry.is_some()),
            ("audit", self.audit.is_some()),
            ("optimizer", self.optimizer.is_some()),
            ("codeMode", self.code_mode.as_ref().is_some_and(|mode| mode.enabled == Some(true))),
            ("rateLimiting", self.rate_limiting.is_some()),
        ];
        let configured = configured.into_iter().filter(|(_, configured)| *configured).map(|(key, _)| key.to_owned());
        let strategies = self.outgoing_auth.iter().flat_map(unsupported_of_strategies);
        configured.chain(strategies).map(|key| format!("{key} is not supported by this release: remove it")).collect()
    }
}

/// What is not served of the strategies by which the gateway authenticates to backends.
fn unsupported_of_strategies(outgoing: &OutgoingAuth) -> Vec<String> {
    let named = outgoing.backends.iter().flatten();
    let named = named.map(|(name, strategy)| (format!("outgoingAuth.backends.{name}"), strategy));
    let default = outgoing.default.iter().map(|strategy| ("outgoingAuth.default".to_owned(), strategy));
    let mut keys = Vec::new();
    for (path, strategy) in default.chain(named) {
        let kind = strategy.kind.as_str();
        if matches!(kind, "upstream_inject" | "aws_sts" | "xaa" | "obo") {
            keys.push(format!("{path}.type {kind}"));
        }
        if strategy.token_exchange.as_ref().is_some_and(|exchange| exchange.subject_provider_name.is_some()) {
            keys.push(format!("{path}.tokenExchange.subjectProviderName"));
        }
    }
    keys
}
