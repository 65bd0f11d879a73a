//! The checks, the objects and the phases of gateways.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

mod changes;
mod outgoing;
mod referred;
mod scale;

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::jiff::Timestamp;
use operator_api::{
    MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPServerEntry, VirtualMCPServer, VirtualServerCondition,
    VirtualServerPhase, find_condition,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    build,
    resolve::{References, inputs},
    status,
    validate::judge,
};
use crate::{
    controllers::{Settings, workload::replicas::Replicas},
    runtime::{contents::Keys, observed::OwnedKind},
};

fn object<K: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: Value, status: Value) -> Arc<K> {
    Arc::new(
        serde_json::from_value(json!({
            "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": kind,
            "metadata": {"name": name, "namespace": "ns", "generation": 2, "uid": "the-uid"},
            "spec": spec, "status": status
        }))
        .unwrap(),
    )
}

fn server(change: Value) -> Arc<VirtualMCPServer> {
    let mut spec = json!({"groupRef": {"name": "tools"}, "incomingAuth": {"type": "anonymous"}});
    for (key, value) in change.as_object().unwrap() {
        spec[key] = value.clone();
    }
    object("VirtualMCPServer", "engineering", spec, json!({}))
}

fn oidc() -> Value {
    json!({"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": "engineering-vmcp"}})
}

fn valid() -> Value {
    json!({"configHash": "abc", "conditions": [{
        "type": "Valid", "status": "True", "reason": "ConfigValid", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"
    }]})
}

fn settings() -> Settings {
    Settings { image: "registry/vmcp:1".to_owned(), egress_allow: vec!["remote=10.0.0.0/8".to_owned()] }
}

/// A group with one entry that refers to everything, and a provider with a CA bundle.
fn references() -> References {
    let entry: Arc<MCPServerEntry> = object(
        "MCPServerEntry",
        "partner",
        json!({
            "remoteUrl": "https://mcp.example.com/mcp", "transport": "sse", "groupRef": {"name": "tools"},
            "externalAuthConfigRef": {"name": "auth"}, "caBundleRef": {"configMapRef": {"name": "partner-ca"}},
            "headerForward": {"addHeadersFromSecret": [
                {"headerName": "X-Key", "valueSecretRef": {"name": "api-key", "key": "value"}}
            ]}
        }),
        json!({}),
    );
    let auth: Arc<MCPExternalAuthConfig> = object(
        "MCPExternalAuthConfig",
        "auth",
        json!({"type": "tokenExchange", "tokenExchange": {
            "tokenUrl": "https://auth.example.com/token", "audience": "a", "clientId": "c",
            "clientSecretRef": {"name": "client-secret", "key": "value"}
        }}),
        json!({}),
    );
    let provider: Arc<MCPOIDCConfig> = object(
        "MCPOIDCConfig",
        "idp",
        json!({"type": "inline", "inline": {
            "issuer": "https://idp.example.com", "caBundleRef": {"configMapRef": {"name": "idp-ca"}}
        }}),
        valid(),
    );
    let group: Arc<MCPGroup> = object("MCPGroup", "tools", json!({}), json!({"phase": "Ready"}));
    let inputs = inputs(&server(json!({})), std::slice::from_ref(&entry), [&auth].into_iter());
    References {
        group: Some(group),
        oidc: Some(provider),
        oidc_ca: Some(keys("ca.crt")),
        entries: vec![entry],
        auth_configs: [("auth".to_owned(), auth)].into(),
        inputs,
        ..References::default()
    }
}

fn keys(name: &str) -> Arc<Keys> {
    Arc::new([(name, b"-----BEGIN CERTIFICATE-----".as_slice())].into_iter().collect())
}

/// What the pods of `server` are made of: a change of it starts new ones.
fn pod_template(server: &VirtualMCPServer, references: &References) -> Value {
    let objects = build::objects(&judge(server, references).gateway.unwrap(), &settings());
    let deployment = objects.into_iter().find(|(kind, _)| *kind == OwnedKind::Deployment).unwrap().1;
    deployment["spec"]["template"].clone()
}

#[test]
fn the_objects_of_a_gateway_are_these() {
    let server = server(json!({
        "incomingAuth": oidc(),
        "serviceType": "NodePort",
        "config": {"operational": {"timeouts": {"default": "45s"}}},
        "podTemplateSpec": {"spec": {"containers": [
            {"name": "vmcp", "env": [{"name": "RUST_LOG", "value": "debug"}], "resources": {"limits": {"cpu": "2"}}}
        ]}}
    }));
    let verdict = judge(&server, &references());
    let objects = build::objects(verdict.gateway.as_ref().unwrap(), &settings());
    let objects: Vec<Value> = objects.into_iter().map(|(_, object)| object).collect();
    insta::assert_yaml_snapshot!("objects", objects);
}

/// The reason of the condition `kind`, and whether a gateway is built.
fn reason(server: &VirtualMCPServer, references: &References, kind: VirtualServerCondition) -> (String, bool) {
    let verdict = judge(server, references);
    let status = status::of(server, &verdict, None, None, Timestamp::UNIX_EPOCH);
    let condition = find_condition(&status.conditions, kind.as_str());
    let reason = condition.map(|condition| condition.reason.clone()).unwrap_or_default();
    (reason, verdict.gateway.is_some())
}

#[test]
fn every_check_has_its_reason() {
    use VirtualServerCondition as Condition;
    let plain = || server(json!({}));
    let with_oidc = || server(json!({"incomingAuth": oidc()}));
    let invalid: Arc<MCPOIDCConfig> =
        object("MCPOIDCConfig", "idp", json!({"type": "inline", "inline": {"issuer": "x"}}), json!({}));
    let failed_group: Arc<MCPGroup> = object("MCPGroup", "tools", json!({}), json!({"phase": "Failed"}));
    let all = references;
    for (server, references, kind, expected, built) in [
        (plain(), all(), Condition::Valid, "ValidationSucceeded", true),
        (plain(), all(), Condition::PodTemplateSpecValid, "PodTemplateSpecValid", true),
        (plain(), all(), Condition::GroupRefValidated, "GroupRefValid", true),
        (plain(), all(), Condition::OIDCConfigRefValidated, "", true),
        (plain(), all(), Condition::AuthConfigured, "AuthValid", true),
        (with_oidc(), all(), Condition::OIDCConfigRefValidated, "OIDCConfigRefValid", true),
        (with_oidc(), all(), Condition::AuthConfigured, "AuthValid", true),
        (
            server(json!({"podTemplateSpec": {"spec": {"containers": 1}}})),
            all(),
            Condition::PodTemplateSpecValid,
            "InvalidPodTemplateSpec",
            false,
        ),
        (plain(), References { group: None, ..all() }, Condition::GroupRefValidated, "GroupRefNotFound", false),
        (
            plain(),
            References { group: Some(failed_group), ..all() },
            Condition::GroupRefValidated,
            "GroupRefNotReady",
            false,
        ),
        (
            with_oidc(),
            References { oidc: None, ..all() },
            Condition::OIDCConfigRefValidated,
            "OIDCConfigRefNotFound",
            false,
        ),
        (
            with_oidc(),
            References { oidc: Some(invalid.clone()), ..all() },
            Condition::OIDCConfigRefValidated,
            "OIDCConfigRefNotValid",
            false,
        ),
        (with_oidc(), References { oidc: Some(invalid), ..all() }, Condition::AuthConfigured, "AuthInvalid", false),
        (with_oidc(), References { oidc_ca: None, ..all() }, Condition::AuthConfigured, "AuthInvalid", false),
        (
            with_oidc(),
            References { oidc_ca: Some(keys("other")), ..all() },
            Condition::AuthConfigured,
            "AuthInvalid",
            false,
        ),
    ] {
        let found = reason(&server, &references, kind);
        assert_eq!(found, (expected.to_owned(), built), "{kind}");
    }
}

#[test]
fn a_config_that_cannot_work_is_refused_early() {
    for (config, expected) in [
        (json!({"agregation": {}}), "spec.config.agregation: unknown key, did you mean \"aggregation\"?"),
        (json!({"audit": {"enabled": true}}), "spec.config.audit is not supported by this release"),
        (json!({"aggregation": {"conflictResolution": "priority"}}), "priorityOrder"),
        (
            json!({"operational": {"failureHandling": {"healthCheckInterval": "5s", "healthCheckTimeout": "10s"}}}),
            "10s is not less than the healthCheckInterval 5s",
        ),
    ] {
        let server = server(json!({"config": config}));
        let verdict = judge(&server, &references());
        let status = status::of(&server, &verdict, None, None, Timestamp::UNIX_EPOCH);
        assert_eq!(status.phase, Some(VirtualServerPhase::Failed));
        let condition = find_condition(&status.conditions, "Valid").unwrap();
        assert_eq!(condition.reason, "ValidationFailed");
        assert!(condition.message.contains(expected), "{}", condition.message);
    }
}

#[test]
fn a_field_that_is_not_supported_yet_is_refused_with_its_path() {
    for (change, expected) in [
        (json!({"telemetryConfigRef": {"name": "otel"}}), "spec.telemetryConfigRef is not supported by this release"),
        (json!({"embeddingServerRef": {"name": "e"}}), "spec.embeddingServerRef is not supported by this release"),
        (
            json!({"compositeTools": [{"name": "a", "steps": []}]}),
            "spec.compositeTools is not supported by this release: remove it",
        ),
        (
            json!({"config": {"compositeToolRefs": [{"name": "a"}]}}),
            "spec.config.compositeToolRefs is not supported by this release: remove it",
        ),
    ] {
        let verdict = judge(&server(change), &references());
        let check = verdict.checks.iter().find(|check| check.kind == VirtualServerCondition::Valid).unwrap();
        assert!(!check.holds && check.message.contains(expected), "{}", check.message);
    }
    let usual = json!({
        "outgoingAuth": {"source": "discovered", "default": {"type": "discovered"}}, "replicas": 1,
        "sessionStorage": {"provider": "memory"}, "passthroughHeaders": ["X-Request-Id"]
    });
    assert!(judge(&server(usual), &references()).gateway.is_some());
}

#[test]
fn fields_that_may_stand_in_two_places_stand_in_one() {
    for name in ["aggregation", "operational"] {
        let found = |change: Value| {
            let verdict = judge(&server(change), &references());
            verdict.checks.into_iter().find(|check| check.kind == VirtualServerCondition::Valid).unwrap()
        };
        let twice = found(json!({name: {}, "config": {name: {}}}));
        assert_eq!(twice.message, format!("spec.{name} and spec.config.{name} are both set: keep one of them"));
        assert_eq!(twice.reason, operator_api::VirtualServerReason::ValidationFailed);
        assert!(found(json!({name: {}})).holds);
    }
    let telemetry = json!({"telemetryConfigRef": {"name": "a"}, "config": {"telemetry": {"endpoint": "b"}}});
    let verdict = judge(&server(telemetry), &references());
    assert!(verdict.checks[0].message.contains("spec.telemetryConfigRef and spec.config.telemetry are both set"));

    let server = server(json!({
        "aggregation": {"conflictResolutionConfig": {"prefixFormat": "{workload}."}},
        "operational": {"logLevel": "debug", "timeouts": {"default": "45s"}}
    }));
    let config = judge(&server, &references()).gateway.unwrap().configuration.config;
    assert_eq!(config.aggregation.unwrap().prefix_format(), "{workload}.");
    assert_eq!(config.operational.unwrap().timeouts.unwrap().default, vmcp_config::Duration::from_secs(45));
}

#[test]
fn what_is_wrong_is_said_where_it_was_written() {
    for (change, expected) in [
        (
            json!({"aggregation": {"conflictResolution": "priority"}}),
            "spec.aggregation.conflictResolutionConfig.priority",
        ),
        (
            json!({"operational": {"timeouts": {"perWorkload": {"a": "0s"}}}}),
            "spec.operational.timeouts.perWorkload.a: must be longer than 0s",
        ),
        (
            json!({"config": {"operational": {"timeouts": {"default": "0s"}}}}),
            "spec.config.operational.timeouts.default: must be longer than 0s",
        ),
        (
            json!({"passthroughHeaders": ["X-Forwarded-For"]}),
            "spec.passthroughHeaders[0]: header \"X-Forwarded-For\" cannot be passed through",
        ),
        (
            json!({"config": {"incomingAuth": {"type": "anonymous"}}}),
            "spec.config.incomingAuth does not count: remove it, and write spec.incomingAuth",
        ),
        (
            json!({"config": {"outgoingAuth": {"source": "inline"}}}),
            "spec.config.outgoingAuth does not count: remove it, and write spec.outgoingAuth",
        ),
        (
            json!({"config": {"passthroughHeaders": ["Cookie"]}}),
            "spec.config.passthroughHeaders[0]: header \"Cookie\" cannot be passed through",
        ),
    ] {
        let verdict = judge(&server(change), &references());
        assert!(verdict.gateway.is_none());
        assert!(verdict.checks[0].message.contains(expected), "{}", verdict.checks[0].message);
    }
}

#[test]
fn what_the_spec_says_replaces_what_its_config_says_of_it() {
    let server = server(json!({"config": {"name": "other", "groupRef": "other"}}));
    let verdict = judge(&server, &references());
    let config = &verdict.gateway.unwrap().configuration.config;
    assert_eq!((config.name.as_str(), config.group_ref.as_str()), ("engineering", "tools"));
    assert_eq!(config.problems(), []);
    assert_eq!(config.unsupported(), Vec::<String>::new());
}

#[test]
fn phases_follow_the_deployment_and_the_backends() {
    use VirtualServerPhase::{Degraded, Failed, Pending, Ready};
    let backend = |name: &str, status: &str| json!({"name": name, "status": status});
    let ready = Replicas { ready: 1, failure: None };
    let stuck = Replicas { ready: 0, failure: Some("quota".to_owned()) };
    for (deployment, backends, refused, phase, reason) in [
        (None, json!([]), None, Pending, "DeploymentNotReady"),
        (Some(Replicas::default()), json!([backend("a", "ready")]), None, Pending, "DeploymentNotReady"),
        (Some(stuck), json!([]), None, Failed, "DeploymentFailed"),
        (Some(ready.clone()), json!([]), Some("write the Service: no"), Failed, "DeploymentFailed"),
        (Some(ready.clone()), json!([]), None, Ready, "DeploymentReady"),
        (Some(ready.clone()), json!([backend("a", "ready"), backend("b", "unknown")]), None, Ready, "DeploymentReady"),
        (
            Some(ready.clone()),
            json!([backend("a", "ready"), backend("b", "degraded")]),
            None,
            Degraded,
            "BackendsDegraded",
        ),
        (
            Some(ready.clone()),
            json!([backend("a", "degraded"), backend("b", "unavailable")]),
            None,
            Degraded,
            "BackendsDegraded",
        ),
        (Some(ready), json!([backend("a", "unavailable")]), None, Failed, "BackendsUnavailable"),
    ] {
        let mut server = server(json!({})).as_ref().clone();
        server.status = serde_json::from_value(json!({"discoveredBackends": backends})).unwrap();
        let verdict = judge(&server, &references());
        let status = status::of(&server, &verdict, deployment.as_ref(), refused, Timestamp::UNIX_EPOCH);
        assert_eq!(status.phase, Some(phase), "{backends}");
        assert_eq!(find_condition(&status.conditions, "Ready").unwrap().reason, reason);
        assert_eq!(status.discovered_backends, None, "the gateway's fields are not the operator's to write");
        assert_eq!(status.backend_count, None);
    }
}

#[test]
fn a_gateway_waits_for_the_first_check_of_a_backend_and_only_for_that() {
    use VirtualServerPhase::{Degraded, Failed, Pending, Ready};
    let backend = |status: &str| json!({"name": status, "status": status});
    let ready = Replicas { ready: 1, failure: None };
    for (before, backends, phase, reason) in [
        (None, json!(null), Pending, "BackendsPending"),
        (Some(Pending), json!(null), Pending, "BackendsPending"),
        (Some(Pending), json!([]), Ready, "DeploymentReady"),
        (Some(Pending), json!([backend("unknown")]), Pending, "BackendsPending"),
        (Some(Pending), json!([{"name": "a"}, {"name": "b", "status": "newer"}]), Pending, "BackendsPending"),
        (Some(Degraded), json!([backend("unknown")]), Pending, "BackendsPending"),
        (Some(Failed), json!([backend("unknown")]), Pending, "BackendsPending"),
        (Some(Pending), json!([backend("unknown"), backend("ready")]), Ready, "DeploymentReady"),
        (Some(Pending), json!([backend("unknown"), backend("unauthenticated")]), Ready, "DeploymentReady"),
        (Some(Pending), json!([backend("unknown"), backend("degraded")]), Degraded, "BackendsDegraded"),
        (Some(Pending), json!([backend("unknown"), backend("unavailable")]), Degraded, "BackendsDegraded"),
        (Some(Pending), json!([backend("unavailable")]), Failed, "BackendsUnavailable"),
        (Some(Ready), json!([backend("unknown"), backend("ready")]), Ready, "DeploymentReady"),
        (Some(Ready), json!([backend("unknown")]), Ready, "DeploymentReady"),
        (Some(Ready), json!(null), Ready, "DeploymentReady"),
        (Some(Ready), json!([backend("unavailable")]), Failed, "BackendsUnavailable"),
    ] {
        let mut server = server(json!({})).as_ref().clone();
        server.status = serde_json::from_value(json!({"phase": before, "discoveredBackends": backends})).unwrap();
        let verdict = judge(&server, &references());
        let status = status::of(&server, &verdict, Some(&ready), None, Timestamp::UNIX_EPOCH);
        let condition = find_condition(&status.conditions, "Ready").unwrap();
        let holds = if phase == Ready { "True" } else { "False" };
        assert_eq!(
            (status.phase, condition.status.as_str(), condition.reason.as_str()),
            (Some(phase), holds, reason),
            "{before:?} {backends}"
        );
    }
}

proptest! {
    #[test]
    fn any_spec_gives_a_status_and_never_a_panic(
        name in "[a-z0-9.-]{1,80}",
        label in ".*",
        container in "[a-z]{0,8}",
        source in prop_oneof![Just("discovered"), Just("inline")],
        replicas in proptest::option::of(0..5),
        (backend, auth, header, format) in (".{0,12}", ".{0,12}", "[ -~]{1,12}", "[ -~]{0,20}"),
        kind in prop_oneof![Just("discovered"), Just("externalAuthConfigRef"), Just("service_account")],
    ) {
        let mut server = server(json!({"podTemplateSpec": {
            "metadata": {"labels": {"app.kubernetes.io/name": label}},
            "spec": {"containers": [{"name": container}]}
        }, "outgoingAuth": {"source": source, "backends": {backend: {
            "type": kind, "externalAuthConfigRef": {"name": auth},
            "serviceAccount": {
                "credentialsRef": {"name": auth, "key": label}, "headerName": header, "headerFormat": format
            }
        }, "auth": {"type": "externalAuthConfigRef", "externalAuthConfigRef": {"name": "auth"}}}}})).as_ref().clone();
        server.spec.replicas = replicas;
        server.metadata.name = Some(name);
        let verdict = judge(&server, &references());
        if let Some(gateway) = &verdict.gateway {
            prop_assert_eq!(build::objects(gateway, &settings()), build::objects(gateway, &settings()));
        }
        let status = status::of(&server, &verdict, None, None, Timestamp::UNIX_EPOCH);
        prop_assert!(status.phase.is_some());
        let problem = |name: &str| !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || name.len() > 316;
        prop_assert!(!status.conditions.iter().any(|condition| problem(&condition.type_)));
    }
}
