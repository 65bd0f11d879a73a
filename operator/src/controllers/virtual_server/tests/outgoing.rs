//! How a gateway is told to authenticate to its backends, in both modes.

use operator_api::VirtualServerReason;
use vmcp_config::{Config, StaticBackendKind};

use super::*;
use crate::controllers::virtual_server::workloads::Workload;

fn by_reference(name: &str) -> Value {
    json!({"type": "externalAuthConfigRef", "externalAuthConfigRef": {"name": name}})
}

fn by_account(secret: &str) -> Value {
    json!({"type": "service_account", "serviceAccount": {"credentialsRef": {"name": secret, "key": "token"}}})
}

/// An auth config that can be used.
fn auth(name: &str, spec: Value) -> (String, Arc<MCPExternalAuthConfig>) {
    (name.to_owned(), object("MCPExternalAuthConfig", name, spec, valid()))
}

/// The entry of [`references`], which the operator found Valid, and one that it did not.
fn entries(references: References) -> References {
    let conditions = json!([{
        "type": "CABundleRefValidated", "status": "True", "reason": "CABundleRefValid", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"
    }]);
    let status = |phase: &str| {
        serde_json::from_value(json!({"phase": phase, "observedGeneration": 2, "conditions": conditions})).unwrap()
    };
    let entry = references.entries[0].as_ref();
    let entries = [("partner", "Valid"), ("broken", "Failed")].map(|(name, phase)| {
        let mut entry = entry.clone();
        entry.metadata.name = Some(name.to_owned());
        entry.status = Some(status(phase));
        Arc::new(entry)
    });
    let spec = serde_json::to_value(&references.auth_configs["auth"].spec).unwrap();
    let header = json!({"type": "headerInjection", "headerInjection": {
        "headerName": "X-Key", "valueSecretRef": {"name": "shared-key", "key": "value"}
    }});
    let auth_configs = [auth("auth", spec), auth("shared", header)].into();
    References { entries: entries.to_vec(), auth_configs, ..references }
}

/// What the gateway of `change` is told, checked as the gateway does.
fn config(change: Value, references: &References) -> Config {
    let gateway = judge(&server(change), references).gateway.unwrap();
    let config = gateway.configuration.config;
    assert_eq!(config.problems(), []);
    config
}

#[test]
fn a_gateway_that_discovers_its_backends_is_told_names() {
    let outgoing = json!({"outgoingAuth": {
        "default": by_reference("shared"),
        "backends": {"partner": by_account("account"), "other": {"type": "discovered"}}
    }});
    let config = config(outgoing, &entries(references()));
    assert_eq!(config.backends, None);
    assert_eq!(
        serde_json::to_value(config.outgoing_auth).unwrap(),
        json!({
            "source": "discovered",
            "default": {"type": "external_auth_config", "externalAuthConfig": {"name": "shared"}},
            "backends": {
                "partner": {"type": "header_injection", "headerInjection": {
                    "headerName": "Authorization", "headerFormat": "Bearer {token}",
                    "headerValueSecret": {"name": "account", "key": "token"}
                }},
                "other": {"type": "discovered"}
            }
        })
    );
}

#[test]
fn the_secrets_that_a_gateway_may_read_are_those_of_its_own_auth_too() {
    let server =
        server(json!({"outgoingAuth": {"default": by_reference("auth"), "backends": {"a": by_account("key")}}}));
    let inputs = inputs(&server, &[], references().auth_configs.values());
    assert_eq!(inputs.secrets.keys().collect::<Vec<_>>(), ["client-secret", "key"]);
}

#[test]
fn the_objects_of_an_inline_gateway_are_these() {
    let server = server(json!({
        "outgoingAuth": {"source": "inline", "default": by_account("account"), "backends": {"mine": by_reference("shared")}},
        "config": {"backends": [{"name": "mine", "url": "https://mine.example.com/mcp", "transport": "streamable-http"}]}
    }));
    let verdict = judge(&server, &entries(references()));
    let objects = build::objects(verdict.gateway.as_ref().unwrap(), &settings());
    let objects: Vec<Value> = objects.into_iter().map(|(_, object)| object).collect();
    insta::assert_yaml_snapshot!("inline", objects);
}

#[test]
fn in_inline_mode_an_override_comes_first_then_the_members_own_then_the_default() {
    let inline = |more: Value| {
        let mut outgoing = json!({"source": "inline"});
        outgoing.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"outgoingAuth": outgoing, "config": {"backends": [
            {"name": "mine", "url": "https://mine.example.com/mcp", "transport": "sse"}
        ]}})
    };
    let kinds = |change: Value| {
        let auth = config(change, &entries(references())).outgoing_auth.unwrap();
        let named = auth.backends.into_iter().flatten().map(|(name, strategy)| format!("{name} {}", strategy.kind));
        (named.collect::<Vec<_>>(), auth.default.map(|strategy| strategy.kind))
    };
    let default = Some("header_injection".to_owned());
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(kinds(inline(json!({}))), (named(&["partner token_exchange"]), None));
    assert_eq!(
        kinds(inline(json!({"default": by_reference("shared")}))),
        (named(&["partner token_exchange"]), default.clone())
    );
    let overrides = json!({"default": by_account("a"), "backends": {
        "partner": by_reference("shared"), "mine": {"type": "discovered"}
    }});
    assert_eq!(kinds(inline(overrides)), (named(&["mine unauthenticated", "partner header_injection"]), default));
    let missing = json!({"default": {"type": "discovered"}, "backends": {
        "partner": {"type": "discovered"}, "mine": by_reference("none")
    }});
    let expected = named(&["mine external_auth_config", "partner token_exchange"]);
    assert_eq!(kinds(inline(missing)), (expected, None), "what cannot be used is never replaced by nothing");
}

#[test]
fn in_inline_mode_a_bearer_token_is_a_header_with_a_variable() {
    let mut references = entries(references());
    let bearer =
        json!({"type": "bearerToken", "bearerToken": {"tokenSecretRef": {"name": "api-token", "key": "value"}}});
    references.auth_configs.extend([auth("auth", bearer)]);
    let gateway = judge(&server(json!({"outgoingAuth": {"source": "inline"}})), &references).gateway.unwrap();
    let variable = gateway.configuration.variables.iter().find(|variable| variable.secret == "api-token").unwrap();
    let strategies = gateway.configuration.config.outgoing_auth.unwrap().backends.unwrap();
    let header = strategies["partner"].header_injection.as_ref().unwrap();
    assert_eq!(header.header_name, "Authorization");
    assert_eq!(header.header_value_env.as_ref(), Some(&variable.name));
    assert_eq!(header.format("t-1\n"), "Bearer t-1");
}

#[test]
fn the_users_own_backends_keep_their_names() {
    let change = json!({"outgoingAuth": {"source": "inline"}, "config": {"backends": [
        {"name": "partner", "url": "https://mine.example.com/mcp", "transport": "sse"}
    ]}});
    let config = config(change, &entries(references()));
    let backends = config.backends.unwrap();
    assert_eq!(backends.len(), 1);
    assert_eq!(backends[0].url, "https://mine.example.com/mcp");
    assert_eq!(config.outgoing_auth.unwrap().backends, None, "it has not the member's credentials");
}

#[test]
fn only_valid_members_are_part_of_an_inline_configuration() {
    let inline = json!({"outgoingAuth": {"source": "inline"}});
    let names = |references: &References| {
        let backends = config(inline.clone(), references).backends.unwrap();
        backends.into_iter().map(|backend| backend.name).collect::<Vec<_>>()
    };
    let mut references = entries(references());
    assert_eq!(names(&references), ["partner"]);
    let mut changed = references.entries[0].as_ref().clone();
    changed.metadata.generation = Some(3);
    references.entries[0] = Arc::new(changed);
    assert_eq!(names(&references), Vec::<String>::new(), "a change waits for its verdict");
}

#[test]
fn workloads_of_the_group_that_have_a_service_are_part_of_an_inline_configuration() {
    let url = "http://workload.ns.svc.cluster.local:8080";
    let proxy = |name: &str, url: Option<&str>| {
        let spec = json!({
            "remoteUrl": "https://mcp.example.com/mcp", "transport": "sse", "groupRef": {"name": "tools"},
            "externalAuthConfigRef": {"name": "shared"}
        });
        let status = json!({"phase": "Pending", "url": url});
        Workload::from(&*object::<operator_api::MCPRemoteProxy>("MCPRemoteProxy", name, spec, status))
    };
    let spec = json!({"image": "i", "transport": "streamable-http", "groupRef": {"name": "tools"}});
    let fetch = Workload::from(&*object::<operator_api::MCPServer>("MCPServer", "fetch", spec, json!({"url": url})));
    let workloads = vec![fetch, proxy("analytics", Some(url)), proxy("new", None), proxy("partner", Some(url))];
    let references = References { workloads, ..entries(references()) };
    let config = config(json!({"outgoingAuth": {"source": "inline"}}), &references);
    let backends = config.backends.unwrap();
    let served: Vec<_> = backends.iter().map(|backend| (backend.name.as_str(), backend.url.as_str())).collect();
    assert_eq!(
        served,
        [
            ("fetch", "http://workload.ns.svc.cluster.local:8080/mcp"),
            ("analytics", "http://workload.ns.svc.cluster.local:8080/sse"),
            ("partner", "http://workload.ns.svc.cluster.local:8080/sse"),
        ],
        "a name has one backend, and a workload's goes before an entry's"
    );
    let kinds: Vec<_> = backends.iter().map(|backend| backend.kind).collect();
    let proxy = Some(StaticBackendKind::RemoteProxy);
    assert_eq!(kinds, [None, proxy, proxy], "gateways check proxies on request alone");
    let outgoing = config.outgoing_auth.unwrap().backends.unwrap();
    assert_eq!(outgoing["analytics"].kind, "header_injection");
    assert!(!outgoing.contains_key("fetch"));
}

#[test]
fn a_new_version_of_a_secret_takes_new_pods_in_inline_mode_alone() {
    let template = |source: &str, version: &str| {
        let server = server(json!({"outgoingAuth": {"source": source}}));
        let mut references = entries(references());
        if source == "inline" {
            references.inputs.secrets.insert("api-key".to_owned(), Some(version.to_owned()));
        }
        pod_template(&server, &references)
    };
    assert_ne!(template("inline", "1"), template("inline", "2"));
    assert_eq!(template("inline", "1"), template("inline", "1"));
    assert_eq!(template("discovered", "1"), template("discovered", "2"));
}

#[test]
fn auth_configs_that_cannot_be_used_are_named_and_keep_nothing_else_from_being_served() {
    let server = server(json!({"outgoingAuth": {
        "default": by_reference("none"), "backends": {"a": by_reference("shared"), "b": by_reference("bad"), "c": by_account("s")}
    }}));
    let mut references = entries(references());
    references
        .auth_configs
        .insert("bad".to_owned(), object("MCPExternalAuthConfig", "bad", json!({"type": "xaa"}), json!({})));
    let verdict = judge(&server, &references);
    assert!(verdict.gateway.is_some());
    let status = status::of(&server, &verdict, None, None, Timestamp::UNIX_EPOCH);
    for (kind, expected, words) in [
        ("DefaultAuthConfig", VirtualServerReason::ConversionFailed, "\"none\" does not exist"),
        ("BackendAuthConfig-a", VirtualServerReason::ConversionSucceeded, "\"shared\" is Valid"),
        ("BackendAuthConfig-b", VirtualServerReason::ConversionFailed, "\"bad\" is not Valid"),
    ] {
        let condition = find_condition(&status.conditions, kind).unwrap();
        assert_eq!(condition.reason, expected.as_str());
        assert!(condition.message.contains(words), "{}", condition.message);
    }
    assert!(find_condition(&status.conditions, "BackendAuthConfig-c").is_none());
}

#[test]
fn a_strategy_has_the_block_of_its_type_and_no_other() {
    let account = by_account("s")["serviceAccount"].clone();
    let with = |change: Value| {
        let mut auth = by_account("s");
        auth["serviceAccount"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        auth
    };
    for (name, auth, expected) in [
        ("a", json!({"type": "externalAuthConfigRef"}), "[\"a\"].externalAuthConfigRef.name is required"),
        ("a", by_reference(""), "[\"a\"].externalAuthConfigRef.name is required"),
        ("a", json!({"type": "service_account"}), "[\"a\"].serviceAccount.credentialsRef is required"),
        (
            "a",
            json!({"type": "discovered", "serviceAccount": account}),
            "serviceAccount counts for type service_account only",
        ),
        (
            "a",
            json!({"type": "discovered", "externalAuthConfigRef": {"name": "x"}}),
            "externalAuthConfigRef counts for type externalAuthConfigRef only",
        ),
        ("a", by_account(""), "credentialsRef needs the name of a Secret"),
        ("a", with(json!({"headerName": "Host"})), "headerName \"Host\" cannot be set"),
        ("a", with(json!({"headerFormat": "Bearer"})), "headerFormat must be text with {token}"),
        ("A b", json!({"type": "discovered"}), "[\"A b\"] names no backend"),
    ] {
        let verdict = judge(&server(json!({"outgoingAuth": {"backends": {name: auth}}})), &references());
        let check = &verdict.checks[0];
        assert!(!check.holds && check.message.starts_with("spec.outgoingAuth.backends"), "{}", check.message);
        assert!(check.message.contains(expected), "{}", check.message);
    }
}
