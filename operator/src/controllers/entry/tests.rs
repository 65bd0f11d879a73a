//! Every reason of every condition of an entry.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use operator_api::{
    CaBundleReference, ConfigMapKeyReference, EntryCondition, EntryPhase, EntryReason, ExternalAuthConfigReference,
    MCPExternalAuthConfig, MCPGroup, MCPServerEntry, find_condition,
};
use serde_json::{Value, json};

use super::{resolve::References, status, validate::checks};
use crate::runtime::contents::Keys;

fn entry(spec: Value) -> MCPServerEntry {
    let mut base = json!({
        "remoteUrl": "https://mcp.example.com/mcp", "transport": "streamable-http", "groupRef": {"name": "tools"}
    });
    for (key, value) in spec.as_object().unwrap() {
        base[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "MCPServerEntry",
        "metadata": {"name": "partner", "namespace": "ns", "generation": 3}, "spec": base
    }))
    .unwrap()
}

fn group(phase: &str) -> Arc<MCPGroup> {
    let object = json!({"metadata": {"name": "tools"}, "spec": {}, "status": {"phase": phase}});
    Arc::new(serde_json::from_value(kinded("MCPGroup", object)).unwrap())
}

fn auth_config(valid: Option<&str>) -> Arc<MCPExternalAuthConfig> {
    let conditions = valid.map(|status| {
        json!([{"type": "Valid", "status": status, "reason": "R", "message": "the token URL is wrong",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    });
    let object = json!({
        "metadata": {"name": "auth"}, "spec": {"type": "unauthenticated"},
        "status": {"conditions": conditions.unwrap_or(json!([]))}
    });
    Arc::new(serde_json::from_value(kinded("MCPExternalAuthConfig", object)).unwrap())
}

fn kinded(kind: &str, mut object: Value) -> Value {
    object["apiVersion"] = json!("toolhive.stacklok.dev/v1beta1");
    object["kind"] = json!(kind);
    object
}

fn keys(entries: &[(&str, &str)]) -> Arc<Keys> {
    Arc::new(entries.iter().map(|(key, value)| (*key, value.as_bytes())).collect())
}

const PEM: &str = "-----BEGIN CERTIFICATE-----\n";

/// What an entry needs, all of it there.
fn fulfilled() -> References {
    References { group: Some(group("Ready")), ..References::default() }
}

/// Status, reason and message of the condition `kind`.
fn condition(spec: Value, references: &References, kind: EntryCondition) -> Option<(bool, String, String)> {
    let entry = entry(spec);
    let status = status::of(&entry, &checks(&entry.spec, references), Timestamp::UNIX_EPOCH);
    let condition = find_condition(&status.conditions, kind.as_str())?;
    assert_eq!(condition.observed_generation, Some(3));
    Some((condition.status == "True", condition.reason.clone(), condition.message.clone()))
}

fn assert_reason(spec: Value, references: &References, kind: EntryCondition, holds: bool, reason: EntryReason) {
    let (found, why, message) = condition(spec, references, kind).unwrap();
    assert_eq!((found, why.as_str()), (holds, reason.as_str()), "{kind}: {message}");
}

#[test]
fn an_entry_without_references_is_valid_in_a_ready_group() {
    let entry = entry(json!({}));
    let status = status::of(&entry, &checks(&entry.spec, &fulfilled()), Timestamp::UNIX_EPOCH);
    assert_eq!(status.phase, Some(EntryPhase::Valid));
    assert_eq!(status.observed_generation, Some(3));
    let types: Vec<_> = status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
    assert_eq!(
        types,
        ["RemoteURLValidated", "GroupRefValidated", "ExternalAuthConfigValidated", "CABundleRefValidated", "Valid"],
        "there is no condition on header Secrets without any"
    );
}

#[test]
fn the_group_must_exist_and_be_ready() {
    use EntryCondition::GroupRefValidated as Condition;
    let with = |group| References { group, ..References::default() };
    for (group, holds, reason) in [
        (Some(group("Ready")), true, EntryReason::GroupRefIsValid),
        (Some(group("Failed")), false, EntryReason::GroupRefNotReady),
        (Some(group("Pending")), false, EntryReason::GroupRefNotReady),
        (None, false, EntryReason::GroupRefNotFound),
    ] {
        assert_reason(json!({}), &with(group), Condition, holds, reason);
    }
}

#[test]
fn the_remote_url_is_judged() {
    use EntryCondition::RemoteURLValidated as Condition;
    for (url, private, reason) in [
        ("https://mcp.example.com/mcp", false, EntryReason::RemoteURLValid),
        ("http://10.0.0.1/mcp", false, EntryReason::RemoteURLInvalid),
        ("http://10.0.0.1/mcp", true, EntryReason::RemoteURLValid),
        ("http://127.0.0.1/mcp", true, EntryReason::RemoteURLInvalid),
    ] {
        let spec = json!({"remoteUrl": url, "allowPrivateEndpoint": private});
        assert_reason(spec, &fulfilled(), Condition, reason == EntryReason::RemoteURLValid, reason);
    }
}

#[test]
fn the_auth_config_must_exist_and_be_valid() {
    use EntryCondition::ExternalAuthConfigValidated as Condition;
    let spec = json!({"externalAuthConfigRef": ExternalAuthConfigReference { name: "auth".to_owned() }});
    for (auth_config, holds, reason) in [
        (Some(auth_config(Some("True"))), true, EntryReason::AuthConfigValid),
        (Some(auth_config(Some("False"))), false, EntryReason::AuthConfigInvalid),
        (Some(auth_config(None)), false, EntryReason::AuthConfigInvalid),
        (None, false, EntryReason::AuthConfigNotFound),
    ] {
        let references = References { auth_config, ..fulfilled() };
        assert_reason(spec.clone(), &references, Condition, holds, reason);
    }
    let references = References { auth_config: Some(auth_config(Some("False"))), ..fulfilled() };
    let (_, _, message) = condition(spec, &references, Condition).unwrap();
    assert!(message.contains("the token URL is wrong"), "{message}");
    assert_reason(json!({}), &fulfilled(), Condition, true, EntryReason::AuthConfigNotConfigured);
}

#[test]
fn the_ca_bundle_must_exist_and_hold_certificates() {
    use EntryCondition::CABundleRefValidated as Condition;
    let spec = |optional| {
        let reference =
            ConfigMapKeyReference { name: "ca".to_owned(), key: "ca.crt".to_owned(), optional: Some(optional) };
        json!({"caBundleRef": CaBundleReference { config_map_ref: Some(reference) }})
    };
    for (ca_bundle, optional, holds, reason) in [
        (Some(keys(&[("ca.crt", PEM)])), false, true, EntryReason::CABundleRefValid),
        (Some(keys(&[("other", PEM)])), false, false, EntryReason::CABundleRefInvalid),
        (Some(keys(&[("ca.crt", "not PEM")])), false, false, EntryReason::CABundleRefInvalid),
        (Some(keys(&[("ca.crt", "not PEM")])), true, false, EntryReason::CABundleRefInvalid),
        (Some(keys(&[("ca.crt", "")])), false, false, EntryReason::CABundleRefInvalid),
        (None, false, false, EntryReason::CABundleRefNotFound),
        (None, true, true, EntryReason::CABundleRefNotConfigured),
        (Some(keys(&[])), true, true, EntryReason::CABundleRefNotConfigured),
    ] {
        let references = References { ca_bundle, ..fulfilled() };
        assert_reason(spec(optional), &references, Condition, holds, reason);
    }
    let default = json!({"caBundleRef": {"configMapRef": {"name": "ca"}}});
    let references = References { ca_bundle: Some(keys(&[("ca.crt", PEM)])), ..fulfilled() };
    assert_reason(default, &references, Condition, true, EntryReason::CABundleRefValid);
}

#[test]
fn secrets_of_headers_must_exist_with_their_keys() {
    use EntryCondition::HeaderSecretRefsValidated as Condition;
    let header = |name: &str, secret: &str, key: &str| json!({"headerName": name, "valueSecretRef": {"name": secret, "key": key}});
    let spec = json!({"headerForward": {"addHeadersFromSecret": [
        header("X-A", "one", "a"), header("X-B", "one", "b"), header("X-C", "two", "c")
    ]}});
    let with = |secrets: &[(&str, Arc<Keys>)]| References {
        secrets: secrets.iter().map(|(name, keys)| ((*name).to_owned(), keys.clone())).collect(),
        ..fulfilled()
    };
    let complete = with(&[("one", keys(&[("a", "1"), ("b", "2")])), ("two", keys(&[("c", "3")]))]);
    assert_reason(spec.clone(), &complete, Condition, true, EntryReason::HeaderSecretsValid);
    let incomplete = with(&[("one", keys(&[("a", "")]))]);
    let (holds, reason, message) = condition(spec, &incomplete, Condition).unwrap();
    assert_eq!((holds, reason.as_str()), (false, "HeaderSecretNotFound"));
    insta::assert_snapshot!(message, @r#"header "X-A": Secret "one" has nothing under the key "a"; header "X-B": Secret "one" has no key "b": it has a; header "X-C": Secret "two" does not exist in this namespace"#);
}

#[test]
fn headers_that_cannot_be_sent_make_an_entry_invalid() {
    for headers in [
        json!({"Host": "a"}),
        json!({"Mcp-Session-Id": "a"}),
        json!({"Last-Event-Id": "a"}),
        json!({"X-Forwarded-For": "a"}),
        json!({"transfer-encoding": "a"}),
        json!({"not a name": "a"}),
        json!({"X-A": "line\r\nbreak"}),
        json!({"X-A": "1", "x-a": "2"}),
    ] {
        let spec = json!({"headerForward": {"addPlaintextHeaders": headers}});
        assert_reason(spec, &fulfilled(), EntryCondition::Valid, false, EntryReason::ConfigInvalid);
    }
    let spec = json!({"headerForward": {"addPlaintextHeaders": {"X-Tenant-ID": "engineering", "Authorization": "x"}}});
    assert_reason(spec, &fulfilled(), EntryCondition::Valid, true, EntryReason::ConfigValid);
}

#[test]
fn the_time_of_a_condition_changes_with_its_status_alone() {
    let mut entry = entry(json!({}));
    let first = status::of(&entry, &checks(&entry.spec, &fulfilled()), Timestamp::UNIX_EPOCH);
    entry.status = Some(first);
    let later = Timestamp::from_second(1000).unwrap();
    let second = status::of(&entry, &checks(&entry.spec, &References::default()), later);
    for condition in second.conditions {
        let expected = if condition.status == "True" { Timestamp::UNIX_EPOCH } else { later };
        assert_eq!(condition.last_transition_time.0, expected, "{}", condition.type_);
    }
}
