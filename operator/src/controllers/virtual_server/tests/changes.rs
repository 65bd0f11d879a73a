//! Which changes start new pods, and which the pods take in with the sessions that they have.

use operator_api::MCPToolConfig;
use vmcp_config::Config;

use super::*;

/// What the pods of `server` read.
fn file(server: &VirtualMCPServer, references: &References) -> Config {
    let objects = build::objects(&judge(server, references).gateway.unwrap(), &settings());
    let map = objects.into_iter().find(|(kind, _)| *kind == OwnedKind::ConfigMap).unwrap().1;
    vmcp_config::parse(map["data"]["config.yaml"].as_str().unwrap(), "config.yaml").unwrap()
}

#[test]
fn pods_stay_for_what_they_follow_and_go_for_what_they_read_when_they_start() {
    let selecting = json!({"tools": [{"workload": "partner", "filter": ["x"]}]});
    let redis = json!({"provider": "redis", "address": "redis:6379"});
    for (change, stay) in [
        (json!({"config": {"aggregation": selecting}}), true),
        (json!({"config": {"aggregation": {"conflictResolution": "manual", "tools": [{"workload": "a"}]}}}), true),
        (json!({"config": {"operational": {"timeouts": {"default": "45s"}}}}), true),
        (json!({"config": {"operational": {"logLevel": "debug"}}}), true),
        (json!({"config": {"metadata": {"team": "a"}}}), true),
        (json!({"config": {"passthroughHeaders": ["X-Tenant"]}}), true),
        (json!({"config": {"backends": [{"name": "a", "url": "http://a/mcp", "transport": "sse"}]}}), true),
        (
            json!({"outgoingAuth": {"default": {"type": "externalAuthConfigRef", "externalAuthConfigRef": {"name": "auth"}}}}),
            true,
        ),
        (json!({"groupRef": {"name": "others"}}), true),
        (json!({"serviceType": "NodePort"}), true),
        (json!({"replicas": 1}), true),
        (json!({"outgoingAuth": {"source": "inline"}}), false),
        (json!({"incomingAuth": oidc()}), true),
        (json!({"sessionStorage": redis}), false),
        (json!({"serviceAccount": "other"}), false),
        (json!({"podTemplateSpec": {"metadata": {"annotations": {"a": "b"}}}}), false),
    ] {
        let (before, after) = (server(json!({})), server(change.clone()));
        let same = pod_template(&before, &references()) == pod_template(&after, &references());
        assert_eq!(same, stay, "{change}");
    }
}

#[test]
fn a_changed_selection_of_tools_reaches_the_pods_that_run() {
    let refers = json!({"tools": [{"workload": "partner", "toolConfigRef": {"name": "selection"}}]});
    let server = server(json!({"config": {"aggregation": refers}}));
    let selecting = |tool: &str| {
        let config: Arc<MCPToolConfig> = object("MCPToolConfig", "selection", json!({"toolsFilter": [tool]}), valid());
        References { tool_configs: [("selection".to_owned(), config)].into(), ..references() }
    };
    let (one, two) = (selecting("one"), selecting("two"));
    assert_eq!(pod_template(&server, &one), pod_template(&server, &two));
    let (one, two) = (file(&server, &one), file(&server, &two));
    assert_ne!(one, two);
    assert_eq!(one.needs_restart(&two), [""; 0], "the pods can follow");
}

#[test]
fn who_may_call_changes_at_the_pods_that_run_unless_they_lack_an_authority() {
    let provider = |issuer: &str, bundle: Value| {
        let spec = json!({"type": "inline", "inline": {"issuer": issuer, "caBundleRef": bundle}});
        let provider: Arc<MCPOIDCConfig> = object("MCPOIDCConfig", "idp", spec, valid());
        References { oidc: Some(provider), ..references() }
    };
    let (one, two) =
        (provider("https://one.example.com", json!(null)), provider("https://two.example.com", json!(null)));
    let anonymous = server(json!({}));
    let known = server(json!({"incomingAuth": oidc()}));
    let mut other = oidc();
    other["oidcConfigRef"]["audience"] = json!("other");
    let other = server(json!({"incomingAuth": other}));
    for (server, references) in [(&known, &one), (&known, &two), (&other, &one)] {
        assert_eq!(pod_template(server, references), pod_template(&anonymous, &one));
        let (before, after) = (file(&anonymous, &one), file(server, references));
        assert_ne!(before.incoming_auth, after.incoming_auth);
        assert_eq!(before.needs_restart(&after), [""; 0], "the pods can follow");
    }
    let of = |map: &str| provider("https://one.example.com", json!({"configMapRef": {"name": map}}));
    let (one, two) = (of("one"), of("two"));
    assert_ne!(pod_template(&known, &one), pod_template(&known, &two));
    let path = |references: &References| file(&known, references).incoming_auth.unwrap().oidc.unwrap().ca_bundle_path;
    assert_ne!(path(&one), path(&two), "pods that have one do not take it for the other");
}

#[test]
fn a_member_that_needs_nothing_of_the_pods_joins_them_as_they_are() {
    let server = server(json!({"outgoingAuth": {"source": "inline"}}));
    let entry = |name: &str, more: Value| {
        let mut spec =
            json!({"remoteUrl": "https://mcp.example.com/mcp", "transport": "sse", "groupRef": {"name": "tools"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let conditions = json!([{
            "type": "CABundleRefValidated", "status": "True", "reason": "CABundleRefValid", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        }]);
        let status = json!({"phase": "Valid", "observedGeneration": 2, "conditions": conditions});
        object::<MCPServerEntry>("MCPServerEntry", name, spec, status)
    };
    let with = |entries: Vec<Arc<MCPServerEntry>>| References { entries, ..references() };
    let alone = pod_template(&server, &with(vec![entry("a", json!({}))]));
    let plain = json!({"headerForward": {"addPlaintextHeaders": {"X-Tenant": "a"}}});
    assert_eq!(pod_template(&server, &with(vec![entry("a", plain), entry("b", json!({}))])), alone);
    let bundle = json!({"caBundleRef": {"configMapRef": {"name": "ca"}}});
    assert_ne!(pod_template(&server, &with(vec![entry("a", bundle)])), alone, "it is mounted");
}
