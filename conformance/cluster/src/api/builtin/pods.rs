//! Pods and pod templates: defaults and the service-account volume.

use serde_json::{Value, json};

/// Where the service-account token is mounted.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Permissions of files in volumes that do not say: 0644.
const DEFAULT_MODE: i64 = 0o644;

/// Fills in the defaults of a pod's spec, on its own or in a template.
pub(crate) fn default_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    set(spec, "restartPolicy", "Always".into());
    set(spec, "terminationGracePeriodSeconds", 30.into());
    set(spec, "dnsPolicy", "ClusterFirst".into());
    set(spec, "securityContext", json!({}));
    set(spec, "schedulerName", "default-scheduler".into());
    if let Some(account) = spec["serviceAccountName"].as_str().filter(|name| !name.is_empty()).map(str::to_owned) {
        set(spec, "serviceAccount", account.into());
    }
    for list in ["initContainers", "containers"] {
        spec[list].as_array_mut().into_iter().flatten().for_each(default_container);
        if spec[list].is_null()
            && let Some(fields) = spec.as_object_mut()
        {
            fields.remove(list);
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        default_volume(volume);
    }
}

/// Fills in what only a pod itself has, beyond its template.
pub(crate) fn default_pod(pod: &mut Value) {
    default_spec(&mut pod["spec"]);
    let spec = &mut pod["spec"];
    set(spec, "enableServiceLinks", true.into());
    set(spec, "priority", 0.into());
    set(spec, "preemptionPolicy", "PreemptLowerPriority".into());
    if spec.get("tolerations").is_none() {
        let toleration =
            |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
        spec["tolerations"] =
            json!([toleration("node.kubernetes.io/not-ready"), toleration("node.kubernetes.io/unreachable")]);
    }
}

fn default_container(container: &mut Value) {
    set(container, "terminationMessagePath", "/dev/termination-log".into());
    set(container, "terminationMessagePolicy", "File".into());
    set(container, "imagePullPolicy", pull_policy(container["image"].as_str().unwrap_or_default()).into());
    set(container, "resources", json!({}));
    if let Some(limits) = container["resources"].get("limits").and_then(Value::as_object).cloned() {
        for (resource, quantity) in limits {
            set(&mut container["resources"]["requests"], &resource, quantity);
        }
    }
    for port in items(container, "ports") {
        set(port, "protocol", "TCP".into());
    }
    for variable in items(container, "env") {
        let reference = variable.get_mut("valueFrom").and_then(|source| source.get_mut("fieldRef"));
        if let Some(reference) = reference {
            set(reference, "apiVersion", "v1".into());
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
            set(probe, "timeoutSeconds", 1.into());
            set(probe, "periodSeconds", 10.into());
            set(probe, "successThreshold", 1.into());
            set(probe, "failureThreshold", 3.into());
            default_http(probe);
            if let Some(grpc) = probe.get_mut("grpc").filter(|grpc| grpc.is_object()) {
                set(grpc, "service", "".into());
            }
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(hook) = container.get_mut("lifecycle").and_then(|lifecycle| lifecycle.get_mut(hook)) {
            default_http(hook);
        }
    }
}

fn default_http(action: &mut Value) {
    if let Some(get) = action.get_mut("httpGet").filter(|get| get.is_object()) {
        set(get, "path", "/".into());
        set(get, "scheme", "HTTP".into());
    }
}

/// Images without a tag, or tagged `latest`, are pulled always.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or(image);
    let latest = !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    if latest { "Always" } else { "IfNotPresent" }
}

fn default_volume(volume: &mut Value) {
    if volume.as_object().is_some_and(|fields| fields.keys().all(|key| key == "name")) {
        volume["emptyDir"] = json!({});
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        let Some(source) = volume.get_mut(source).filter(|source| source.is_object()) else { continue };
        set(source, "defaultMode", DEFAULT_MODE.into());
        default_field_references(source);
        for projection in items(source, "sources") {
            if let Some(token) = projection.get_mut("serviceAccountToken").filter(|token| token.is_object()) {
                set(token, "expirationSeconds", 3600.into());
            }
            if let Some(downward) = projection.get_mut("downwardAPI") {
                default_field_references(downward);
            }
        }
    }
    if let Some(host) = volume.get_mut("hostPath").filter(|host| host.is_object()) {
        set(host, "type", "".into());
    }
}

fn default_field_references(source: &mut Value) {
    for item in items(source, "items") {
        if let Some(reference) = item.get_mut("fieldRef").filter(|reference| reference.is_object()) {
            set(reference, "apiVersion", "v1".into());
        }
    }
}

/// Adds the projected volume with the service account's token, the cluster's CA and the namespace, as admission does.
pub(crate) fn mount_token(pod: &mut Value) {
    let mounted = |container: &Value| {
        let mounts = container["volumeMounts"].as_array();
        mounts.into_iter().flatten().any(|mount| mount["mountPath"] == TOKEN_PATH)
    };
    let name = format!("kube-api-access-{}", crate::api::metadata::generate_name(""));
    let mut used = false;
    for list in ["initContainers", "containers"] {
        for container in items(&mut pod["spec"], list) {
            if mounted(container) {
                continue;
            }
            used = true;
            let mount = json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH});
            push(container, "volumeMounts", mount);
        }
    }
    if !used {
        return;
    }
    let volume = json!({
        "name": name,
        "projected": {
            "defaultMode": DEFAULT_MODE,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                ]}},
            ],
        },
    });
    push(&mut pod["spec"], "volumes", volume);
}

/// Sets a field that is absent or null.
pub(crate) fn set(object: &mut Value, field: &str, value: Value) {
    if object.is_null() {
        *object = json!({});
    }
    if let Some(fields) = object.as_object_mut() {
        let slot = fields.entry(field).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value;
        }
    }
}

/// The items of a list field; none when there is no such list.
pub(crate) fn items<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

fn push(object: &mut Value, field: &str, item: Value) {
    set(object, field, json!([]));
    if let Some(list) = object[field].as_array_mut() {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_latest_images_are_always_pulled() {
        for (image, policy) in
            [("a", "Always"), ("a:latest", "Always"), ("host:5000/a:1", "IfNotPresent"), ("host:5000/a", "Always")]
        {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn the_token_is_mounted_in_every_container_that_has_none() {
        let mut pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"name": "x", "mountPath": TOKEN_PATH}]}]}});
        mount_token(&mut pod);
        assert_eq!(pod["spec"]["containers"][0]["volumeMounts"][0]["mountPath"], TOKEN_PATH);
        assert_eq!(pod["spec"]["containers"][1]["volumeMounts"].as_array().map(Vec::len), Some(1));
        assert_eq!(pod["spec"]["volumes"].as_array().map(Vec::len), Some(1));
    }
}
