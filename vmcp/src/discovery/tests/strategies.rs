//! Strategies of the configuration: which one a backend gets, and what stops the start.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use serde_json::{Value, json};

use super::{World, auth_config, contents, decider, entry, exchange_spec, fixed_backend, names};
use crate::discovery::{Strategies, fixed};
use crate::outgoing::OutgoingAuth;

pub(super) fn strategies(config: Value) -> Strategies {
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
    world.decider = decider(strategies, fixed::backends(&configured, |_| None));
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
