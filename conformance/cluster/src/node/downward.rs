//! The downward API: fields of a pod for its own containers, by `fieldRef` and `resourceFieldRef`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Pod, ResourceFieldSelector};
use kube::ResourceExt;

/// What the node knows of a pod beside the object.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) node: String,
    pub(crate) pod_address: Ipv4Addr,
    pub(crate) host_address: Ipv4Addr,
}

/// A field that the downward API does not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DownwardError {
    #[error("unsupported fieldPath: {0}")]
    Field(String),
    #[error("resourceFieldRef {0:?} is not supported by this node: it does not know the resources of the machine")]
    Resource(String),
}

/// The value of a `fieldRef`.
pub(crate) fn field(pod: &Pod, placement: &Placement, path: &str) -> Result<String, DownwardError> {
    let spec = pod.spec.clone().unwrap_or_default();
    Ok(match path {
        "metadata.name" => pod.name_any(),
        "metadata.namespace" => pod.namespace().unwrap_or_default(),
        "metadata.uid" => pod.uid().unwrap_or_default(),
        "metadata.labels" => lines(pod.labels()),
        "metadata.annotations" => lines(pod.annotations()),
        "spec.nodeName" => placement.node.clone(),
        "spec.serviceAccountName" => spec.service_account_name.unwrap_or_default(),
        "status.hostIP" | "status.hostIPs" => placement.host_address.to_string(),
        "status.podIP" | "status.podIPs" => placement.pod_address.to_string(),
        _ => {
            let of = |map: &BTreeMap<String, String>, key: &str| map.get(key).cloned().unwrap_or_default();
            match path.strip_suffix("']").and_then(|path| path.split_once("['")) {
                Some(("metadata.labels", key)) => of(pod.labels(), key),
                Some(("metadata.annotations", key)) => of(pod.annotations(), key),
                _ => return Err(DownwardError::Field(path.to_owned())),
            }
        }
    })
}

/// The value of a `resourceFieldRef`: what the container's spec says, divided and rounded up.
pub(crate) fn resource(pod: &Pod, container: &str, selector: &ResourceFieldSelector) -> Result<String, DownwardError> {
    let unknown = || DownwardError::Resource(selector.resource.clone());
    let name = selector.container_name.as_deref().unwrap_or(container);
    let spec = pod.spec.as_ref().ok_or_else(unknown)?;
    let container = spec.containers.iter().find(|container| container.name == name).ok_or_else(unknown)?;
    let resources = container.resources.as_ref().ok_or_else(unknown)?;
    let (kind, resource) = selector.resource.split_once('.').ok_or_else(unknown)?;
    let list = if kind == "limits" { &resources.limits } else { &resources.requests };
    let value = list.as_ref().and_then(|list| list.get(resource)).ok_or_else(unknown)?;
    let value = milli(&value.0).ok_or_else(unknown)?;
    let divisor = match selector.divisor.as_ref().map(|divisor| divisor.0.as_str()) {
        None | Some("" | "0") => 1000,
        Some(divisor) => milli(divisor).filter(|divisor| *divisor > 0).ok_or_else(unknown)?,
    };
    Ok(value.div_ceil(divisor).to_string())
}

/// A quantity in thousandths.
fn milli(quantity: &str) -> Option<u128> {
    const SUFFIXES: [(&str, u128); 11] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("Ei", 1 << 60),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
    ];
    let decimal = |number: &str, thousandths: u128| -> Option<u128> {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        Some(digits.checked_mul(thousandths)?.div_ceil(scale))
    };
    if let Some(number) = quantity.strip_suffix('m') {
        return decimal(number, 1);
    }
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| quantity.strip_suffix(suffix).map(|number| (number, *factor)))
        .unwrap_or((quantity, 1));
    decimal(number, factor * 1000)
}

/// A map as the downward API writes it: one quoted value per line.
fn lines(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(key, value)| format!("{key}={value:?}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fields_of_the_pod_are_found() {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "tier": "a\"b"}},
            "spec": {"containers": [], "serviceAccountName": "robot"}
        }))
        .unwrap();
        let placement = Placement {
            node: "n".into(),
            pod_address: Ipv4Addr::new(127, 80, 0, 20),
            host_address: Ipv4Addr::LOCALHOST,
        };
        for (path, expected) in [
            ("metadata.name", "web"),
            ("metadata.namespace", "shop"),
            ("metadata.labels['app']", "web"),
            ("metadata.annotations['none']", ""),
            ("metadata.labels", "app=\"web\"\ntier=\"a\\\"b\""),
            ("status.podIP", "127.80.0.20"),
            ("spec.serviceAccountName", "robot"),
        ] {
            assert_eq!(field(&pod, &placement, path).unwrap(), expected, "{path}");
        }
        assert!(field(&pod, &placement, "spec.replicas").is_err());
    }

    #[test]
    fn resources_are_divided_and_rounded_up() {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "spec": {"containers": [{"name": "c", "resources": {
                "limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "0.5"}}}]}
        }))
        .unwrap();
        let value = |resource: &str, divisor: Option<&str>| {
            let selector = serde_json::json!({"resource": resource, "divisor": divisor.unwrap_or("0")});
            super::resource(&pod, "c", &serde_json::from_value(selector).unwrap()).ok()
        };
        assert_eq!(value("limits.cpu", None).as_deref(), Some("2"));
        assert_eq!(value("limits.cpu", Some("1m")).as_deref(), Some("1500"));
        assert_eq!(value("limits.memory", Some("1Mi")).as_deref(), Some("64"));
        assert_eq!(value("requests.cpu", Some("1m")).as_deref(), Some("500"));
        assert_eq!(value("requests.memory", None), None);
    }
}
