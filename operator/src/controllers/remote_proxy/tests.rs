//! The checks, the objects and the phases of proxies.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::jiff::Timestamp;
use operator_api::{MCPRemoteProxy, ProxyCondition, ProxyPhase, ProxyReason};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    controllers::{
        proxy::{
            fixtures::{
                assert_decided, checked, condition, exchange, keys, object, objects, of, only, provider, references,
                with,
            },
            resolve::References,
            status::{self, Pods},
            validate::judge,
        },
        workload::replicas::Replicas,
    },
    runtime::observed::OwnedKind,
};

fn proxy(change: Value) -> Arc<MCPRemoteProxy> {
    let spec = with(json!({"remoteUrl": "https://mcp.example.com/mcp"}), change);
    object("MCPRemoteProxy", "analytics", spec, json!({}))
}

/// A proxy that says everything that is served.
fn complete() -> Value {
    json!({
        "transport": "sse", "proxyPort": 9090, "replicas": 2, "sessionAffinity": "None",
        "groupRef": {"name": "tools"},
        "oidcConfigRef": {"name": "idp", "audience": "analytics"},
        "externalAuthConfigRef": {"name": "auth"},
        "headerForward": {
            "addPlaintextHeaders": {"X-Tenant": "a"},
            "addHeadersFromSecret": [{"headerName": "X-Key", "valueSecretRef": {"name": "api-key", "key": "value"}}]
        },
        "toolConfigRef": {"name": "selection"},
        "endpointPrefix": "/analytics", "trustProxyHeaders": true,
        "resources": {"limits": {"cpu": "2"}},
        "resourceOverrides": {
            "proxyDeployment": {
                "labels": {"team": "data", "toolhive-name": "theirs"}, "annotations": {"note": "deployment"},
                "podTemplateMetadataOverrides": {"labels": {"pod": "yes", "app": "theirs"}, "annotations": {"note": "pod"}},
                "env": [{"name": "TOOLHIVE_DEBUG", "value": "true"}, {"name": "VMCP_NAMESPACE", "value": "theirs"}],
                "imagePullSecrets": [{"name": "registry"}]
            },
            "proxyService": {"labels": {"team": "data"}, "annotations": {"note": "service"}}
        },
        "podTemplateSpec": {
            "metadata": {"labels": {"app": "again"}},
            "spec": {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "sidecar", "image": "b"}]}
        }
    })
}

#[test]
fn the_objects_of_a_proxy_are_these() {
    let objects: Vec<Value> =
        objects(proxy(complete()).as_ref(), &references()).into_iter().map(|(_, object)| object).collect();
    insta::assert_yaml_snapshot!("objects", objects);
}

#[test]
fn a_minimal_proxy_leaves_its_replicas_to_others_and_serves_everyone() {
    let objects = objects(proxy(json!({})).as_ref(), &References::default());
    let deployment = of(&objects, OwnedKind::Deployment).unwrap();
    assert_eq!(deployment["spec"].get("replicas"), None);
    assert_eq!(of(&objects, OwnedKind::PodDisruptionBudget), None);
    assert_eq!(of(&objects, OwnedKind::Role).unwrap()["rules"], json!([]));
    let text = of(&objects, OwnedKind::ConfigMap).unwrap()["data"]["runconfig.json"].as_str().unwrap().to_owned();
    let config = vmcp_config::proxy::ProxyConfig::parse(&text, "runconfig.json").unwrap();
    assert_eq!(config.incoming.kind, vmcp_config::proxy::ProxyIncomingKind::Anonymous);
    assert_eq!(config.url, "https://mcp.example.com/mcp");
}

#[test]
fn pods_follow_who_connects_and_what_the_server_is_sent_and_shows_and_go_for_everything_else() {
    let issuer = |issuer: &str| References {
        oidc: Some(object(
            "MCPOIDCConfig",
            "idp",
            json!({"type": "inline", "inline": {"issuer": issuer}}),
            checked("True"),
        )),
        auth_config: None,
        oidc_ca: None,
        ..references()
    };
    let template = |change: Value, references: &References| {
        let objects =
            objects(proxy(with(json!({"toolConfigRef": {"name": "selection"}}), change)).as_ref(), references);
        let file = of(&objects, OwnedKind::ConfigMap).unwrap()["data"].clone();
        (of(&objects, OwnedKind::Deployment).unwrap()["spec"]["template"].clone(), file)
    };
    let one = issuer("https://one.example.com");
    let (pods, file) = template(json!({}), &one);
    let selection = object("MCPToolConfig", "selection", json!({"toolsFilter": ["other"]}), checked("True"));
    let secret = json!({"headerName": "X-Key", "valueSecretRef": {"name": "api-key", "key": "value"}});
    let idp = |audience: &str| json!({"oidcConfigRef": {"name": "idp", "audience": audience}});
    for (change, references) in [
        (json!({}), &References { tools: Some(selection), ..issuer("https://one.example.com") }),
        (idp("a"), &one),
        (idp("b"), &one),
        (idp("a"), &issuer("https://two.example.com")),
        (json!({"headerForward": {"addPlaintextHeaders": {"X-Tenant": "b"}}}), &one),
        (json!({"headerForward": {"addHeadersFromSecret": [secret]}}), &one),
        (
            with(idp("a"), json!({"externalAuthConfigRef": {"name": "auth"}})),
            &References { auth_config: references().auth_config, ..issuer("https://one.example.com") },
        ),
    ] {
        let (same, other) = template(change.clone(), references);
        assert_eq!((pods == same, file == other), (true, false), "{change}");
    }
    for change in [json!({"remoteUrl": "https://other.example.com/mcp"}), json!({"proxyPort": 9090})] {
        assert_ne!(template(change.clone(), &one).0, pods, "{change}");
    }
    // The provider's authority is mounted.
    assert_ne!(template(idp("a"), &References { auth_config: None, ..references() }).0, pods);
}

#[test]
fn pods_that_share_sessions_have_the_same_key_and_the_password_as_files() {
    let storage = json!({
        "provider": "redis", "address": "redis:6379", "db": 1, "keyPrefix": "tools:",
        "passwordRef": {"name": "redis", "key": "password"}
    });
    let proxy = proxy(json!({"replicas": 2, "sessionStorage": storage}));
    let unknown = condition(proxy.as_ref(), &References::default(), ProxyCondition::ConfigurationValid).unwrap();
    assert_eq!(unknown, (false, "ConfigurationInvalid".to_owned(), false), "the password is not there");
    let with_key = |uid: &str| {
        let secrets = [("redis".to_owned(), keys(&["password"]))].into();
        References { secrets, seal_key: Some(uid.to_owned()), ..References::default() }
    };
    let made = objects(proxy.as_ref(), &with_key("uid"));
    let pod = &of(&made, OwnedKind::Deployment).unwrap()["spec"]["template"]["spec"];
    assert_eq!(
        pod["volumes"][1],
        json!({"name": "session-storage", "projected": {"sources": [
            {"secret": {"name": "mcp-analytics-remote-proxy-seal-key", "items": [{"key": "key", "path": "seal-key"}]}},
            {"secret": {"name": "redis", "items": [{"key": "password", "path": "redis-password"}]}},
        ]}})
    );
    assert_eq!(pod["containers"][0]["volumeMounts"][1]["mountPath"], "/etc/vmcp-session-storage");
    let arguments: Vec<_> = pod["containers"][0]["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for (flag, file) in [("--seal-key-file", "seal-key"), ("--redis-password-file", "redis-password")] {
        assert!(arguments.contains(&format!("{flag}=/etc/vmcp-session-storage/{file}").as_str()), "{arguments:?}");
    }
    let text = of(&made, OwnedKind::ConfigMap).unwrap()["data"]["runconfig.json"].as_str().unwrap().to_owned();
    let config = vmcp_config::proxy::ProxyConfig::parse(&text, "runconfig.json").unwrap();
    assert_eq!(config.session_storage.unwrap().key_prefix.as_deref(), Some("tools:"));
    // Pods with another key do not understand these: it takes new ones.
    assert_ne!(
        of(&objects(proxy.as_ref(), &with_key("other")), OwnedKind::Deployment),
        of(&made, OwnedKind::Deployment)
    );
}

#[test]
fn a_named_service_account_is_used_and_none_is_made() {
    let objects = objects(proxy(json!({"serviceAccount": "theirs"})).as_ref(), &References::default());
    let kinds: BTreeSet<_> = objects.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [OwnedKind::ConfigMap, OwnedKind::Service, OwnedKind::Deployment].into());
    let deployment = of(&objects, OwnedKind::Deployment).unwrap();
    assert_eq!(deployment["spec"]["template"]["spec"]["serviceAccountName"], "theirs");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row per reason")]
fn every_reason_has_its_case() {
    use ProxyCondition as C;
    use ProxyReason as R;
    let auth = |spec: Value, valid: &str| References {
        auth_config: Some(object("MCPExternalAuthConfig", "auth", spec, checked(valid))),
        ..references()
    };
    let idp = |valid: &str| References {
        oidc: Some(object("MCPOIDCConfig", "idp", provider("https://idp.example.com"), checked(valid))),
        ..references()
    };
    let server = |kind: &str| References {
        auth_server: Some(object("MCPExternalAuthConfig", "as", json!({"type": kind}), json!({}))),
        ..references()
    };
    let group = |phase: &str| References {
        group: Some(object("MCPGroup", "tools", json!({}), json!({"phase": phase}))),
        ..References::default()
    };
    let missing = References::default;
    let authed =
        || json!({"externalAuthConfigRef": {"name": "auth"}, "oidcConfigRef": {"name": "idp", "audience": "a"}});
    let policy = || json!({"authzConfigRef": {"name": "policy"}});
    let unusable_policy = || References {
        authz: Some(object("MCPAuthzConfig", "policy", json!({"type": "rego", "config": {}}), checked("False"))),
        ..references()
    };
    let in_map = || json!({"authzConfig": {"type": "configMap", "configMap": {"name": "policies"}}});
    let in_place = |policy: &str, entities: &str| json!({"authzConfig": {"type": "inline", "inline": {"policies": [policy], "entitiesJson": entities}}});
    let permit = "permit(principal, action, resource);";
    let signals = || json!({"telemetryConfigRef": {"name": "signals"}});
    let telemetry = |valid: &str| References {
        telemetry: Some(object("MCPTelemetryConfig", "signals", json!({}), checked(valid))),
        ..References::default()
    };
    let document = r#"{"type": "cedarv1", "cedar": {"policies": ["permit(principal, action, resource);"]}}"#;
    let policies = |key: &str| References {
        policies: Some(Arc::new([(key.to_owned(), document.to_owned())].into())),
        ..References::default()
    };
    let headers = || complete()["headerForward"].clone();
    let inline = |issuer: &str| json!({"type": "inline", "inline": {"issuer": issuer, "audience": "a"}});
    for (spec, references, kind, holds, reason, built) in [
        (complete(), references(), C::ConfigurationValid, true, R::ConfigurationValid, true),
        (
            json!({"remoteUrl": "http://127.0.0.1/mcp"}),
            missing(),
            C::ConfigurationValid,
            false,
            R::RemoteURLInvalid,
            false,
        ),
        (
            json!({"remoteUrl": "http://169.254.169.254/", "allowPrivateEndpoint": true}),
            missing(),
            C::ConfigurationValid,
            false,
            R::RemoteURLInvalid,
            false,
        ),
        (
            json!({"remoteUrl": "http://10.1.2.3/mcp"}),
            missing(),
            C::ConfigurationValid,
            true,
            R::ConfigurationValid,
            true,
        ),
        (
            json!({"externalAuthConfigRef": {"name": "auth"}}),
            missing(),
            C::ConfigurationValid,
            false,
            R::ExternalAuthConfigFetchError,
            false,
        ),
        (json!({"headerForward": headers()}), missing(), C::ConfigurationValid, false, R::HeaderSecretNotFound, false),
        (
            json!({"headerForward": {"addPlaintextHeaders": {"Host": "a"}}}),
            missing(),
            C::ConfigurationValid,
            false,
            R::ConfigurationInvalid,
            false,
        ),
        (
            json!({"endpointPrefix": "no-slash"}),
            missing(),
            C::ConfigurationValid,
            false,
            R::ConfigurationInvalid,
            false,
        ),
        (json!({"audit": {"enabled": true}}), missing(), C::ConfigurationValid, false, R::ConfigurationInvalid, false),
        (json!({"audit": {"enabled": false}}), missing(), C::ConfigurationValid, true, R::ConfigurationValid, true),
        // A session over HTTP+SSE is its stream, which one pod has.
        (
            json!({"transport": "sse", "sessionStorage": {"provider": "redis", "address": "a:1"}}),
            missing(),
            C::ConfigurationValid,
            false,
            R::ConfigurationInvalid,
            false,
        ),
        (
            json!({"replicas": 2, "sessionStorage": {"provider": "redis", "address": "a:1"}}),
            missing(),
            C::SessionStorageWarning,
            false,
            R::SessionStorageConfigured,
            true,
        ),
        (
            json!({"oidcConfig": inline("ftp://idp")}),
            missing(),
            C::ConfigurationValid,
            false,
            R::OIDCIssuerInvalid,
            false,
        ),
        (
            json!({"oidcConfig": inline("https://idp.example.com")}),
            missing(),
            C::ConfigurationValid,
            true,
            R::ConfigurationValid,
            true,
        ),
        (
            json!({"oidcConfig": inline("https://i.test"), "oidcConfigRef": {"name": "idp", "audience": "a"}}),
            references(),
            C::ConfigurationValid,
            false,
            R::ConfigurationInvalid,
            false,
        ),
        // The exchange needs tokens of clients.
        (
            json!({"externalAuthConfigRef": {"name": "auth"}}),
            references(),
            C::ConfigurationValid,
            false,
            R::ConfigurationInvalid,
            false,
        ),
        (in_map(), missing(), C::ConfigurationValid, false, R::AuthzConfigMapNotFound, false),
        (in_map(), policies("other.json"), C::ConfigurationValid, false, R::AuthzConfigMapInvalid, false),
        // Policies that could be enforced are not enforced yet.
        (in_map(), policies("authz.json"), C::ConfigurationValid, false, R::ConfigurationInvalid, false),
        (in_place(permit, "[]"), missing(), C::ConfigurationValid, false, R::ConfigurationInvalid, false),
        (
            in_place("permit(principal);", "[]"),
            missing(),
            C::ConfigurationValid,
            false,
            R::AuthzPolicySyntaxInvalid,
            false,
        ),
        (in_place(permit, "{}"), missing(), C::ConfigurationValid, false, R::AuthzPolicySyntaxInvalid, false),
        (signals(), telemetry("True"), C::TelemetryConfigRefValidated, true, R::TelemetryConfigRefValid, false),
        (signals(), telemetry("False"), C::TelemetryConfigRefValidated, false, R::TelemetryConfigRefInvalid, false),
        (signals(), missing(), C::TelemetryConfigRefValidated, false, R::TelemetryConfigRefNotFound, false),
        (json!({}), missing(), C::PodTemplateValid, true, R::ValidPodTemplateSpec, true),
        (
            json!({"podTemplateSpec": {"spec": 1}}),
            missing(),
            C::PodTemplateValid,
            false,
            R::InvalidPodTemplateSpec,
            false,
        ),
        (complete(), references(), C::GroupRefValidated, true, R::GroupRefIsValid, true),
        (json!({"groupRef": {"name": "x"}}), missing(), C::GroupRefValidated, false, R::GroupRefNotFound, true),
        (json!({"groupRef": {"name": "x"}}), group("Pending"), C::GroupRefValidated, false, R::GroupRefNotReady, true),
        (authed(), references(), C::ExternalAuthConfigValidated, true, R::ExternalAuthConfigValid, true),
        (authed(), missing(), C::ExternalAuthConfigValidated, false, R::ExternalAuthConfigNotFound, false),
        (authed(), auth(exchange(), "False"), C::ExternalAuthConfigValidated, false, R::ValidationFailed, false),
        (
            json!({"authServerRef": {"kind": "MCPExternalAuthConfig", "name": "as"}}),
            missing(),
            C::AuthServerRefValidated,
            false,
            R::AuthServerRefNotFound,
            false,
        ),
        (
            json!({"authServerRef": {"kind": "MCPExternalAuthConfig", "name": "as"}}),
            server("unauthenticated"),
            C::AuthServerRefValidated,
            false,
            R::AuthServerRefInvalidType,
            false,
        ),
        (
            json!({"authServerRef": {"kind": "MCPExternalAuthConfig", "name": "as"}}),
            server("embeddedAuthServer"),
            C::AuthServerRefValidated,
            false,
            R::AuthServerRefInvalidConfig,
            false,
        ),
        (authed(), references(), C::OIDCConfigRefValidated, true, R::OIDCConfigRefValid, true),
        (authed(), missing(), C::OIDCConfigRefValidated, false, R::OIDCConfigRefNotFound, false),
        (authed(), idp("False"), C::OIDCConfigRefValidated, false, R::OIDCConfigRefNotValid, false),
        (authed(), references(), C::CABundleRefValidated, true, R::CABundleRefValid, true),
        (
            authed(),
            References { oidc_ca: None, ..references() },
            C::CABundleRefValidated,
            false,
            R::CABundleRefNotFound,
            false,
        ),
        (
            authed(),
            References { oidc_ca: Some(keys(&["other"])), ..references() },
            C::CABundleRefValidated,
            false,
            R::CABundleRefInvalid,
            false,
        ),
        (complete(), references(), C::ToolConfigValidated, true, R::ToolConfigValid, true),
        (
            json!({"toolConfigRef": {"name": "x"}}),
            missing(),
            C::ToolConfigValidated,
            false,
            R::ToolConfigNotFound,
            false,
        ),
        (
            json!({"toolConfigRef": {"name": "x"}}),
            References { tools: Some(object("MCPToolConfig", "x", json!({}), checked("False"))), ..references() },
            C::ToolConfigValidated,
            false,
            R::ValidationFailed,
            false,
        ),
        // A policy is not enforced yet, so the proxy does not run; whether the policy could be used is said all the same.
        (policy(), references(), C::AuthzConfigRefValidated, true, R::AuthzConfigRefValid, false),
        (policy(), missing(), C::AuthzConfigRefValidated, false, R::AuthzConfigRefNotFound, false),
        (policy(), unusable_policy(), C::AuthzConfigRefValidated, false, R::AuthzConfigRefNotValid, false),
        (policy(), references(), C::ConfigurationValid, false, R::ConfigurationInvalid, false),
        (json!({}), missing(), C::AuthConfigured, true, R::AuthValid, true),
        (authed(), missing(), C::AuthConfigured, false, R::AuthInvalid, false),
        (json!({"replicas": 2}), missing(), C::SessionStorageWarning, true, R::SessionStorageMissingForReplicas, true),
        (json!({}), missing(), C::SessionStorageWarning, false, R::SessionStorageWarningNotApplicable, true),
        (authed(), missing(), C::Ready, false, R::NotReady, false),
        (json!({}), missing(), C::Ready, false, R::DeploymentNotReady, true),
    ] {
        let found = condition(proxy(spec.clone()).as_ref(), &references, kind);
        assert_eq!(found, Some((holds, reason.to_string(), built)), "{kind} of {spec}");
    }
    assert_eq!(
        condition(proxy(json!({})).as_ref(), &missing(), C::GroupRefValidated),
        None,
        "what is not referred to has no condition"
    );
}

#[test]
fn the_phase_follows_the_deployment() {
    let failing = Replicas { failure: Some("no image".to_owned()), ..Replicas::default() };
    for (deployment, refused, replicas, phase) in [
        (Replicas { ready: 1, failure: None }, None, Some(1), ProxyPhase::Ready),
        (Replicas { ready: 1, ..failing.clone() }, None, None, ProxyPhase::Ready),
        (failing, None, None, ProxyPhase::Failed),
        (Replicas::default(), None, Some(0), ProxyPhase::Pending),
        (Replicas::default(), None, None, ProxyPhase::Pending),
        (Replicas::default(), Some("write the Deployment ns/analytics: quota"), None, ProxyPhase::Failed),
    ] {
        let proxy = proxy(json!({"replicas": replicas}));
        let verdict = judge(proxy.as_ref(), &References::default());
        let pods = Pods { proxy: deployment.clone(), ..Pods::default() };
        let status = status::of(proxy.as_ref(), &verdict, &pods, refused, Timestamp::UNIX_EPOCH);
        assert_eq!(status.phase, Some(phase), "{deployment:?} {refused:?}");
        assert!(!status.message.unwrap().is_empty());
        assert_eq!(status.url.as_deref(), Some("http://mcp-analytics-remote-proxy.ns.svc.cluster.local:8080"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_spec_gives_a_status_and_the_same_objects_again(
        parts in proptest::sample::subsequence(
            complete().as_object().unwrap().keys().cloned().collect::<Vec<_>>(), 0..=14),
        url in "https?://[a-z0-9.:/\\[\\]@%-]{0,24}",
        known in any::<bool>(),
    ) {
        let spec = with(only(&complete(), &parts), json!({"remoteUrl": url}));
        let references = if known { references() } else { References::default() };
        assert_decided(proxy(spec).as_ref(), &references);
    }
}
