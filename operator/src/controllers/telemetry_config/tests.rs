//! The rules of telemetry settings.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::validate::problems;

fn of(settings: &Value) -> Vec<String> {
    problems(&serde_json::from_value(json!({"openTelemetry": settings})).unwrap())
}

#[test]
fn usable_settings_have_no_problems() {
    assert_eq!(problems(&serde_json::from_value(json!({})).unwrap()), Vec::<String>::new());
    assert_eq!(
        problems(&serde_json::from_value(json!({"prometheus": {"enabled": true}})).unwrap()),
        Vec::<String>::new()
    );
    for settings in [
        json!({}),
        json!({"enabled": true, "endpoint": "otel-collector:4318", "tracing": {"enabled": true}}),
        json!({"enabled": true, "endpoint": "http://otel:4318/v1", "insecure": true, "metrics": {"enabled": true}}),
        json!({"endpoint": ""}),
        json!({"headers": {"X-Tenant": "a"}, "sensitiveHeaders": [
            {"name": "Authorization", "secretKeyRef": {"name": "otel", "key": "token"}}
        ]}),
        json!({"caBundleRef": {"configMapRef": {"name": "a".repeat(48)}}}),
    ] {
        assert_eq!(of(&settings), Vec::<String>::new());
    }
}

#[test]
fn each_problem_is_named_by_its_field() {
    let tracing = json!({"enabled": true});
    for (settings, expected) in [
        (json!({"endpoint": "otel:4318"}), "openTelemetry.endpoint is given and nothing is sent"),
        (json!({"endpoint": "otel:4318", "metrics": {}}), "openTelemetry.endpoint is given and nothing is sent"),
        (
            json!({"endpoint": "ftp://otel", "tracing": tracing}),
            "openTelemetry.endpoint \"ftp://otel\" is no collector",
        ),
        (json!({"endpoint": "two words", "tracing": tracing}), "openTelemetry.endpoint \"two words\" is no collector"),
        (json!({"endpoint": "https://a:b@otel", "tracing": tracing}), "openTelemetry.endpoint holds credentials"),
        (json!({"headers": {"two words": "a"}}), "openTelemetry.headers \"two words\" is not a header name"),
        (json!({"headers": {"X-A": "a\nb"}}), "openTelemetry.headers \"X-A\" has a value that cannot be sent"),
        (
            json!({"sensitiveHeaders": [{"name": "a b", "secretKeyRef": {"name": "a", "key": "b"}}]}),
            "openTelemetry.sensitiveHeaders[0].name",
        ),
        (
            json!({"sensitiveHeaders": [{"name": "A", "secretKeyRef": {"name": "", "key": "b"}}]}),
            "openTelemetry.sensitiveHeaders[0].secretKeyRef.name is empty",
        ),
        (
            json!({"sensitiveHeaders": [{"name": "A", "secretKeyRef": {"name": "a", "key": ""}}]}),
            "openTelemetry.sensitiveHeaders[0].secretKeyRef.key is empty",
        ),
        (
            json!({"insecure": true, "caBundleRef": {"configMapRef": {"name": "ca"}}}),
            "openTelemetry.caBundleRef is without effect",
        ),
        (json!({"caBundleRef": {}}), "openTelemetry.caBundleRef.configMapRef.name is required"),
        (
            json!({"caBundleRef": {"configMapRef": {"name": "a".repeat(49)}}}),
            "openTelemetry.caBundleRef.configMapRef.name \"aaa",
        ),
    ] {
        let problems = of(&settings);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(expected), "{problems:?}");
        assert!(!problems[0].contains("a:b"), "credentials stay out of messages: {problems:?}");
    }
}

proptest! {
    #[test]
    fn every_setting_is_judged(endpoint in ".{0,20}", name in ".{0,8}", value in ".{0,8}", bundle in ".{0,60}") {
        of(&json!({
            "endpoint": endpoint, "headers": {name.clone(): value},
            "sensitiveHeaders": [{"name": name, "secretKeyRef": {"name": bundle, "key": ""}}],
            "caBundleRef": {"configMapRef": {"name": bundle}}
        }));
    }
}
