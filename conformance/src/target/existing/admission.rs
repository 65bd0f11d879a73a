//! What makes the pods of a foreign cluster know a world: a `MutatingAdmissionPolicy`, which concerns nothing but pods in
//! namespaces of this run.
//!
//! A ConfigMap of the namespace says which names lead to which address, and holds the world's public authority. The policy
//! adds the names to the pods' hosts files, and makes programs trust the authority by `SSL_CERT_FILE`. So worlds with the
//! same names do not meet, the cluster's DNS is left alone, and no implementation has to know of it. Needs
//! Kubernetes 1.36, the first with these policies in v1.

use serde_json::{Value, json};

use crate::objects::{ApiError, Objects};
use crate::target::{TargetError, provision};

const POLICIES: &str = "mutatingadmissionpolicies.v1.admissionregistration.k8s.io";
const BINDINGS: &str = "mutatingadmissionpolicybindings.v1.admissionregistration.k8s.io";

/// The label of those namespaces of a run whose pods reach a world.
pub(super) const RUN_LABEL: &str = "conformance.waggle.dev/run";

/// The ConfigMap of a namespace, and the volume that it becomes.
const WORLD: &str = "conformance-world";
/// Where pods see it.
const FOLDER: &str = "/etc/conformance-world";
/// The key of the public authority, and the name of its file.
const AUTHORITY: &str = "public.pem";

/// What adds a world's names to a pod. It is no apply configuration, because those may not touch lists that are replaced as a
/// whole, as `hostnames` is.
const HOSTS: &str = r#"[
  JSONPatch{op: "add", path: "/spec/hostAliases", value: dyn([
    {"ip": dyn(params.data["address"]), "hostnames": dyn(params.data["hosts"].split(" "))}
  ])}
]"#;

/// What the policy adds to each pod, besides the names.
fn trust() -> String {
    format!(
        r#"Object{{
  spec: Object.spec{{
    volumes: [Object.spec.volumes{{name: "{WORLD}", configMap: Object.spec.volumes.configMap{{name: "{WORLD}"}}}}],
    containers: object.spec.containers.map(c, Object.spec.containers{{
      name: c.name,
      env: [Object.spec.containers.env{{name: "SSL_CERT_FILE", value: "{FOLDER}/{AUTHORITY}"}}],
      volumeMounts: [Object.spec.containers.volumeMounts{{name: "{WORLD}", mountPath: "{FOLDER}", readOnly: true}}]
    }})
  }}
}}"#
    )
}

/// The policy of a run and its binding.
fn objects(run: &str) -> [Value; 2] {
    let api = "admissionregistration.k8s.io/v1";
    let name = name(run);
    [
        json!({
            "apiVersion": api,
            "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {RUN_LABEL: run}},
                    "resourceRules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
                    ],
                },
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "mutations": [
                    {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": trust()}},
                    {"patchType": "JSONPatch", "jsonPatch": {"expression": HOSTS}},
                ],
            },
        }),
        json!({
            "apiVersion": api,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            // Looked for in the namespace of the pod. The API server may learn of it later than of the pod, which is refused
            // then: whoever makes pods tries again, and a pod that knew nothing would stay.
            "spec": {"policyName": name, "paramRef": {"name": WORLD, "parameterNotFoundAction": "Deny"}},
        }),
    ]
}

fn name(run: &str) -> String {
    format!("conformance-{run}")
}

/// Whether the cluster has such policies.
pub(super) async fn is_served(api: &Objects) -> Result<bool, TargetError> {
    match api.kinds.named(POLICIES).await {
        Ok(_) => Ok(true),
        Err(ApiError::UnknownKind(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes the policy of a run.
pub(super) async fn install(api: &Objects, run: &str) -> Result<(), TargetError> {
    for object in objects(run) {
        provision::create(api, &object).await?;
    }
    Ok(())
}

/// Removes it.
pub(super) async fn remove(api: &Objects, run: &str) {
    for kind in [BINDINGS, POLICIES] {
        let removed = async {
            let kind = api.kinds.named(kind).await?;
            api.delete(&kind, "", &name(run)).await
        };
        if let Err(error) = removed.await {
            tracing::warn!(%error, "{kind} {} was not removed", name(run));
        }
    }
}

/// The ConfigMap by which the pods of a namespace know that names lead to an address, and whom to trust.
pub(super) fn world(namespace: &str, address: &str, hosts: &[String], authority: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": WORLD, "namespace": namespace},
        "data": {"address": address, "hosts": hosts.join(" "), AUTHORITY: authority},
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use k8s_openapi::api::admissionregistration::v1::{MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding};
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    #[test]
    fn the_policy_is_one_to_kubernetes_and_concerns_the_run_alone() {
        let [policy, binding] = objects("a1b2c3");
        let typed: MutatingAdmissionPolicy = serde_json::from_value(policy.clone()).unwrap();
        // Nothing was lost on the way: every key is known.
        assert_eq!(serde_json::to_value(&typed).unwrap(), policy);
        let bound: MutatingAdmissionPolicyBinding = serde_json::from_value(binding.clone()).unwrap();
        assert_eq!(serde_json::to_value(&bound).unwrap(), binding);
        assert_eq!(bound.spec.unwrap().policy_name, typed.metadata.name);
        let constraints = typed.spec.unwrap().match_constraints.unwrap();
        let labels = constraints.namespace_selector.unwrap().match_labels.unwrap();
        assert_eq!(labels.into_iter().collect::<Vec<_>>(), [(RUN_LABEL.to_owned(), "a1b2c3".to_owned())]);
        insta::assert_snapshot!(format!("{}\n{HOSTS}", trust()));
    }

    #[test]
    fn every_parameter_of_the_policy_is_in_the_config_map() {
        let map = world("shop", "10.96.0.7", &["a.example.com".to_owned(), "b.example.com".to_owned()], "PEM");
        let typed: ConfigMap = serde_json::from_value(map).unwrap();
        let data = typed.data.unwrap();
        for parameter in ["address", "hosts"] {
            assert!(HOSTS.contains(&format!("params.data[\"{parameter}\"]")));
            assert!(data.contains_key(parameter));
        }
        assert_eq!(data["hosts"], "a.example.com b.example.com");
        assert!(trust().contains(&format!("{FOLDER}/{AUTHORITY}")) && data.contains_key(AUTHORITY));
    }
}
