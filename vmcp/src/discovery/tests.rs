#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use std::sync::Arc;

use operator_api::{MCPExternalAuthConfig, MCPServerEntry};
use serde_json::{Value, json};

use super::decide::{Decide, Decider, Needed, Objects};
use super::member::{Member, MemberKind};
use super::resolve::{Contents, Lookup};
use super::*;
use crate::outgoing::OutgoingAuth;

/// An entry of group `tools` that the operator found Valid at its generation.
pub(super) fn entry(name: &str, spec: Value) -> MCPServerEntry {
    let mut full = json!({
        "remoteUrl": format!("https://{name}.example.com/mcp"),
        "transport": "streamable-http",
        "groupRef": {"name": "tools"},
    });
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1",
        "kind": "MCPServerEntry",
        "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"), "generation": 1},
        "spec": full,
        "status": {"phase": "Valid", "observedGeneration": 1, "conditions": []},
    }))
    .unwrap()
}

fn status(mut entry: MCPServerEntry, generation: i64, observed: i64, phase: &str) -> MCPServerEntry {
    entry.metadata.generation = Some(generation);
    let failed = json!({
        "type": "GroupRefValidated", "status": "False", "reason": "GroupRefNotFound",
        "message": "MCPGroup tools does not exist", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let conditions = if phase == "Failed" { vec![failed] } else { vec![] };
    entry.status = Some(
        serde_json::from_value(json!({"phase": phase, "observedGeneration": observed, "conditions": conditions}))
            .unwrap(),
    );
    entry
}

pub(super) fn auth_config(
    name: &str,
    spec: Value,
    generation: i64,
    observed: i64,
    valid: &str,
) -> MCPExternalAuthConfig {
    serde_json::from_value(json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1",
        "kind": "MCPExternalAuthConfig",
        "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"), "generation": generation},
        "spec": spec,
        "status": {"observedGeneration": observed, "conditions": [{
            "type": "Valid", "status": valid, "reason": "ValidationSucceeded", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]},
    }))
    .unwrap()
}

fn exchange_spec() -> Value {
    json!({"type": "tokenExchange", "tokenExchange": {
        "tokenUrl": "https://auth.example.com/token",
        "clientId": "gateway",
        "clientSecretRef": {"name": "client", "key": "secret"},
        "audience": "https://mcp.example.com",
        "scopes": ["mcp", "tools"],
        "subjectTokenType": "id_token",
    }})
}

fn contents(pairs: &[(&str, &str)]) -> Lookup<Contents> {
    Lookup::Found(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect())
}

/// The decision part with objects around it.
pub(super) struct World {
    decider: Decider,
    objects: Objects,
    needed: Needed,
}

impl World {
    pub(super) fn new(entries: Vec<MCPServerEntry>) -> Self {
        Self::with_strategies(entries, Strategies::default())
    }

    fn with_strategies(entries: Vec<MCPServerEntry>, strategies: Strategies) -> Self {
        let members = MemberKind::ALL.map(|kind| (kind, BTreeMap::new())).into();
        let objects = Objects { members, auth_configs: Some(BTreeMap::new()), ..Objects::default() };
        let decider = Decider::new("tools".to_owned(), strategies, BTreeMap::new());
        let mut world = Self { decider, objects, needed: Needed::default() };
        for entry in entries {
            world.put(entry);
        }
        world
    }

    fn put(&mut self, entry: MCPServerEntry) {
        let name = entry.metadata.name.clone().unwrap();
        self.put_member(MemberKind::Entry, &name, Member::Entry(Arc::new(entry)));
    }

    pub(super) fn put_member(&mut self, kind: MemberKind, name: &str, member: Member) {
        self.objects.members.get_mut(&kind).unwrap().insert(name.to_owned(), member);
    }

    pub(super) fn put_auth(&mut self, config: MCPExternalAuthConfig) {
        let name = config.metadata.name.clone().unwrap();
        self.objects.auth_configs.as_mut().unwrap().insert(name, Arc::new(config));
    }

    fn secret(&mut self, name: &str, found: Lookup<Contents>) {
        self.objects.referenced.secrets.insert(name.to_owned(), found);
    }

    fn config_map(&mut self, name: &str, found: Lookup<Contents>) {
        self.objects.referenced.config_maps.insert(name.to_owned(), found);
    }

    pub(super) fn decide(&mut self) -> Snapshot {
        self.needed = self.decider.accept(&self.objects);
        self.decider.decide(&self.objects)
    }
}

pub(super) fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.backends.keys().map(String::as_str).collect()
}

#[test]
fn valid_members_of_the_group_are_backends() {
    let other = entry("other", json!({"groupRef": {"name": "else"}}));
    let mut world = World::new(vec![entry("a", json!({})), entry("b", json!({"transport": "sse"})), other]);
    let snapshot = world.decide();
    assert_eq!(names(&snapshot), ["a", "b"]);
    assert_eq!(snapshot.left_out, BTreeMap::new());
    assert!(snapshot.synced);
    let backend = &snapshot.backends["a"];
    assert_eq!(backend.url.as_str(), "https://a.example.com/mcp");
    assert_eq!(backend.class, crate::backend::EgressClass::Remote);
    assert_eq!(backend.auth.kind(), "unauthenticated");
}

#[test]
fn nothing_is_synced_before_all_kinds_were_listed() {
    assert!(World::new(vec![]).decide().synced);
    let mut world = World::new(vec![]);
    world.objects.auth_configs = None;
    assert!(!world.decide().synced);
    for kind in MemberKind::ALL {
        let mut world = World::new(vec![]);
        world.objects.members.remove(&kind);
        assert!(!world.decide().synced, "{kind:?}");
    }
}

#[test]
fn an_entry_that_is_not_valid_is_left_out_with_the_operators_reason() {
    let failed = status(entry("a", json!({})), 1, 1, "Failed");
    let pending = status(entry("b", json!({})), 1, 1, "Pending");
    let mut unseen = entry("c", json!({}));
    unseen.status = None;
    let snapshot = World::new(vec![failed, pending, unseen, entry("d", json!({}))]).decide();
    assert_eq!(names(&snapshot), ["d"]);
    assert_eq!(snapshot.left_out["a"], "MCPGroup tools does not exist");
    assert_eq!(snapshot.left_out["b"], "the operator has not validated it yet");
    assert_eq!(snapshot.left_out["c"], "the operator has not validated it yet");
}

#[test]
fn a_changed_entry_is_taken_when_valid_at_its_current_generation() {
    let mut world = World::new(vec![entry("a", json!({}))]);
    world.decide();
    let changed = entry("a", json!({"remoteUrl": "https://new.example.com/mcp"}));
    world.put(status(changed.clone(), 2, 1, "Valid"));
    assert_eq!(world.decide().backends["a"].url.host_str(), Some("a.example.com"), "the previous one stays");
    world.put(status(changed.clone(), 2, 2, "Valid"));
    assert_eq!(world.decide().backends["a"].url.host_str(), Some("new.example.com"));
    world.put(status(changed, 3, 3, "Failed"));
    let snapshot = world.decide();
    assert_eq!(names(&snapshot), [""; 0]);
    assert!(snapshot.left_out.contains_key("a"));
}

#[test]
fn an_entry_that_moves_or_goes_is_gone_at_once() {
    let mut world = World::new(vec![entry("a", json!({})), entry("b", json!({}))]);
    world.decide();
    world.put(status(entry("a", json!({"groupRef": {"name": "else"}})), 2, 1, "Valid"));
    world.objects.members.get_mut(&MemberKind::Entry).unwrap().remove("b");
    let snapshot = world.decide();
    assert_eq!((names(&snapshot), snapshot.left_out.len()), (vec![], 0));
}

#[test]
fn an_entry_that_was_deleted_and_created_again_starts_anew() {
    let mut world = World::new(vec![entry("a", json!({}))]);
    world.decide();
    let mut again = status(entry("a", json!({})), 1, 0, "Pending");
    again.metadata.uid = Some("another".to_owned());
    world.put(again);
    assert_eq!(names(&world.decide()), [""; 0]);
}

#[test]
fn a_token_exchange_is_read_from_the_auth_config_and_its_secret() {
    let mut world = World::new(vec![entry("a", json!({"externalAuthConfigRef": {"name": "auth"}}))]);
    world.put_auth(auth_config("auth", exchange_spec(), 1, 1, "True"));
    let snapshot = world.decide();
    assert!(!snapshot.synced, "the Secret has not been read");
    assert_eq!(snapshot.left_out["a"], "Secret \"client\" is being read");
    assert!(world.needed.secrets.contains("client"));
    world.secret("client", contents(&[("secret", "s3cr3t\n")]));
    let snapshot = world.decide();
    assert!(snapshot.synced);
    let backend = &snapshot.backends["a"];
    assert_eq!(backend.auth_config_ref.as_deref(), Some("auth"));
    let OutgoingAuth::TokenExchange(exchange) = &backend.auth else { panic!("{:?}", backend.auth) };
    assert_eq!(exchange.client.as_ref().unwrap().secret.as_deref(), Some("s3cr3t"));
    assert_eq!(exchange.audience.as_deref(), Some("https://mcp.example.com"));
    assert_eq!(exchange.subject_token_type.urn(), "urn:ietf:params:oauth:token-type:id_token");
    assert_eq!(exchange.scopes, ["mcp", "tools"]);
    assert!(!format!("{snapshot:?}").contains("s3cr3t"), "secrets do not show");
}

#[test]
fn a_rotated_secret_changes_the_backend() {
    let mut world = World::new(vec![entry("a", json!({"externalAuthConfigRef": {"name": "auth"}}))]);
    world.put_auth(auth_config("auth", exchange_spec(), 1, 1, "True"));
    world.secret("client", contents(&[("secret", "one")]));
    let first = world.decide();
    assert!(Arc::ptr_eq(&first.backends["a"], &world.decide().backends["a"]), "nothing changed");
    world.secret("client", contents(&[("secret", "two")]));
    let second = world.decide();
    assert_ne!(first.backends["a"].identity, second.backends["a"].identity);
    assert_ne!(first, second);
}

#[test]
fn an_auth_config_counts_once_valid_at_its_generation() {
    let mut world = World::new(vec![entry("a", json!({"externalAuthConfigRef": {"name": "auth"}}))]);
    world.secret("client", contents(&[("secret", "one")]));
    world.put_auth(auth_config("auth", exchange_spec(), 1, 0, "True"));
    assert!(world.decide().left_out["a"].contains("not there or not Valid yet"));
    world.put_auth(auth_config("auth", exchange_spec(), 1, 1, "True"));
    let first = world.decide();
    let mut changed = exchange_spec();
    changed["tokenExchange"]["audience"] = json!("other");
    world.put_auth(auth_config("auth", changed.clone(), 2, 1, "True"));
    assert_eq!(world.decide(), first, "the previous one stays");
    world.put_auth(auth_config("auth", changed, 2, 2, "True"));
    assert_ne!(world.decide(), first);
}

#[test]
fn header_injection_bearer_tokens_and_unauthenticated_are_read() {
    let mut world = World::new(vec![
        entry("c", json!({"externalAuthConfigRef": {"name": "bearer"}})),
        entry("a", json!({"externalAuthConfigRef": {"name": "inject"}})),
        entry("b", json!({"externalAuthConfigRef": {"name": "none"}})),
    ]);
    let inject = json!({"type": "headerInjection", "headerInjection": {
        "headerName": "X-API-Key", "valueSecretRef": {"name": "key", "key": "value"},
    }});
    world.put_auth(auth_config("inject", inject, 1, 1, "True"));
    world.put_auth(auth_config("none", json!({"type": "unauthenticated"}), 1, 1, "True"));
    let bearer = json!({"type": "bearerToken", "bearerToken": {"tokenSecretRef": {"name": "key", "key": "value"}}});
    world.put_auth(auth_config("bearer", bearer, 1, 1, "True"));
    world.secret("key", contents(&[("value", "k-1")]));
    let snapshot = world.decide();
    let OutgoingAuth::HeaderInjection { name, value } = &snapshot.backends["c"].auth else { panic!("no header") };
    assert_eq!((name.as_str(), value.as_bytes()), ("authorization", b"Bearer k-1".as_slice()));
    assert_eq!(snapshot.backends["a"].auth.kind(), "header_injection");
    assert_eq!(snapshot.backends["b"].auth.kind(), "unauthenticated");
    assert!(!format!("{snapshot:?}").contains("k-1"), "secrets do not show");
}

#[test]
fn a_ca_bundle_comes_from_its_config_map() {
    let ca = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap().cert.pem();
    let spec = json!({"caBundleRef": {"configMapRef": {"name": "bundle", "key": "ca.crt"}}});
    let mut world = World::new(vec![entry("a", spec), entry("b", json!({}))]);
    assert_eq!(names(&world.decide()), ["b"]);
    assert!(world.needed.config_maps.contains("bundle"));
    for (found, reason) in [
        (Lookup::Missing, "does not exist"),
        (contents(&[("other", "x")]), "has no key \"ca.crt\""),
        (contents(&[("ca.crt", "not PEM")]), "holds no certificate"),
        (Lookup::Waiting("the gateway's Role does not permit reading it yet".to_owned()), "does not permit"),
    ] {
        world.config_map("bundle", found);
        let snapshot = world.decide();
        assert_eq!(names(&snapshot), ["b"], "others are not harmed");
        assert!(snapshot.left_out["a"].contains(reason), "{}", snapshot.left_out["a"]);
        assert!(snapshot.synced, "one bad entry does not keep the gateway from being ready");
    }
    world.config_map("bundle", contents(&[("ca.crt", &ca)]));
    let snapshot = world.decide();
    assert_ne!(snapshot.backends["a"].trust.identity(), snapshot.backends["b"].trust.identity());
}

#[test]
fn an_optional_ca_bundle_may_be_missing() {
    let spec = json!({"caBundleRef": {"configMapRef": {"name": "bundle", "key": "ca.crt", "optional": true}}});
    let mut world = World::new(vec![entry("a", spec)]);
    world.config_map("bundle", Lookup::Missing);
    assert_eq!(world.decide().backends["a"].trust.identity(), 0);
}

#[test]
fn headers_come_from_the_entry_and_from_secrets() {
    let spec = json!({"headerForward": {
        "addPlaintextHeaders": {"X-Tenant-ID": "engineering"},
        "addHeadersFromSecret": [{"headerName": "X-Key", "valueSecretRef": {"name": "keys", "key": "key"}}],
    }});
    let mut world = World::new(vec![entry("a", spec)]);
    world.secret("keys", contents(&[("key", "hush")]));
    let snapshot = world.decide();
    assert_eq!(snapshot.backends["a"].headers.names().collect::<Vec<_>>(), ["x-key", "x-tenant-id"]);
    assert!(!format!("{snapshot:?}").contains("hush"), "secrets do not show");
    world.secret("keys", contents(&[]));
    assert_eq!(world.decide().left_out["a"], "Secret \"keys\" has no key \"key\"");
}

#[test]
fn a_restricted_header_leaves_its_entry_out() {
    for header in ["Host", "connection", "Transfer-Encoding", "X-Forwarded-For", "Mcp-Session-Id", "bad name"] {
        let spec = json!({"headerForward": {"addPlaintextHeaders": {header: "x"}}});
        let snapshot = World::new(vec![entry("a", spec), entry("b", json!({}))]).decide();
        assert_eq!(names(&snapshot), ["b"]);
        assert!(snapshot.left_out["a"].contains(header), "{:?}", snapshot.left_out);
    }
}

#[test]
fn what_is_on_its_way_replaces_the_previous_backend_only_when_it_arrives() {
    let mut world = World::new(vec![entry("a", json!({}))]);
    let first = world.decide();
    let spec = json!({"caBundleRef": {"configMapRef": {"name": "bundle", "key": "ca.crt"}}});
    world.put(status(entry("a", spec), 2, 2, "Valid"));
    let snapshot = world.decide();
    assert_eq!(snapshot.backends["a"], first.backends["a"]);
    assert!(world.needed.config_maps.contains("bundle"));
}

fn strategies(config: Value) -> Strategies {
    let config: vmcp_config::OutgoingAuth = serde_json::from_value(config).unwrap();
    Strategies::read(Some(&config), |name| (name == "KEY").then(|| "from-env".to_owned()))
}

#[test]
fn an_explicit_strategy_wins_over_the_entrys_own_and_that_over_the_default() {
    let injected = |name: &str| json!({"type": "header_injection", "headerInjection": {"headerName": name, "headerValueEnv": "KEY"}});
    let strategies = strategies(json!({
        "source": "discovered",
        "default": injected("X-Default"),
        "backends": {"explicit": injected("X-Explicit"), "deferred": {"type": "discovered"}},
    }));
    let with_ref = json!({"externalAuthConfigRef": {"name": "none"}});
    let mut world = World::with_strategies(
        vec![
            entry("explicit", with_ref.clone()),
            entry("own", with_ref),
            entry("plain", json!({})),
            entry("deferred", json!({})),
        ],
        strategies,
    );
    world.put_auth(auth_config("none", json!({"type": "unauthenticated"}), 1, 1, "True"));
    let snapshot = world.decide();
    let header = |name: &str| match &snapshot.backends[name].auth {
        OutgoingAuth::HeaderInjection { name, .. } => name.to_string(),
        other => other.kind().to_owned(),
    };
    assert_eq!(header("explicit"), "x-explicit");
    assert_eq!(snapshot.backends["explicit"].auth_config_ref, None);
    assert_eq!(header("own"), "unauthenticated");
    assert_eq!(header("plain"), "x-default");
    assert_eq!(header("deferred"), "unauthenticated");
}

#[test]
fn a_strategy_that_cannot_be_used_stops_the_start() {
    for (strategy, expected) in [
        (json!({"type": "xaa"}), "outgoingAuth.default.type \"xaa\" is not supported"),
        (json!({"type": "token_exchange"}), "outgoingAuth.default needs tokenExchange"),
        (
            json!({"type": "header_injection", "headerInjection": {"headerName": "X", "headerValueEnv": "NONE"}}),
            "needs the environment variable NONE",
        ),
        (json!({"type": "token_exchange", "tokenExchange": {"tokenUrl": "ftp://x"}}), "token URL is not an http"),
    ] {
        let config: vmcp_config::OutgoingAuth =
            serde_json::from_value(json!({"source": "inline", "default": strategy})).unwrap();
        let strategies = Strategies::read(Some(&config), |_| None);
        let error = strategies.check(true).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        let mut world = World::with_strategies(vec![entry("a", json!({}))], strategies);
        let left_out = world.decide().left_out;
        assert!(left_out["a"].contains(expected), "the operator's gateway leaves the backend out: {left_out:?}");
    }
}

#[test]
fn strategies_that_look_into_the_cluster_need_one() {
    for strategy in [
        json!({"type": "external_auth_config", "externalAuthConfig": {"name": "auth"}}),
        json!({"type": "header_injection", "headerInjection": {
            "headerName": "X", "headerValueSecret": {"name": "s", "key": "k"}
        }}),
    ] {
        let strategies = strategies(json!({"source": "inline", "backends": {"a": strategy}}));
        assert_eq!(strategies.check(true), Ok(()));
        let error = strategies.check(false).unwrap_err().to_string();
        assert!(error.contains("outgoingAuth.backends.a needs a Kubernetes cluster"), "{error}");
    }
}

#[test]
fn strategies_may_name_an_auth_config_or_a_secret_and_follow_them() {
    let configured = [fixed_backend(json!({"name": "fixed", "url": "http://10.0.0.1/mcp", "transport": "sse"}))];
    let mut world = World::new(vec![entry("member", json!({"externalAuthConfigRef": {"name": "own"}}))]);
    let strategies = strategies(json!({
        "source": "discovered",
        "default": {"type": "external_auth_config", "externalAuthConfig": {"name": "shared"}},
        "backends": {"member": {"type": "header_injection", "headerInjection": {
            "headerName": "Authorization", "headerFormat": "Token {token}",
            "headerValueSecret": {"name": "key", "key": "value"}
        }}},
    }));
    world.decider = Decider::new("tools".to_owned(), strategies, fixed::backends(&configured, |_| None));
    let snapshot = world.decide();
    assert!(snapshot.left_out["fixed"].contains("\"shared\" is not there"), "{:?}", snapshot.left_out);
    assert!(!snapshot.synced, "the Secret is being read");

    world.put_auth(auth_config("shared", exchange_spec(), 1, 1, "True"));
    world.secret("client", contents(&[("secret", "s3cr3t")]));
    world.secret("key", contents(&[("value", "abc\n")]));
    let snapshot = world.decide();
    assert_eq!(world.needed.secrets.iter().collect::<Vec<_>>(), ["client", "key"]);
    assert_eq!(names(&snapshot), ["fixed", "member"]);
    assert_eq!(snapshot.backends["fixed"].auth.kind(), "token_exchange");
    assert_eq!(snapshot.backends["fixed"].auth_config_ref.as_deref(), Some("shared"));
    let OutgoingAuth::HeaderInjection { value, .. } = &snapshot.backends["member"].auth else { panic!("no header") };
    assert_eq!(value.as_bytes(), b"Token abc");
    assert_eq!(snapshot.backends["member"].auth_config_ref, None);
}

fn fixed_backend(value: Value) -> vmcp_config::StaticBackend {
    serde_json::from_value(value).unwrap()
}

#[test]
fn backends_of_the_configuration_are_services_unless_they_say_entry() {
    let configured = [
        fixed_backend(json!({"name": "a", "url": "http://127.0.0.1:9/mcp", "transport": "streamable-http"})),
        fixed_backend(json!({"name": "b", "url": "https://b.example.com/sse", "transport": "sse", "type": "entry"})),
    ];
    let backends = fixed::backends(&configured, |_| None);
    assert_eq!(backends["a"].as_ref().unwrap().class, crate::backend::EgressClass::Workload);
    assert_eq!(backends["b"].as_ref().unwrap().class, crate::backend::EgressClass::Remote);
    let twice = [configured[0].clone(), configured[0].clone()];
    assert_eq!(fixed::backends(&twice, |_| None)["a"], Err(FixedError::Duplicate("a".to_owned())));
}

#[test]
fn one_broken_backend_of_the_configuration_is_left_out_with_its_reason() {
    let entry = |name: &str, change: Value| {
        let mut value = json!({"name": name, "url": "https://e.example.com", "transport": "sse", "type": "entry"});
        value.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        fixed_backend(value)
    };
    let configured = [
        entry("fine", json!({"headers": {"X-Tenant": "a"}, "headersFromEnv": {"X-Key": "KEY"}})),
        entry("no-ca", json!({"caBundlePath": "/nowhere/ca.crt"})),
        entry("no-variable", json!({"headersFromEnv": {"X-Key": "NONE"}})),
        entry("no-header", json!({"headers": {"Host": "x"}})),
    ];
    let fixed = fixed::backends(&configured, |name| (name == "KEY").then(|| "from-env".to_owned()));
    let mut decider = Decider::new("tools".to_owned(), Strategies::default(), fixed);
    let snapshot = decider.decide(&Objects::default());
    assert_eq!(names(&snapshot), ["fine"]);
    assert_eq!(snapshot.backends["fine"].headers.names().collect::<Vec<_>>(), ["x-key", "x-tenant"]);
    for (name, expected) in
        [("no-ca", "/nowhere/ca.crt"), ("no-variable", "environment variable NONE"), ("no-header", "Host")]
    {
        assert!(snapshot.left_out[name].contains(expected), "{:?}", snapshot.left_out);
    }
}

#[test]
fn a_backend_of_the_configuration_keeps_its_name() {
    let configured = [fixed_backend(json!({"name": "a", "url": "http://127.0.0.1:9/mcp", "transport": "sse"}))];
    let fixed = fixed::backends(&configured, |_| None);
    let mut world = World::new(vec![entry("a", json!({})), entry("b", json!({}))]);
    world.decider = Decider::new("tools".to_owned(), Strategies::default(), fixed);
    let snapshot = world.decide();
    assert_eq!(names(&snapshot), ["a", "b"]);
    assert_eq!(snapshot.backends["a"].url.port(), Some(9));
    assert!(snapshot.left_out["a"].contains("same name"));
}
