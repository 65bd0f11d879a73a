//! What the tests of proxies refer to.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use operator_api::{ProxyCondition, find_condition};
use serde_json::{Map, Value, json};

use super::{
    Proxied,
    resolve::References,
    status::{self, Pods},
    validate::judge,
};
use crate::{
    controllers::Settings,
    runtime::{contents::Keys, observed::OwnedKind},
};

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
        seal_key: None,
    }
}

/// What the administrator chose.
pub(in crate::controllers) fn settings() -> Settings {
    Settings { image: "registry/vmcp:1".to_owned(), egress_allow: vec!["proxied=10.0.0.0/8".to_owned()] }
}

/// The fields of `change` in the place of those of `spec`.
pub(in crate::controllers) fn with(mut spec: Value, change: Value) -> Value {
    spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    spec
}

/// The fields `names` of `spec` alone.
pub(in crate::controllers) fn only(spec: &Value, names: &[String]) -> Value {
    names.iter().map(|name| (name.clone(), spec[name].clone())).collect::<Map<_, _>>().into()
}

/// The objects of `object`, whose spec can be used.
pub(in crate::controllers) fn objects<K: Proxied>(object: &K, references: &References) -> Vec<(OwnedKind, Value)> {
    let verdict = judge(object, references);
    let plan = verdict.proxy.unwrap_or_else(|| panic!("{:#?}", verdict.checks));
    object.objects(&plan, &settings())
}

/// The one of `objects` that is of the kind `wanted`.
pub(in crate::controllers) fn of(objects: &[(OwnedKind, Value)], wanted: OwnedKind) -> Option<Value> {
    objects.iter().find(|(kind, _)| *kind == wanted).map(|(_, object)| object.clone())
}

/// Whether the condition `kind` of `object` holds, its reason, and whether anything is built.
pub(in crate::controllers) fn condition<K: Proxied>(
    object: &K,
    references: &References,
    kind: ProxyCondition,
) -> Option<(bool, String, bool)> {
    let verdict = judge(object, references);
    let status = status::of(object, &verdict, &Pods::default(), None, Timestamp::UNIX_EPOCH);
    let found = find_condition(K::conditions(&status), kind.as_str()).cloned();
    let status = serde_json::to_value(status).unwrap();
    assert_eq!(status["observedGeneration"], 3);
    assert_eq!(status["phase"] == "Failed", verdict.proxy.is_none());
    let found = found?;
    Some((found.status == "True", found.reason.clone(), verdict.proxy.is_some()))
}

/// Fails unless `object` gives a status, and, where its spec can be used, the same objects each time.
pub(in crate::controllers) fn assert_decided<K: Proxied>(object: &K, references: &References) {
    let verdict = judge(object, references);
    let status = status::of(object, &verdict, &Pods::default(), None, Timestamp::UNIX_EPOCH);
    assert!(!K::conditions(&status).is_empty());
    assert!(serde_json::to_value(status).unwrap()["phase"].is_string());
    if let Some(plan) = verdict.proxy {
        assert_eq!(object.objects(&plan, &settings()), object.objects(&plan, &settings()));
        assert!(plan.config.problems().is_empty());
    }
}
