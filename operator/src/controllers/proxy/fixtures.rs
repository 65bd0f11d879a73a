//! What the tests of proxies refer to.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use std::sync::Arc;

use serde_json::{Value, json};

use super::resolve::References;
use crate::{controllers::Settings, runtime::contents::Keys};

/// An object of the namespace `ns`.
pub(in crate::controllers) fn object<K: serde::de::DeserializeOwned>(
    kind: &str,
    name: &str,
    spec: Value,
    status: Value,
) -> Arc<K> {
    Arc::new(
        serde_json::from_value(json!({
            "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": kind,
            "metadata": {"name": name, "namespace": "ns", "generation": 3, "uid": "the-uid"},
            "spec": spec, "status": status
        }))
        .unwrap(),
    )
}

/// The status of a configuration whose condition Valid is `valid`.
pub(in crate::controllers) fn checked(valid: &str) -> Value {
    json!({"configHash": "abc", "conditions": [{
        "type": "Valid", "status": valid, "reason": "Any", "message": "the spec is wrong",
        "lastTransitionTime": "2026-01-01T00:00:00Z"
    }]})
}

/// The spec of an auth config.
pub(in crate::controllers) fn exchange() -> Value {
    json!({"type": "tokenExchange", "tokenExchange": {
        "tokenUrl": "https://auth.example.com/token", "audience": "a", "clientId": "c", "subjectTokenType": "jwt",
        "clientSecretRef": {"name": "client-secret", "key": "value"}
    }})
}

/// The spec of an OpenID provider.
pub(in crate::controllers) fn provider(issuer: &str) -> Value {
    json!({"type": "inline", "inline": {"issuer": issuer, "caBundleRef": {"configMapRef": {"name": "idp-ca"}}}})
}

/// A Secret or ConfigMap with these keys.
pub(in crate::controllers) fn keys(names: &[&str]) -> Arc<Keys> {
    Arc::new(names.iter().map(|name| (*name, b"-----BEGIN CERTIFICATE-----".as_slice())).collect())
}

/// Everything that a spec of the tests refers to, as it should be.
pub(in crate::controllers) fn references() -> References {
    References {
        group: Some(object("MCPGroup", "tools", json!({}), json!({"phase": "Ready"}))),
        auth_config: Some(object("MCPExternalAuthConfig", "auth", exchange(), checked("True"))),
        auth_server: None,
        oidc: Some(object("MCPOIDCConfig", "idp", provider("https://idp.example.com"), checked("True"))),
        oidc_ca: Some(keys(&["ca.crt"])),
        tools: Some(object(
            "MCPToolConfig",
            "selection",
            json!({"toolsFilter": ["find"], "toolsOverride": {"search": {"name": "find"}}}),
            checked("True"),
        )),
        authz: Some(object("MCPAuthzConfig", "policy", json!({"type": "cedarv1", "config": {}}), checked("True"))),
        policies: None,
        telemetry: None,
        secrets: [("api-key".to_owned(), keys(&["value"]))].into(),
    }
}

/// What the administrator chose.
pub(in crate::controllers) fn settings() -> Settings {
    Settings { image: "registry/vmcp:1".to_owned(), egress_allow: vec!["proxied=10.0.0.0/8".to_owned()] }
}
