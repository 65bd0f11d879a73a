//! What is written and read: objects of one to two kilobytes, as operators have them.

use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config};
use serde_json::{Value, json};

/// A client that reaches the server by its kubeconfig, as from another process.
pub(crate) async fn tls_client(kubeconfig: &str) -> anyhow::Result<Client> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// A name that sorts as its number does.
pub(crate) fn name(number: usize) -> String {
    format!("object-{number:05}")
}

fn metadata(number: usize) -> Value {
    json!({
        "name": name(number),
        "namespace": "default",
        "labels": {"app.kubernetes.io/name": "bench", "app.kubernetes.io/instance": name(number),
                   "app.kubernetes.io/managed-by": "bench", "example.com/shelf": format!("s{}", number % 10)},
        "annotations": {"example.com/note": "Written to be counted, and to be as long as notes usually are."},
    })
}

/// A ConfigMap with a kilobyte of data.
pub(crate) fn config_map(number: usize) -> anyhow::Result<ConfigMap> {
    let data = json!({"number": number.to_string(), "settings.yaml": "key: value # and so on\n".repeat(44)});
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(number), "data": data});
    Ok(serde_json::from_value(object)?)
}

/// A Pod as a Deployment's template makes it.
pub(crate) fn pod(number: usize) -> anyhow::Result<Pod> {
    let probe = json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5});
    let container = json!({
        "name": "server", "image": "registry.example.com/server:1.2.3", "args": ["--listen", "0.0.0.0:8080"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "LEVEL", "value": "info"},
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "livenessProbe": probe, "readinessProbe": probe,
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/server"}],
    });
    let spec = json!({"containers": [container], "volumes": [{"name": "settings", "configMap": {"name": "settings"}}]});
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata(number), "spec": spec});
    Ok(serde_json::from_value(object)?)
}

/// Makes the service account that Pods need, and answers a client of Pods.
pub(crate) async fn pods(client: &Client) -> anyhow::Result<Api<Pod>> {
    let account = serde_json::from_value(json!({"metadata": {"name": "default"}}))?;
    Api::<ServiceAccount>::default_namespaced(client.clone()).create(&PostParams::default(), &account).await?;
    Ok(Api::default_namespaced(client.clone()))
}

/// The kind of the custom objects.
pub(crate) fn printer_kind() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("print.example.com", "v1", "Printer"), "printers")
}

/// A custom object with what its schema has to look at: enums, patterns, defaults, a list by key, and rules.
pub(crate) fn printer(number: usize) -> anyhow::Result<DynamicObject> {
    let tray = |name: &str, paper: &str| json!({"name": name, "paper": paper, "sheets": 250 + number % 100});
    let object = json!({
        "apiVersion": "print.example.com/v1", "kind": "Printer", "metadata": metadata(number),
        "spec": {
            "model": "laser", "host": format!("printer-{number}.example.com"), "paper": "A4", "pagesPerMinute": 30,
            "trays": [tray("upper", "A4"), tray("middle", "A3"), tray("lower", "letter")],
            "accounts": [{"name": "staff", "quota": 1000}, {"name": "guests", "quota": 20}],
            "description": "Stands on the second floor, beside the kitchen; the key is with the caretaker. ".repeat(4),
        },
    });
    Ok(serde_json::from_value(object)?)
}

/// Serves the custom kind and answers a client of its objects.
pub(crate) async fn printers(client: &Client) -> anyhow::Result<Api<DynamicObject>> {
    let named = |value: Value| {
        let required = json!(["name"]);
        json!({"type": "array", "maxItems": 8, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": required,
               "items": {"type": "object", "required": required, "properties": value}})
    };
    let paper = json!({"type": "string", "enum": ["A3", "A4", "letter"], "default": "A4"});
    let name = json!({"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"});
    let spec = json!({
        "type": "object",
        "required": ["model", "host"],
        "properties": {
            "model": {"type": "string", "enum": ["laser", "ink"]},
            "host": {"type": "string", "maxLength": 253, "pattern": r"^[a-z0-9.-]+$"},
            "paper": paper,
            "duplex": {"type": "boolean", "default": false},
            "pagesPerMinute": {"type": "integer", "minimum": 1, "maximum": 200},
            "trays": named(json!({"name": name, "paper": paper, "sheets": {"type": "integer", "minimum": 0}})),
            "accounts": named(json!({"name": name, "quota": {"type": "integer", "default": 100}})),
            "description": {"type": "string", "maxLength": 2048},
        },
        "x-kubernetes-validations": [
            {"rule": "self.trays.exists(tray, tray.paper == self.paper)", "message": "some tray must hold the paper"},
            {"rule": "self.model == oldSelf.model", "message": "a printer's model does not change"},
            {"rule": "!self.duplex || self.model == 'laser'", "message": "only laser printers print on both sides"},
        ],
    });
    let schema = json!({"type": "object", "required": ["spec"], "properties": {
        "spec": spec,
        "status": {"type": "object", "properties": {"printed": {"type": "integer"}}},
    }});
    let definition: CustomResourceDefinition = serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "printers.print.example.com"},
        "spec": {
            "group": "print.example.com", "scope": "Namespaced",
            "names": {"plural": "printers", "singular": "printer", "kind": "Printer"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                          "schema": {"openAPIV3Schema": schema}}],
        },
    }))?;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &definition).await?;
    await_condition(definitions, "printers.print.example.com", conditions::is_crd_established()).await?;
    Ok(Api::default_namespaced_with(client.clone(), &printer_kind()))
}
