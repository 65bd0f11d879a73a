//! The table of built-in kinds.

use serde_json::{Value, json};

use crate::apply::{Operation, TypeModel, UpdateRequest, track};

/// What the creator of an object owns.
fn created(group: &str, kind: &str, mut object: Value) -> Value {
    let request = UpdateRequest {
        manager: "one".to_owned(),
        subresource: None,
        api_version: "v1".to_owned(),
        now: "2026-01-01T00:00:00Z".to_owned(),
        operation: Operation::Update,
    };
    track(None, &mut object, &request, &TypeModel::builtin(group, kind));
    object["metadata"]["managedFields"][0]["fieldsV1"].clone()
}

#[test]
fn a_deployment_is_owned_container_by_container() {
    let container = json!({
        "name": "c",
        "image": "x",
        "args": ["a"],
        "ports": [{"containerPort": 80}],
        "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "volumeMounts": [{"mountPath": "/c", "name": "v"}],
        "resources": {"limits": {"cpu": "1"}},
    });
    let fields = created(
        "apps",
        "Deployment",
        json!({
            "metadata": {"name": "d", "labels": {"a": "b"}},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {
                        "containers": [container],
                        "volumes": [{"name": "v", "emptyDir": {}}],
                        "tolerations": [{"key": "t"}],
                        "imagePullSecrets": [{"name": "p"}],
                    },
                },
            },
            "status": {"replicas": 1},
        }),
    );
    let container = json!({
        ".": {},
        "f:args": {},
        "f:env": {".": {}, "k:{\"name\":\"E\"}": {".": {}, "f:name": {}, "f:valueFrom": {".": {}, "f:secretKeyRef": {}}}},
        "f:image": {},
        "f:name": {},
        "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
        "f:resources": {".": {}, "f:limits": {".": {}, "f:cpu": {}}},
        "f:volumeMounts": {".": {}, "k:{\"mountPath\":\"/c\"}": {".": {}, "f:mountPath": {}, "f:name": {}}},
    });
    assert_eq!(
        fields,
        json!({
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:selector": {},
                "f:template": {
                    "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                    "f:spec": {
                        "f:containers": {"k:{\"name\":\"c\"}": container},
                        "f:imagePullSecrets": {".": {}, "k:{\"name\":\"p\"}": {}},
                        "f:tolerations": {},
                        "f:volumes": {".": {}, "k:{\"name\":\"v\"}": {".": {}, "f:emptyDir": {}, "f:name": {}}},
                    },
                },
            },
        })
    );
}

#[test]
fn kinds_are_owned_by_their_table() {
    let cases = [
        ("", "ConfigMap", json!({"data": {"a": "1"}}), json!({"f:data": {".": {}, "f:a": {}}})),
        (
            "",
            "Secret",
            json!({"data": {"a": "MQ=="}, "type": "Opaque"}),
            json!({"f:data": {".": {}, "f:a": {}}, "f:type": {}}),
        ),
        (
            "",
            "Service",
            json!({"spec": {"ports": [{"port": 80, "protocol": "UDP"}], "selector": {"a": "b"}}}),
            json!({"f:spec": {
                "f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"UDP\"}": {".": {}, "f:port": {}, "f:protocol": {}}},
                "f:selector": {},
            }}),
        ),
        ("rbac.authorization.k8s.io", "Role", json!({"rules": [{"verbs": ["get"]}]}), json!({"f:rules": {}})),
        (
            "rbac.authorization.k8s.io",
            "RoleBinding",
            json!({"roleRef": {"name": "r"}, "subjects": [{"name": "s"}]}),
            json!({"f:roleRef": {}, "f:subjects": {}}),
        ),
        ("example.com", "Unheard", json!({"spec": {"a": [1]}}), json!({"f:spec": {".": {}, "f:a": {}}})),
    ];
    for (group, kind, content, expected) in cases {
        let mut object = content.clone();
        object["metadata"] = json!({"name": "a"});
        assert_eq!(created(group, kind, object), expected, "{kind}");
    }
}

#[test]
fn owner_references_are_told_apart_by_uid() {
    let object = json!({"metadata": {"name": "a", "ownerReferences": [{"uid": "u", "name": "o"}]}, "data": {}});
    assert_eq!(
        created("", "ConfigMap", object)["f:metadata"],
        json!({"f:ownerReferences": {".": {}, "k:{\"uid\":\"u\"}": {}}}),
    );
}

#[test]
fn without_a_schema_maps_merge_and_lists_are_one_value() {
    let request = UpdateRequest {
        manager: "one".to_owned(),
        subresource: None,
        api_version: "v1".to_owned(),
        now: "2026-01-01T00:00:00Z".to_owned(),
        operation: Operation::Update,
    };
    let mut object = json!({"metadata": {"name": "a"}, "spec": {"a": {"b": 1}, "c": [{"d": 1}]}});
    track(None, &mut object, &request, &TypeModel::deduced());
    assert_eq!(
        object["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:spec": {".": {}, "f:a": {".": {}, "f:b": {}}, "f:c": {}}}),
    );
}
