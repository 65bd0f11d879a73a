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
            exchange(json!({"externalTokenHeaderName": "X-Token"})),
            "tokenExchange.externalTokenHeaderName is not supported by this release: remove it",
        ),
    ] {
        assert_eq!(problems(&spec), [expected]);
    }
}

const ROLE: &str = "arn:aws:iam::123456789012:role/tools";

/// What is said of a config whose type is not served, before that is said.
fn wrong(kind: &str, block: Value) -> Vec<String> {
    let mut found = problems(&spec(json!({"type": kind, kind: block})));
    assert_eq!(found.pop().unwrap(), format!("type {kind} is not supported by this release: choose another"));
    found
}

#[test]
fn types_that_are_not_served_yet_are_checked_all_the_same() {
    let secret = json!({"name": "secret", "key": "value"});
    let server = |change: Value| {
        let mut block = json!({"issuer": "https://auth.example.com", "upstreamProviders": [
            {"name": "github", "type": "oidc", "oidcConfig": {"issuerUrl": "https://idp.example.com", "clientId": "a"}}
        ]});
        block.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        block
    };
    let oauth2 = |change: Value| {
        let mut block = json!({
            "authorizationEndpoint": "https://a.example.com", "tokenEndpoint": "https://a.example.com", "clientId": "a"
        });
        block.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        server(json!({"upstreamProviders": [{"name": "github", "type": "oauth2", "oauth2Config": block}]}))
    };
    let xaa = |change: Value| {
        let mut block = json!({
            "idpTokenUrl": "https://idp.example.com/token", "targetTokenUrl": "https://auth.example.com/token",
            "targetAudience": "https://auth.example.com"
        });
        block.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        block
    };
    for (kind, block, expected) in [
        ("awsSts", json!({"region": "us-east-1", "fallbackRoleArn": ROLE}), &[][..]),
        ("awsSts", json!({"region": "us-east-1"}), &["awsSts gives nobody a role"]),
        (
            "awsSts",
            json!({"region": "us-east-1", "roleMappings": [
                {"roleArn": ROLE, "claim": "a"}, {"roleArn": ROLE}, {"roleArn": ROLE, "claim": "a", "matcher": "true"}
            ]}),
            &["awsSts.roleMappings[1] takes claim or matcher", "awsSts.roleMappings[2] takes claim or matcher"],
        ),
        ("upstreamInject", json!({"providerName": "github"}), &[]),
        ("obo", json!({"clientId": "a", "clientSecretRef": secret, "cacheSkew": "30s"}), &[]),
        ("obo", json!({"clientSecretRef": secret}), &["obo.clientId is required beside clientSecretRef"]),
        ("obo", json!({"cacheSkew": "soon"}), &["obo.cacheSkew \"soon\" is not a duration"]),
        ("xaa", xaa(json!({})), &[]),
        ("xaa", xaa(json!({"targetTokenUrl": "http://a.test", "insecureTargetTokenUrl": true})), &[]),
        (
            "xaa",
            xaa(json!({"targetTokenUrl": "http://a.test"})),
            &["xaa.targetTokenUrl \"http://a.test\" is without TLS"],
        ),
        ("xaa", xaa(json!({"idpTokenUrl": "https://a:b@idp.example.com"})), &["xaa.idpTokenUrl holds credentials"]),
        ("xaa", xaa(json!({"targetAudience": ""})), &["xaa.targetAudience is empty"]),
        ("xaa", xaa(json!({"idpClientSecretRef": secret})), &["xaa.idpClientId is required beside idpClientSecretRef"]),
        (
            "xaa",
            xaa(json!({"targetClientId": "a", "targetClientSecretRef": {"name": "", "key": "a"}})),
            &["xaa.targetClientSecretRef.name is empty"],
        ),
        ("embeddedAuthServer", server(json!({})), &[]),
        ("embeddedAuthServer", server(json!({"issuer": "http://a.test"})), &["embeddedAuthServer.issuer"]),
        ("embeddedAuthServer", server(json!({"issuer": "http://a.test", "insecureAllowHTTP": true})), &[]),
        (
            "embeddedAuthServer",
            server(json!({"authorizationEndpointBaseUrl": "http://a.test"})),
            &["embeddedAuthServer.authorizationEndpointBaseUrl"],
        ),
        (
            "embeddedAuthServer",
            server(json!({"primaryUpstreamProvider": "other"})),
            &["embeddedAuthServer.primaryUpstreamProvider \"other\" is none of upstreamProviders"],
        ),
        (
            "embeddedAuthServer",
            server(
                json!({"signingKeySecretRefs": [{"name": "", "key": "a"}], "hmacSecretRefs": [{"name": "a", "key": ""}]}),
            ),
            &["embeddedAuthServer.signingKeySecretRefs[0].name", "embeddedAuthServer.hmacSecretRefs[0].key"],
        ),
        ("embeddedAuthServer", server(json!({"storage": {"type": "redis"}})), &["embeddedAuthServer.storage.redis"]),
        (
            "embeddedAuthServer",
            oauth2(json!({"tokenEndpoint": "http://a.test"})),
            &["embeddedAuthServer.upstreamProviders[0].oauth2Config.tokenEndpoint"],
        ),
        ("embeddedAuthServer", oauth2(json!({"tokenEndpoint": "http://a.test", "insecureAllowHTTP": true})), &[]),
    ] {
        let found = wrong(kind, block.clone());
        let is_so = found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
        assert!(found.len() == expected.len() && is_so, "{kind} {block}: {found:?}, not {expected:?}");
    }
}
