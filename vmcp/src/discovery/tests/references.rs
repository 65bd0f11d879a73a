//! What a member of the group refers to: auth configs, Secrets, CA bundles and headers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use serde_json::json;

use super::{World, auth_config, contents, entry, exchange_spec, names, status};
use crate::discovery::resolve::Lookup;
use crate::outgoing::OutgoingAuth;

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
