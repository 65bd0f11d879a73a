//! The Helm chart installs what `operator manifests` prints.
//!
//! What it renders is looked at where `helm` is on the PATH, and skipped with a word elsewhere.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::PathBuf,
    process::{Command, Output},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{ResourceExt, api::DynamicObject};
use operator::{cli::InstallOptions, manifests};
use serde_json::{Value, json};

use crate::cluster::{NAMESPACE, TestCluster};

/// Where the chart is installed in these tests: the same namespace as by `operator manifests`.
const RELEASE_NAMESPACE: &str = "toolhive-system";

/// The Kubernetes that Helm should think of: builds of Helm differ in what they assume.
const KUBERNETES: &str = "--kube-version=1.36.0";

/// Sets of values by name; together they use every value.
const VALUES: [(&str, &str); 3] = [
    ("defaults", ""),
    ("two_namespaces", "operator: {namespaces: [tools, default]}"),
    (
        "every_value",
        "
operator:
  replicas: 2
  image: {repository: registry.example/operator, tag: edge, pullPolicy: Always}
  logFilter: info,operator=debug
  resources: {requests: {cpu: 10m}}
  podAnnotations: {example.com/team: tools}
  podLabels: {example.com/tier: control, app.kubernetes.io/name: mine}
  nodeSelector: {kubernetes.io/os: linux}
  tolerations: [{key: dedicated, operator: Exists}]
  affinity: {podAntiAffinity: {}}
  priorityClassName: system-cluster-critical
serviceAccount: {annotations: {example.com/role: operator}}
imagePullSecrets: [{name: registry}]
gateway:
  image:
    repository: registry.example/vmcp
    tag: ignored
    digest: sha256:0123456789012345678901234567890123456789012345678901234567890123
  egressAllow: [127.0.0.0/8, 'workload=10.0.0.0/8']
metrics: {podMonitor: {enabled: true, interval: 1m, labels: {release: prometheus}}}
tracing:
  endpoint: https://collector.example:4318
  env: [{name: OTEL_TRACES_SAMPLER, value: always_on}]
crds: {keep: false}
",
    ),
];

fn chart() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/chart")
}

/// Runs `helm` on the chart with these values. None, and a word about it, where there is no Helm.
fn helm(arguments: &[&str], values: &str) -> Option<Output> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    fs::write(&file, values).unwrap();
    let mut command = Command::new("helm");
    // Nothing of the user's Helm counts.
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, folder.path());
    }
    match command.args(arguments).arg(chart()).arg(KUBERNETES).arg("--values").arg(file).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            eprintln!("skipped: helm is not on the PATH");
            None
        }
        Err(error) => panic!("helm does not start: {error}"),
    }
}

/// What the chart makes of these values.
fn render(values: &str) -> Option<Vec<DynamicObject>> {
    render_with(&[], values)
}

/// The same without the definitions, which are long and do not depend on the other values.
fn render_objects(values: &str) -> Option<Vec<DynamicObject>> {
    render_with(&["--set=crds.install=false"], values)
}

fn render_with(flags: &[&str], values: &str) -> Option<Vec<DynamicObject>> {
    let arguments = [&["template", "waggle", "--namespace", RELEASE_NAMESPACE], flags].concat();
    let output = helm(&arguments, values)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(serde_saphyr::from_multiple(&text).unwrap())
}

fn kind(object: &DynamicObject) -> &str {
    &object.types.as_ref().unwrap().kind
}

fn is_definition(object: &DynamicObject) -> bool {
    kind(object) == "CustomResourceDefinition"
}

/// The objects by kind and name, without what differs on purpose: labels, and what tells Helm to keep an object.
fn comparable(objects: Vec<DynamicObject>) -> BTreeMap<String, Value> {
    let mut comparable = BTreeMap::new();
    for mut object in objects {
        let name = format!("{} {}", kind(&object), object.name_any());
        object.metadata.labels = None;
        object.annotations_mut().remove("helm.sh/resource-policy");
        object.metadata.annotations.take_if(|annotations| annotations.is_empty());
        let value = if is_definition(&object) {
            // Bounds are numbers with a fraction to some printers, and without one to others.
            json!(object.try_parse::<CustomResourceDefinition>().unwrap())
        } else {
            json!(object)
        };
        let earlier = comparable.insert(name.clone(), value);
        assert!(earlier.is_none(), "two objects are {name}");
    }
    comparable
}

#[test]
fn the_version_of_the_chart_is_the_workspaces() {
    let text = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let chart: BTreeMap<String, Value> = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_chart_installs_what_the_manifests_do() {
    let Some(rendered) = render("") else { return };
    let printed = manifests::install(&InstallOptions::default()).unwrap();
    let mut printed: Vec<DynamicObject> = serde_saphyr::from_multiple(&printed).unwrap();
    // `helm install --create-namespace` makes it.
    printed.retain(|object| kind(object) != "Namespace");
    let (rendered, printed) = (comparable(rendered), comparable(printed));
    let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&rendered), names(&printed));
    for (name, object) in &rendered {
        assert!(*object == printed[name], "{name}: the chart has\n{object:#}\nthe manifests\n{:#}", printed[name]);
    }
}

#[test]
fn values_reach_the_objects() {
    for (name, values) in VALUES {
        let Some(rendered) = render_objects(values) else { return };
        let text = manifests::documents(&rendered).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!(format!("chart_{name}"), text);
    }
}

#[test]
fn definitions_are_kept_unless_the_values_say_otherwise() {
    let definitions = |values: &str| {
        let mut rendered = render(values)?;
        rendered.retain(is_definition);
        Some(rendered)
    };
    let kept =
        |object: &DynamicObject| object.annotations().get("helm.sh/resource-policy").is_some_and(|p| p == "keep");
    let Some(by_default) = definitions("") else { return };
    assert_eq!(by_default.len(), operator_api::crds().len());
    assert!(by_default.iter().all(kept));
    let not_kept = definitions("crds: {keep: false}").unwrap();
    assert_eq!(not_kept.len(), by_default.len());
    assert!(!not_kept.iter().any(kept));
    assert!(definitions("crds: {install: false}").unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_takes_all_that_the_chart_makes() {
    let cluster = TestCluster::without_operator().await;
    assert_eq!(NAMESPACE, "tools", "one of the values `two_namespaces`");
    let Some(mut rendered) = render("") else { return };
    for (_, values) in VALUES {
        rendered.extend(render_objects(values).unwrap());
    }
    // A kind of the Prometheus operator.
    rendered.retain(|object| kind(object) != "PodMonitor");
    for object in &rendered {
        cluster.dry_run(object).await;
    }
}

#[test]
fn the_chart_is_free_of_what_helm_warns_of() {
    for (name, values) in VALUES {
        let Some(output) = helm(&["lint", "--strict"], values) else { return };
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn wrong_values_are_refused() {
    for (values, place) in [
        ("operators: {}", "operators"),
        ("operator: {namespace: tools}", "namespace"),
        ("operator: {namespaces: [Tools]}", "operator.namespaces.0"),
        ("operator: {namespaces: [a, a]}", "operator.namespaces"),
        ("operator: {replicas: -1}", "operator.replicas"),
        ("operator: {image: {pullPolicy: Sometimes}}", "operator.image.pullPolicy"),
        ("operator: {image: {digest: abc}}", "operator.image.digest"),
        ("operator: {image: {repository: ''}}", "operator.image.repository"),
        ("operator: {podLabels: {tier: 1}}", "operator.podLabels.tier"),
        ("gateway: {egressAllow: [10.0.0.0]}", "gateway.egressAllow.0"),
        ("gateway: {egressAllow: ['remotes=10.0.0.0/8']}", "gateway.egressAllow.0"),
        ("metrics: {podMonitor: {interval: often}}", "metrics.podMonitor.interval"),
        ("tracing: {endpoint: 'collector:4318'}", "tracing.endpoint"),
        ("tracing: {env: [{name: PATH, value: /}]}", "tracing.env.0"),
        ("imagePullSecrets: [registry]", "imagePullSecrets.0"),
        ("crds: {install: 'yes'}", "crds.install"),
    ] {
        let Some(output) = helm(&["template", "waggle"], values) else { return };
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{values} is taken");
        assert!(error.contains("values don't meet the specifications") && error.contains(place), "{values}: {error}");
    }
}
