//! The rules of OpenID providers.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use operator_api::MCPOIDCConfigSpec;
use serde_json::{Value, json};

use super::validate::problems;

fn inline(block: Value) -> MCPOIDCConfigSpec {
    serde_json::from_value(json!({"type": "inline", "inline": block})).unwrap()
}

#[test]
fn usable_providers_have_no_problems() {
    for block in [
        json!({"issuer": "https://idp.example.com"}),
        json!({"issuer": "https://idp.example.com/realms/a", "jwksUrl": "https://idp.example.com/jwks"}),
        json!({"issuer": "http://idp.test", "insecureAllowHTTP": true}),
        json!({"issuer": "https://idp.example.com", "caBundleRef": {"configMapRef": {"name": "ca"}}}),
    ] {
        assert_eq!(problems(&inline(block)), Vec::<String>::new());
    }
}

#[test]
fn each_problem_is_named_by_its_field() {
    for (block, field) in [
        (json!({"issuer": ""}), "inline.issuer"),
        (json!({"issuer": "http://idp.example.com"}), "inline.issuer"),
        (json!({"issuer": "https://a:b@idp.example.com"}), "inline.issuer"),
        (json!({"issuer": "https://idp.example.com", "jwksUrl": "http://idp.example.com/jwks"}), "inline.jwksUrl"),
        (
            json!({"issuer": "https://idp.example.com", "caBundleRef": {"configMapRef": {}}}),
            "inline.caBundleRef.configMapRef.name",
        ),
    ] {
        let problems = problems(&inline(block));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(field), "{problems:?}");
    }
}

#[test]
fn the_cluster_as_a_provider_is_reached_by_tls() {
    let cluster = |block: Value| {
        let spec = json!({"type": "kubernetesServiceAccount", "kubernetesServiceAccount": block});
        problems(&serde_json::from_value(spec).unwrap())
    };
    for field in ["issuer", "jwksUrl", "introspectionUrl"] {
        let problems = cluster(json!({field: "http://kubernetes.default.svc"}));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with(&format!("kubernetesServiceAccount.{field} ")), "{problems:?}");
    }
    assert_eq!(cluster(json!({"jwksUrl": "https://kubernetes.default.svc/openid/v1/jwks"})).len(), 1);
}

#[test]
fn what_is_not_supported_yet_is_named() {
    let cluster = serde_json::from_value(json!({"type": "kubernetesServiceAccount", "kubernetesServiceAccount": {}}));
    assert_eq!(
        problems(&cluster.unwrap()),
        ["type kubernetesServiceAccount is not supported by this release: choose another"]
    );
    let opaque = inline(json!({"issuer": "https://idp.example.com", "introspectionUrl": "https://idp.example.com/i"}));
    assert_eq!(problems(&opaque), ["inline.introspectionUrl is not supported by this release: remove it"]);
}
