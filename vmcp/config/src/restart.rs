//! Which part of a configuration a running gateway or proxy follows, and which part it reads when it starts alone.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    Config, OutgoingAuth,
    proxy::{ProxyConfig, ProxyIncoming, ProxyIncomingKind},
};

impl Config {
    /// What a gateway reads when it starts and never again: a change of it takes a new process. Everything else is followed
    /// while calls run.
    ///
    /// A key that is not known to be followed belongs here: too many restarts lose sessions, too few would leave a change
    /// without effect.
    #[must_use]
    pub fn read_at_start(&self) -> Self {
        let Self {
            name,
            outgoing_auth,
            composite_tools,
            composite_tool_refs,
            telemetry,
            audit,
            optimizer,
            code_mode,
            session_storage,
            rate_limiting,
            // Followed.
            group_ref: _,
            incoming_auth: _,
            backends: _,
            aggregation: _,
            operational: _,
            metadata: _,
            passthrough_headers: _,
        } = self;
        Self {
            name: name.clone(),
            // Strategies are followed; whether members of the group are watched is not.
            outgoing_auth: outgoing_auth.as_ref().map(|auth| OutgoingAuth {
                source: auth.source,
                default: None,
                backends: None,
            }),
            composite_tools: composite_tools.clone(),
            composite_tool_refs: composite_tool_refs.clone(),
            telemetry: telemetry.clone(),
            audit: audit.clone(),
            optimizer: optimizer.clone(),
            code_mode: code_mode.clone(),
            session_storage: session_storage.clone(),
            rate_limiting: rate_limiting.clone(),
            ..Self::default()
        }
    }

    /// The keys in which `newer` differs from this configuration and that take a new process; none when a gateway can follow.
    pub fn needs_restart(&self, newer: &Self) -> Vec<String> {
        let changed = differences(&self.read_at_start(), &newer.read_at_start());
        changed.into_iter().map(|key| if key == "outgoingAuth" { format!("{key}.source") } else { key }).collect()
    }
}

impl ProxyConfig {
    /// What a proxy reads when it starts and never again: everything but who may connect, how the server is authenticated to, and
    /// which tools are shown.
    #[must_use]
    pub fn read_at_start(&self) -> Self {
        let incoming = ProxyIncoming { kind: ProxyIncomingKind::Anonymous, oidc: None };
        Self { incoming, headers: None, outgoing: None, tools: None, ..self.clone() }
    }

    /// The keys in which `newer` differs from this configuration and that take a new process; none when a proxy can follow.
    pub fn needs_restart(&self, newer: &Self) -> Vec<String> {
        differences(&self.read_at_start(), &newer.read_at_start())
    }
}

/// The keys in which two configurations differ.
fn differences(before: &impl Serialize, after: &impl Serialize) -> Vec<String> {
    let (before, after) = (members(before), members(after));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).cloned().collect()
}

fn members(config: &impl Serialize) -> Map<String, Value> {
    // Serialising these types cannot fail.
    match serde_json::to_value(config) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;
    use crate::keys::schema_of;

    /// Every key of the configuration with another value than that of the base, and what of it takes a new process.
    fn keys() -> Vec<(&'static str, Value, Option<&'static str>)> {
        vec![
            ("name", json!("other"), Some("name")),
            ("groupRef", json!("other"), None),
            ("backends", json!([{"name": "a", "url": "http://a/mcp", "transport": "sse"}]), None),
            ("incomingAuth", json!({"type": "oidc", "oidc": {"issuer": "https://i", "audience": "a"}}), None),
            ("outgoingAuth", json!({"source": "discovered"}), Some("outgoingAuth.source")),
            ("outgoingAuth", json!({"source": "inline", "default": {"type": "unauthenticated"}}), None),
            ("outgoingAuth", json!({"source": "inline", "backends": {"a": {"type": "unauthenticated"}}}), None),
            ("aggregation", json!({"excludeAllTools": true}), None),
            ("compositeTools", json!([]), Some("compositeTools")),
            ("compositeToolRefs", json!([{"name": "a"}]), Some("compositeToolRefs")),
            ("operational", json!({"timeouts": {"default": "1s"}}), None),
            ("metadata", json!({"a": "b"}), None),
            ("telemetry", json!({"endpoint": "https://otlp:4318"}), Some("telemetry")),
            ("audit", json!({"enabled": true}), Some("audit")),
            ("optimizer", json!({}), Some("optimizer")),
            ("codeMode", json!({"enabled": true}), Some("codeMode")),
            ("sessionStorage", json!({"provider": "redis", "address": "redis:6379"}), Some("sessionStorage")),
            ("rateLimiting", json!({}), Some("rateLimiting")),
            ("passthroughHeaders", json!(["X-Tenant"]), None),
        ]
    }

    #[test]
    fn every_key_is_followed_or_named_as_one_that_takes_a_new_process() {
        let base = json!({
            "name": "gate", "groupRef": "tools",
            "incomingAuth": {"type": "anonymous"}, "outgoingAuth": {"source": "inline"},
        });
        let config = |value: &Value| serde_json::from_value::<Config>(value.clone()).unwrap();
        for (key, value, expected) in keys() {
            let mut changed = base.clone();
            changed[key] = value;
            let found = config(&base).needs_restart(&config(&changed));
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{changed}");
            assert_eq!(config(&changed).needs_restart(&config(&base)), found, "and back: {changed}");
        }
        let schema = schema_of::<Config>();
        let known: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys().into_iter().map(|(key, ..)| key).collect::<BTreeSet<_>>(), known);
    }

    #[test]
    fn a_proxy_follows_who_connects_and_what_the_server_is_sent_and_shows() {
        let base = json!({
            "name": "p", "url": "https://a/mcp", "transport": "sse", "class": "proxied", "incoming": {"type": "anonymous"},
        });
        let config = |value: &Value| serde_json::from_value::<ProxyConfig>(value.clone()).unwrap();
        for (key, value, followed) in [
            ("tools", json!({"filter": ["a"]}), true),
            ("name", json!("other"), false),
            ("url", json!("https://b/mcp"), false),
            ("transport", json!("streamable-http"), false),
            ("class", json!("workload"), false),
            ("headers", json!({"plain": {"X-A": "b"}}), true),
            ("incoming", json!({"type": "oidc"}), true),
            ("outgoing", json!({"type": "unauthenticated"}), true),
            ("trustProxyHeaders", json!(true), false),
            ("endpointPrefix", json!("/a"), false),
            ("authz", json!({"type": "cedar"}), false),
            ("audit", json!({"enabled": true}), false),
            ("telemetry", json!({}), false),
            ("sessionStorage", json!({"provider": "memory"}), false),
        ] {
            let mut changed = base.clone();
            changed[key] = value;
            let expected = if followed { Vec::new() } else { vec![key.to_owned()] };
            assert_eq!(config(&base).needs_restart(&config(&changed)), expected, "{changed}");
        }
    }
}
