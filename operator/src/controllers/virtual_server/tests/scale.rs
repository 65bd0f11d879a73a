//! How many pods a gateway has, whose account they have, and what follows from it.

use super::*;
use crate::controllers::workload::shared_sessions::SEAL_KEY_BYTES;

/// The objects of `server` by kind and name, with what others said to the Deployment.
fn objects(server: &VirtualMCPServer, deployment_replicas: Option<i32>) -> BTreeMap<String, Value> {
    let verdict = judge(server, &References { deployment_replicas, ..references() });
    let objects = build::objects(verdict.gateway.as_ref().unwrap(), &settings());
    objects.into_iter().map(|(kind, object)| (format!("{kind:?}"), object)).collect()
}

#[test]
fn the_number_of_pods_is_left_to_others_unless_the_spec_says_one() {
    for (replicas, deployment, applied, budget) in [
        (json!(null), None, json!(null), false),
        (json!(null), Some(5), json!(null), true),
        (json!(0), Some(5), json!(0), false),
        (json!(1), None, json!(1), false),
        (json!(3), Some(1), json!(3), true),
    ] {
        let mut change = json!({"replicas": replicas});
        change.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let server = server(change);
        let objects = objects(&server, deployment);
        assert_eq!(objects["Deployment"]["spec"].get("replicas").unwrap_or(&Value::Null), &applied);
        assert_eq!(objects.contains_key("PodDisruptionBudget"), budget, "{replicas} {deployment:?}");
        let references = References { deployment_replicas: deployment, ..references() };
        let obsolete = build::obsolete(&judge(&server, &references).gateway.unwrap());
        assert_eq!(obsolete.is_empty(), budget, "what is not made is removed");
    }
}

#[test]
fn an_account_that_is_not_used_is_removed() {
    for (account, obsolete) in [(json!({}), false), (json!({"serviceAccount": "existing"}), true)] {
        let gateway = judge(&server(account), &references()).gateway.unwrap();
        let kinds: Vec<_> = build::obsolete(&gateway).into_iter().map(|(kind, _)| format!("{kind:?}")).collect();
        assert_eq!(kinds.contains(&"ServiceAccount".to_owned()), obsolete, "{kinds:?}");
    }
}

#[test]
fn the_objects_of_a_gateway_with_several_pods_are_these() {
    let server = server(json!({
        "replicas": 3, "serviceAccount": "existing", "imagePullSecrets": [{"name": "registry"}, {"name": ""}]
    }));
    let objects = objects(&server, None);
    assert!(!objects.contains_key("ServiceAccount"), "the one that exists is used");
    insta::assert_yaml_snapshot!("several_pods", objects);
}

#[test]
fn the_account_that_is_made_has_the_credentials_of_registries() {
    let objects = objects(&server(json!({"imagePullSecrets": [{"name": "registry"}]})), None);
    let expected = json!([{"name": "registry"}]);
    assert_eq!(objects["ServiceAccount"]["imagePullSecrets"], expected);
    assert_eq!(objects["Deployment"]["spec"]["template"]["spec"]["imagePullSecrets"], expected);
}

#[test]
fn pods_that_share_no_sessions_are_warned_of() {
    let redis = json!({"replicas": 2, "sessionStorage": {"provider": "redis", "address": "redis:6379"}});
    for (change, deployment, status, expected) in [
        (json!({}), None, "False", "SessionStorageWarningNotApplicable"),
        (json!({"replicas": 0}), Some(4), "False", "SessionStorageWarningNotApplicable"),
        (json!({"replicas": 2}), None, "True", "SessionStorageMissingForReplicas"),
        (json!({}), Some(2), "True", "SessionStorageMissingForReplicas"),
        (redis, None, "False", "SessionStorageConfigured"),
    ] {
        let server = server(change);
        let verdict = judge(&server, &References { deployment_replicas: deployment, ..references() });
        let status_of = status::of(&server, &verdict, None, None, Timestamp::UNIX_EPOCH);
        let condition = find_condition(&status_of.conditions, "SessionStorageWarning").unwrap();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), (status, expected));
    }
}

#[test]
fn a_gateway_that_is_to_have_no_pods_says_so() {
    let server = server(json!({"replicas": 0}));
    let verdict = judge(&server, &references());
    let status = status::of(&server, &verdict, Some(&Replicas::default()), None, Timestamp::UNIX_EPOCH);
    assert_eq!(status.phase, Some(VirtualServerPhase::Pending));
    assert_eq!(status.message.as_deref(), Some("There is no pod, as spec.replicas says"));
}

/// A server that shares its sessions, with a password.
fn sharing() -> VirtualMCPServer {
    let storage = json!({
        "provider": "redis", "address": "redis:6379", "db": 1, "keyPrefix": "tools:",
        "passwordRef": {"name": "redis", "key": "password"}
    });
    (*server(json!({"replicas": 2, "sessionStorage": storage}))).clone()
}

fn with_password(entries: &[(&'static str, &'static [u8])]) -> References {
    let keys: Keys = entries.iter().copied().collect();
    References { storage_secrets: BTreeMap::from([("redis".to_owned(), Arc::new(keys))]), ..references() }
}

#[test]
fn pods_that_share_sessions_have_the_same_key_and_the_password_as_files() {
    let references = References { seal_key: Some("uid".to_owned()), ..with_password(&[("password", b"open sesame")]) };
    let gateway = judge(&sharing(), &references).gateway.unwrap();
    let objects = build::objects(&gateway, &settings());
    let (_, deployment) = objects.iter().find(|(kind, _)| format!("{kind:?}") == "Deployment").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(
        pod["volumes"][1],
        json!({"name": "session-storage", "projected": {"sources": [
            {"secret": {"name": "vmcp-engineering-seal-key", "items": [{"key": "key", "path": "seal-key"}]}},
            {"secret": {"name": "redis", "items": [{"key": "password", "path": "redis-password"}]}},
        ]}})
    );
    let arguments: Vec<_> = pod["containers"][0]["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for (flag, file) in [("--seal-key-file", "seal-key"), ("--redis-password-file", "redis-password")] {
        assert!(arguments.contains(&format!("{flag}=/etc/vmcp-session-storage/{file}").as_str()), "{arguments:?}");
    }
    assert_eq!(
        gateway.configuration.config.session_storage,
        serde_json::from_value(json!({"provider": "redis", "address": "redis:6379", "db": 1, "keyPrefix": "tools:"}))
            .unwrap()
    );
    let text = serde_json::to_string(&deployment).unwrap();
    assert!(!text.contains("open sesame"));
    // Pods with another key do not understand these: it takes new ones.
    let mut other = gateway.clone();
    other.shared_sessions.as_mut().unwrap().seal_key = Some("other".to_owned());
    assert_ne!(build::objects(&other, &settings()), objects);
    let sessions = gateway.shared_sessions.as_ref().unwrap();
    let key = sessions.secret(&build::owner(&gateway), [7; SEAL_KEY_BYTES]);
    assert_eq!((key.metadata.name.as_deref(), key.immutable), (Some("vmcp-engineering-seal-key"), Some(true)));
    assert_eq!(key.metadata.owner_references.unwrap()[0].uid, gateway.uid);
    assert_eq!(key.data.unwrap()["key"].0, [7; 32]);
}

#[test]
fn a_password_that_is_not_there_is_named() {
    for (references, expected) in [
        (references(), "spec.sessionStorage.passwordRef: Secret \"redis\" does not exist in this namespace"),
        (with_password(&[("other", b"x")]), "has no key \"password\": it has other"),
        (with_password(&[("password", b"")]), "has nothing under the key \"password\""),
    ] {
        let verdict = judge(&sharing(), &references);
        let check = verdict.checks.iter().find(|check| check.kind == VirtualServerCondition::Valid).unwrap();
        assert!(!check.holds && check.message.contains(expected), "{}", check.message);
    }
    let fine = judge(&sharing(), &with_password(&[("password", b"open sesame")]));
    assert!(fine.gateway.is_some(), "{:?}", fine.checks);
}
