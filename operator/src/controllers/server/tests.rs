//! The checks, the objects and the phases of servers. What an MCPServer says of its proxy is checked as for an
//! MCPRemoteProxy, whose tests go through every case; here each is met once.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use operator_api::{MCPServer, ProxyCondition, ProxyReason, ServerPhase, find_condition};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    controllers::{
        proxy::{
            fixtures::{assert_decided, condition, keys, object, objects, of, only, references, with},
            resolve::References,
            status::{self, Pods},
            validate::judge,
        },
        workload::replicas::Replicas,
    },
    runtime::observed::OwnedKind,
};

fn server(change: Value) -> Arc<MCPServer> {
    let spec = with(json!({"image": "ghcr.io/example/server", "transport": "streamable-http"}), change);
    object("MCPServer", "fetch", spec, json!({}))
}

/// A server that says everything that is served.
fn complete() -> Value {
    json!({
        "transport": "sse", "proxyPort": 9090, "mcpPort": 3000, "replicas": 2, "backendReplicas": 3,
        "sessionAffinity": "None",
        "args": ["--verbose"],
        "env": [{"name": "LEVEL", "value": "debug"}, {"name": "MCP_HOST", "value": "::"}],
        "secrets": [
            {"name": "api-key", "key": "value", "targetEnvName": "API_KEY"},
            {"name": "api-key", "key": "value"}
        ],
        "volumes": [{"name": "data", "hostPath": "/srv/data", "mountPath": "/data", "readOnly": true}],
        "groupRef": {"name": "tools"},
        "oidcConfigRef": {"name": "idp", "audience": "fetch"},
        "externalAuthConfigRef": {"name": "auth"},
        "toolConfigRef": {"name": "selection"},
        "permissionProfile": {"type": "builtin", "name": "network"},
        "endpointPrefix": "/fetch", "trustProxyHeaders": true,
        "resources": {"limits": {"cpu": "2"}},
        "resourceOverrides": {
            "proxyDeployment": {
                "labels": {"team": "data"}, "annotations": {"note": "deployment"},
                "podTemplateMetadataOverrides": {"labels": {"pod": "yes"}},
                "env": [{"name": "RUST_LOG", "value": "debug"}],
                "imagePullSecrets": [{"name": "registry"}]
            },
            "proxyService": {"annotations": {"note": "service"}}
        },
        "podTemplateSpec": {
            "metadata": {"labels": {"app": "theirs", "pod": "yes"}},
            "spec": {
                "nodeSelector": {"disk": "ssd"},
                "containers": [{"name": "mcp", "resources": {"requests": {"memory": "1Gi"}}}]
            }
        }
    })
}

fn stateful_set(spec: Value) -> Value {
    of(&objects(server(spec).as_ref(), &References::default()), OwnedKind::StatefulSet).unwrap()
}

#[test]
fn the_objects_of_a_server_are_these() {
    let objects: Vec<Value> =
        objects(server(complete()).as_ref(), &references()).into_iter().map(|(_, object)| object).collect();
    insta::assert_yaml_snapshot!("objects", objects);
}

#[test]
fn a_minimal_server_leaves_its_replicas_to_others_and_is_told_where_to_listen() {
    let set = stateful_set(json!({}));
    assert_eq!(set["spec"].get("replicas"), None);
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "ghcr.io/example/server", "an image without a tag is taken as it is");
    assert_eq!(container.get("args"), None);
    let port = json!({"name": "MCP_PORT", "value": "8080"});
    assert!(container["env"].as_array().unwrap().contains(&port));
    let objects = objects(server(json!({})).as_ref(), &References::default());
    let config = of(&objects, OwnedKind::ConfigMap).unwrap();
    let text = config["data"]["runconfig.json"].as_str().unwrap();
    let config = vmcp_config::proxy::ProxyConfig::parse(text, "runconfig.json").unwrap();
    assert_eq!(config.url, "http://mcp-fetch.ns.svc.cluster.local:8080/mcp");
}

#[test]
fn the_pods_of_server_and_proxy_are_told_apart() {
    let objects = objects(server(json!({})).as_ref(), &References::default());
    let selector = |wanted: OwnedKind| of(&objects, wanted).unwrap()["spec"]["selector"]["matchLabels"].clone();
    assert_ne!(selector(OwnedKind::StatefulSet)["app"], selector(OwnedKind::Deployment)["app"]);
    for (kind, name) in [(OwnedKind::Deployment, "mcp-fetch-proxy"), (OwnedKind::StatefulSet, "mcp-fetch")] {
        let service = objects.iter().find(|(_, object)| object["metadata"]["name"] == name).unwrap();
        assert_eq!(service.1["spec"]["selector"], selector(kind), "{name}");
    }
}

#[test]
fn a_named_service_account_is_that_of_the_servers_own_pods() {
    let objects = objects(server(json!({"serviceAccount": "theirs"})).as_ref(), &References::default());
    let accounts: Vec<_> = objects.iter().filter(|(kind, _)| *kind == OwnedKind::ServiceAccount).collect();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].1["metadata"]["name"], "fetch-proxy-runner");
    let set = stateful_set(json!({"serviceAccount": "theirs"}));
    assert_eq!(set["spec"]["template"]["spec"]["serviceAccountName"], "theirs");
}

#[test]
fn a_probe_of_the_users_replaces_the_generated_one() {
    let probe = json!({"httpGet": {"path": "/ready", "port": 8080}});
    let template = json!({"spec": {"containers": [{"name": "mcp", "readinessProbe": probe}]}});
    let set = stateful_set(json!({"podTemplateSpec": template}));
    assert_eq!(set["spec"]["template"]["spec"]["containers"][0]["readinessProbe"], probe);
}

#[test]
fn every_reason_has_its_case() {
    use ProxyCondition as C;
    use ProxyReason as R;
    let missing = References::default;
    let other_key = || References { secrets: [("api-key".to_owned(), keys(&["other"]))].into(), ..missing() };
    let secret = || json!({"secrets": [{"name": "api-key", "key": "value"}]});
    let policy = || json!({"authzConfigRef": {"name": "policy"}});
    for (spec, references, kind, holds, reason, built) in [
        (complete(), references(), C::ConfigurationValid, true, R::ConfigurationValid, true),
        (json!({"transport": "stdio"}), missing(), C::ConfigurationValid, false, R::TransportNotSupported, false),
        (secret(), missing(), C::ConfigurationValid, false, R::SecretNotFound, false),
        (secret(), other_key(), C::ConfigurationValid, false, R::SecretNotFound, false),
        (json!({"image": " "}), missing(), C::ConfigurationValid, false, R::ConfigurationInvalid, false),
        (json!({"audit": {"enabled": true}}), missing(), C::ConfigurationValid, false, R::ConfigurationInvalid, false),
        (
            json!({"webhookConfigRef": {"name": "x"}}),
            missing(),
            C::ConfigurationValid,
            false,
            R::ConfigurationInvalid,
            false,
        ),
        (
            json!({"permissionProfile": {"type": "builtin", "name": "none"}}),
            missing(),
            C::ConfigurationValid,
            false,
            R::ConfigurationInvalid,
            false,
        ),
        (
            json!({"env": [{"name": "value", "value": "a"}], "secrets": secret()["secrets"]}),
            references(),
            C::ConfigurationValid,
            false,
            R::ConfigurationInvalid,
            false,
        ),
        (
            json!({"externalAuthConfigRef": {"name": "auth"}}),
            missing(),
            C::ConfigurationValid,
            false,
            R::ExternalAuthConfigFetchError,
            false,
        ),
        (
            json!({"podTemplateSpec": {"spec": 1}}),
            missing(),
            C::PodTemplateValid,
            false,
            R::InvalidPodTemplateSpec,
            false,
        ),
        (complete(), references(), C::PodTemplateValid, true, R::ValidPodTemplateSpec, true),
        (complete(), references(), C::GroupRefValidated, true, R::GroupRefIsValid, true),
        (json!({"groupRef": {"name": "x"}}), missing(), C::GroupRefValidated, false, R::GroupRefNotFound, true),
        (complete(), references(), C::ExternalAuthConfigValidated, true, R::ExternalAuthConfigValid, true),
        (complete(), missing(), C::ExternalAuthConfigValidated, false, R::ExternalAuthConfigNotFound, false),
        (complete(), references(), C::OIDCConfigRefValidated, true, R::OIDCConfigRefValid, true),
        (complete(), missing(), C::OIDCConfigRefValidated, false, R::OIDCConfigRefNotFound, false),
        (complete(), references(), C::CABundleRefValidated, true, R::CABundleRefValid, true),
        (complete(), references(), C::ToolConfigValidated, true, R::ToolConfigValid, true),
        (complete(), missing(), C::ToolConfigValidated, false, R::ToolConfigNotFound, false),
        (policy(), references(), C::AuthzConfigRefValidated, true, R::AuthzConfigRefValid, false),
        (policy(), references(), C::ConfigurationValid, false, R::ConfigurationInvalid, false),
        (
            json!({"authServerRef": {"kind": "MCPExternalAuthConfig", "name": "as"}}),
            missing(),
            C::AuthServerRefValidated,
            false,
            R::AuthServerRefNotFound,
            false,
        ),
        (json!({"replicas": 2}), missing(), C::SessionStorageWarning, true, R::SessionStorageMissingForReplicas, true),
        (json!({}), missing(), C::Ready, false, R::NotReady, true),
    ] {
        let found = condition(server(spec.clone()).as_ref(), &references, kind);
        assert_eq!(found, Some((holds, reason.to_string(), built)), "{kind} of {spec}");
    }
}

#[test]
fn a_stdio_server_is_told_what_to_use() {
    let server = server(json!({"transport": "stdio"}));
    let verdict = judge(server.as_ref(), &References::default());
    let message = &verdict.checks[0].message;
    assert!(message.contains("stdio is not supported") && message.contains("streamable-http or sse"), "{message}");
}

#[test]
fn the_phase_follows_the_pods_of_both_sides() {
    let ready = || Replicas { ready: 1, failure: None };
    let failing = || Replicas { ready: 0, failure: Some("no image".to_owned()) };
    for (spec, server_pods, proxy_pods, refused, phase, message) in [
        (json!({}), ready(), ready(), None, ServerPhase::Ready, "MCP server is running"),
        (json!({}), Replicas::default(), ready(), None, ServerPhase::Pending, "No pod of the server is ready yet"),
        (json!({}), ready(), Replicas::default(), None, ServerPhase::Pending, "No pod of the proxy is ready yet"),
        (json!({}), failing(), ready(), None, ServerPhase::Failed, "No pod of the server serves: no image"),
        (json!({}), ready(), failing(), None, ServerPhase::Failed, "No pod of the proxy serves: no image"),
        (
            json!({"backendReplicas": 0}),
            ready(),
            ready(),
            None,
            ServerPhase::Stopped,
            "No pod of the server is wanted: backendReplicas is 0",
        ),
        (
            json!({"replicas": 0}),
            ready(),
            ready(),
            None,
            ServerPhase::Stopped,
            "No pod of the proxy is wanted: replicas is 0",
        ),
        (json!({}), ready(), ready(), Some("write it: quota"), ServerPhase::Failed, "failed to write it: quota"),
    ] {
        let server = server(spec);
        let verdict = judge(server.as_ref(), &References::default());
        let pods = Pods { proxy: proxy_pods, server: server_pods };
        let status = status::of(server.as_ref(), &verdict, &pods, refused, Timestamp::UNIX_EPOCH);
        assert_eq!((status.phase, status.message.as_deref()), (Some(phase), Some(message)));
        assert_eq!(status.ready_replicas, Some(pods.proxy.ready));
        assert_eq!(status.url.as_deref(), Some("http://mcp-fetch-proxy.ns.svc.cluster.local:8080"));
        let ready = find_condition(&status.conditions, "Ready").unwrap();
        assert_eq!(ready.reason, if phase == ServerPhase::Ready { "Ready" } else { "NotReady" });
    }
}

#[test]
fn an_object_that_is_being_deleted_says_so() {
    let mut server = (*server(json!({}))).clone();
    server.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    let verdict = judge(&server, &References::default());
    let status = status::of(&server, &verdict, &Pods::default(), None, Timestamp::UNIX_EPOCH);
    assert_eq!(status.phase, Some(ServerPhase::Terminating));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_spec_gives_a_status_and_the_same_objects_again(
        parts in proptest::sample::subsequence(
            complete().as_object().unwrap().keys().cloned().collect::<Vec<_>>(), 0..=20),
        image in ".{0,8}",
        known in any::<bool>(),
    ) {
        let spec = with(only(&complete(), &parts), json!({"image": image}));
        let references = if known { references() } else { References::default() };
        assert_decided(server(spec).as_ref(), &references);
    }
}
