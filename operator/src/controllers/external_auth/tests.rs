//! The rules of auth configs.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use operator_api::MCPExternalAuthConfigSpec;
use serde_json::{Value, json};

use super::validate::problems;

fn spec(value: Value) -> MCPExternalAuthConfigSpec {
    serde_json::from_value(value).unwrap()
}

fn exchange(change: Value) -> MCPExternalAuthConfigSpec {
    let mut block = json!({
        "tokenUrl": "https://auth.example.com/token", "audience": "https://mcp.example.com",
        "clientId": "gateway", "clientSecretRef": {"name": "secret", "key": "value"}
    });
    for (key, value) in change.as_object().unwrap() {
        block[key] = value.clone();
    }
    spec(json!({"type": "tokenExchange", "tokenExchange": block}))
}

#[test]
fn usable_configs_have_no_problems() {
    for spec in [
        exchange(json!({})),
        exchange(json!({"clientId": null, "clientSecretRef": null})),
        spec(json!({"type": "unauthenticated"})),
        spec(json!({"type": "headerInjection", "headerInjection": {
            "headerName": "Authorization", "valueSecretRef": {"name": "a", "key": "b"}
        }})),
    ] {
        assert_eq!(problems(&spec), Vec::<String>::new());
    }
}

#[test]
fn each_problem_is_named_by_its_field() {
    for (spec, field) in [
        (exchange(json!({"tokenUrl": "auth.example.com"})), "tokenExchange.tokenUrl"),
        (exchange(json!({"tokenUrl": "ftp://auth.example.com"})), "tokenExchange.tokenUrl"),
        (exchange(json!({"tokenUrl": "https://a:b@auth.example.com"})), "tokenExchange.tokenUrl"),
        (exchange(json!({"audience": ""})), "tokenExchange.audience"),
        (exchange(json!({"clientId": ""})), "tokenExchange.clientId"),
        (exchange(json!({"clientSecretRef": {"name": "", "key": "a"}})), "tokenExchange.clientSecretRef.name"),
        (
            spec(json!({"type": "headerInjection", "headerInjection": {
                "headerName": "Host", "valueSecretRef": {"name": "a", "key": "b"}
            }})),
            "headerInjection.headerName",
        ),
    ] {
        let problems = problems(&spec);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(field), "{problems:?}");
        assert!(!problems[0].contains("a:b@"), "credentials stay out of messages: {problems:?}");
    }
}

#[test]
fn what_is_not_supported_yet_is_named() {
    for (spec, expected) in [
        (
            spec(json!({"type": "upstreamInject", "upstreamInject": {"providerName": "a"}})),
            "type upstreamInject is not supported by this release: choose another",
        ),
        (
            spec(json!({"type": "upstreamInject", "upstreamInject": {"providerName": "github"}})),
            "type upstreamInject is not supported by this release: choose another",
        ),
        (
            exchange(json!({"externalTokenHeaderName": "X-Token"})),
            "tokenExchange.externalTokenHeaderName is not supported by this release: remove it",
        ),
    ] {
        assert_eq!(problems(&spec), [expected]);
    }
}
