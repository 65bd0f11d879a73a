//! The built-in kinds: their lists that are maps or sets, their maps, and their fields that are one value.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::model::{ListKey, Others, Type};

/// The type of a kind, what an object of it has before anyone set it, and whether it has a status subresource.
pub(super) fn model(group: &str, kind: &str) -> (Type, Value, bool) {
    let (fields, empty, has_status) = table(group, kind);
    let mut fields: BTreeMap<String, Arc<Type>> =
        fields.into_iter().map(|(name, kind)| (name.to_owned(), Arc::new(kind))).collect();
    add_type_and_metadata(&mut fields);
    (Type::Map { fields, others: Others::Fields }, empty, has_status)
}

/// Adds what every object has.
pub(super) fn add_type_and_metadata(fields: &mut BTreeMap<String, Arc<Type>>) {
    fields.insert("apiVersion".to_owned(), Arc::new(Type::Deduced));
    fields.insert("kind".to_owned(), Arc::new(Type::Deduced));
    fields.insert("metadata".to_owned(), Arc::new(metadata()));
}

type Table = (Vec<(&'static str, Type)>, Value, bool);

/// The fields that are special, the values that are never absent, and whether there is a status subresource.
///
/// The empty values are those of required fields: an object decoded without them has them nevertheless.
fn table(group: &str, kind: &str) -> Table {
    match (group, kind) {
        ("", "ConfigMap") => (vec![("data", map()), ("binaryData", map())], json!({}), false),
        ("", "Secret") => (vec![("data", map()), ("stringData", map())], json!({}), false),
        ("", "ServiceAccount") => (vec![("secrets", by(&["name"], Type::Open))], json!({}), false),
        ("", "Namespace") | ("autoscaling", "HorizontalPodAutoscaler") => {
            (vec![status()], json!({"spec": {}, "status": {}}), true)
        }
        ("", "Pod") => {
            let status = fields(vec![
                ("conditions", by(&["type"], Type::Open)),
                ("podIPs", by(&["ip"], Type::Open)),
                ("hostIPs", Type::Atomic),
            ]);
            (vec![("spec", pod_spec()), ("status", status)], json!({"spec": {"containers": null}, "status": {}}), true)
        }
        ("", "Service") => {
            let spec = fields(vec![("ports", ports("port")), ("selector", Type::Atomic)]);
            (vec![("spec", spec), status()], json!({"spec": {}, "status": {"loadBalancer": {}}}), true)
        }
        ("", "Node") => {
            let status = fields(vec![
                ("conditions", by(&["type"], Type::Open)),
                ("addresses", by(&["type"], Type::Open)),
                ("capacity", map()),
                ("allocatable", map()),
            ]);
            (vec![("status", status)], json!({"spec": {}, "status": {}}), true)
        }
        ("", "PersistentVolumeClaim") => {
            let spec = fields(vec![("resources", resources()), ("selector", Type::Atomic)]);
            (vec![("spec", spec), status()], json!({"spec": {"resources": {}}, "status": {}}), true)
        }
        ("", "Event") => {
            let fields = vec![("involvedObject", Type::Atomic), ("related", Type::Atomic)];
            let mut empty = empty_event(&["eventTime", "firstTimestamp", "lastTimestamp"]);
            empty["reportingComponent"] = json!("");
            empty["reportingInstance"] = json!("");
            (fields, empty, false)
        }
        ("events.k8s.io", "Event") => {
            let fields = vec![("regarding", Type::Atomic), ("related", Type::Atomic)];
            (fields, empty_event(&["deprecatedFirstTimestamp", "deprecatedLastTimestamp", "eventTime"]), false)
        }
        ("apps", "Deployment") => workload(json!({"selector": null, "strategy": {}})),
        ("apps", "ReplicaSet") => workload(json!({"selector": null})),
        ("apps", "StatefulSet" | "DaemonSet") => workload(json!({"selector": null, "updateStrategy": {}})),
        ("batch", "Job") => workload(json!({})),
        ("policy", "PodDisruptionBudget") => (
            vec![("spec", fields(vec![("selector", Type::Atomic)])), status()],
            json!({"spec": {}, "status": {}}),
            true,
        ),
        ("networking.k8s.io", "NetworkPolicy") => {
            (vec![("spec", fields(vec![("podSelector", Type::Atomic)]))], json!({"spec": {}}), false)
        }
        ("networking.k8s.io", "Ingress") => (vec![], json!({"spec": {}, "status": {"loadBalancer": {}}}), true),
        (
            "authentication.k8s.io" | "authorization.k8s.io",
            "TokenRequest"
            | "TokenReview"
            | "SubjectAccessReview"
            | "SelfSubjectAccessReview"
            | "LocalSubjectAccessReview"
            | "SelfSubjectRulesReview",
        )
        | ("coordination.k8s.io", "Lease") => (vec![], json!({"spec": {}}), false),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            (vec![("roleRef", Type::Atomic)], json!({"roleRef": {}}), false)
        }
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => (vec![], json!({"rules": null}), false),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let empty = json!({
                "spec": {"group": "", "names": {"plural": "", "kind": ""}, "scope": "", "versions": null},
                "status": {"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": null},
            });
            (vec![status()], empty, true)
        }
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => {
            (vec![("webhooks", by(&["name"], Type::Open))], json!({}), false)
        }
        ("storage.k8s.io", "StorageClass") => (vec![("parameters", map())], json!({}), false),
        _ => (vec![], json!({}), false),
    }
}

/// Kinds that make pods from a template.
fn workload(mut empty_spec: Value) -> Table {
    empty_spec["template"] = json!({"metadata": {}, "spec": {"containers": null}});
    let template = fields(vec![("metadata", metadata()), ("spec", pod_spec())]);
    let spec = fields(vec![("selector", Type::Atomic), ("template", template)]);
    (vec![("spec", spec), status()], json!({"spec": empty_spec, "status": {}}), true)
}

/// An event always has its times, if only as nulls, and says who reports of what.
fn empty_event(times: &[&str]) -> Value {
    let mut event = json!({"involvedObject": {}, "source": {}, "regarding": {}, "deprecatedSource": {}});
    for name in times {
        event[*name] = Value::Null;
    }
    event
}

fn metadata() -> Type {
    fields(vec![
        ("labels", map()),
        ("annotations", map()),
        ("finalizers", Type::Set),
        ("ownerReferences", by(&["uid"], Type::Atomic)),
        ("managedFields", Type::Atomic),
    ])
}

fn status() -> (&'static str, Type) {
    ("status", fields(vec![("conditions", by(&["type"], Type::Open))]))
}

fn pod_spec() -> Type {
    fields(vec![
        ("containers", by(&["name"], container())),
        ("initContainers", by(&["name"], container())),
        ("ephemeralContainers", by(&["name"], container())),
        ("volumes", by(&["name"], volume())),
        ("imagePullSecrets", by(&["name"], Type::Atomic)),
        ("hostAliases", by(&["ip"], Type::Open)),
        (
            "topologySpreadConstraints",
            by(&["topologyKey", "whenUnsatisfiable"], fields(vec![("labelSelector", Type::Atomic)])),
        ),
        ("resourceClaims", by(&["name"], Type::Open)),
        ("schedulingGates", by(&["name"], Type::Open)),
        ("nodeSelector", Type::Atomic),
        ("overhead", map()),
    ])
}

fn container() -> Type {
    let value_from = fields(vec![
        ("configMapKeyRef", Type::Atomic),
        ("fieldRef", Type::Atomic),
        ("fileKeyRef", Type::Atomic),
        ("resourceFieldRef", Type::Atomic),
        ("secretKeyRef", Type::Atomic),
    ]);
    fields(vec![
        ("env", by(&["name"], fields(vec![("valueFrom", value_from)]))),
        ("ports", ports("containerPort")),
        ("volumeMounts", by(&["mountPath"], Type::Open)),
        ("volumeDevices", by(&["devicePath"], Type::Open)),
        ("resources", resources()),
    ])
}

fn volume() -> Type {
    fields(vec![("csi", fields(vec![("nodePublishSecretRef", Type::Atomic), ("volumeAttributes", map())]))])
}

fn resources() -> Type {
    fields(vec![("limits", map()), ("requests", map()), ("claims", by(&["name"], Type::Open))])
}

/// A list of ports, told apart by number and protocol.
fn ports(number: &str) -> Type {
    let keys = vec![
        ListKey { name: number.to_owned(), default: None },
        ListKey { name: "protocol".to_owned(), default: Some(json!("TCP")) },
    ];
    Type::MapList { keys, item: Arc::new(Type::Open) }
}

fn by(keys: &[&str], item: Type) -> Type {
    let keys = keys.iter().map(|name| ListKey { name: (*name).to_owned(), default: None }).collect();
    Type::MapList { keys, item: Arc::new(item) }
}

fn map() -> Type {
    Type::Map { fields: BTreeMap::new(), others: Others::Keys(Arc::new(Type::Deduced)) }
}

/// An object of which these fields are special.
fn fields(special: Vec<(&'static str, Type)>) -> Type {
    let fields = special.into_iter().map(|(name, kind)| (name.to_owned(), Arc::new(kind))).collect();
    Type::Map { fields, others: Others::Fields }
}
