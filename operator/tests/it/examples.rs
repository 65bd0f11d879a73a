//! Every example of the documents is admitted by the CRDs: without an error, and without a warning.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use axum::http::{Request, header};
use embedded_cluster::api::{ApiOptions, ApiServer, ApiService};
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::PostParams,
    client::Body,
    runtime::{conditions::is_crd_established, wait::await_condition},
};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Where the examples are; a folder per document, a file per example.
const EXAMPLES: &str = "manifests/examples";

/// Examples that are the manifests of a scenario.
const OF_SCENARIOS: [&str; 3] = [
    "mcpserverentry-guide/minimal-entry/my-group.yaml",
    "mcpserverentry-guide/minimal-entry/my-entry.yaml",
    "mcpserverentry-guide/complete-example/complete-entry.yaml",
];

/// Examples that the documents print and that cannot be applied, with what the user is told.
const REFUSED: [(&str, &[&str]); 4] = [
    ("mcpserverentry-guide/as-printed.yaml", &["unknown field \"spec.remoteURL\""]),
    ("mcpserverentry-crd/as-printed.yaml", &["spec.remoteUrl", "'^https?://'"]),
    ("mcpremoteproxy-crd/as-printed.yaml", &["spec.remoteUrl", "'^https?://'"]),
    (
        "vmcp-configuration-guide/remote-workload-health-checks-as-printed.yaml",
        &["spec.groupRef: Required value", "spec.incomingAuth: Required value"],
    ),
];

/// An API server with every kind, those included whose controllers are still to come.
struct Admission {
    service: ApiService,
    plurals: BTreeMap<String, String>,
}

/// What the API server says to an object.
struct Answer {
    status: u16,
    text: String,
    warnings: Vec<String>,
}

impl Admission {
    async fn start() -> Self {
        let server = ApiServer::new(ApiOptions::default());
        let client = server.client("default");
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = json!({"metadata": {"name": "toolhive-system"}});
        namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
        let mut plurals = BTreeMap::new();
        for crd in operator_api::crds() {
            install(&client, &crd).await;
            plurals.insert(crd.spec.names.kind, crd.spec.names.plural);
        }
        Self { service: server.service(), plurals }
    }

    /// Applies `object` as `kubectl apply --server-side --dry-run=server --validate=strict` would.
    async fn apply(&self, object: &Value) -> Answer {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (version, plural) = (text("/apiVersion").unwrap(), &self.plurals[text("/kind").unwrap()]);
        let (namespace, name) = (text("/metadata/namespace").unwrap_or("default"), text("/metadata/name").unwrap());
        let request = Request::patch(format!(
            "/apis/{version}/namespaces/{namespace}/{plural}/{name}?dryRun=All&fieldManager=test&fieldValidation=Strict"
        ))
        .header(header::CONTENT_TYPE, "application/apply-patch+yaml")
        .body(Body::from(object.to_string().into_bytes()))
        .unwrap();
        let response = self.service.clone().oneshot(request).await.unwrap();
        let warnings = response.headers().get_all(header::WARNING).iter();
        let warnings = warnings.map(|warning| warning.to_str().unwrap().to_owned()).collect();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(axum::body::Body::new(response.into_body()), usize::MAX).await.unwrap();
        Answer { status, text: String::from_utf8(body.to_vec()).unwrap(), warnings }
    }
}

async fn install(client: &Client, crd: &CustomResourceDefinition) {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    crds.create(&PostParams::default(), crd).await.unwrap_or_else(|error| panic!("{}: {error}", crd.name_any()));
    await_condition(crds, &crd.name_any(), is_crd_established()).await.unwrap();
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// The examples by document and name.
fn examples() -> BTreeMap<String, Vec<Value>> {
    let folders = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let root = scenarios().join(EXAMPLES);
    let own = folders(&root).into_iter().flat_map(|folder| folders(&folder));
    let files = own.map(|path| (path.strip_prefix(&root).unwrap().display().to_string(), path.clone()));
    let of_scenarios = OF_SCENARIOS.iter().map(|name| ((*name).to_owned(), scenarios().join(name)));
    files
        .chain(of_scenarios)
        .map(|(name, path)| (name, serde_saphyr::from_multiple(&fs::read_to_string(path).unwrap()).unwrap()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_example_of_the_documents_is_admitted_in_both_versions() {
    let admission = Admission::start().await;
    let refused: Vec<_> = REFUSED.iter().map(|(name, _)| *name).collect();
    let (mut applied, mut problems) = (0, Vec::new());
    for (name, objects) in examples() {
        if refused.contains(&name.as_str()) {
            continue;
        }
        for mut object in objects {
            for version in ["v1alpha1", "v1beta1"] {
                object["apiVersion"] = json!(format!("toolhive.stacklok.dev/{version}"));
                let answer = admission.apply(&object).await;
                applied += 1;
                // The deprecated version is announced, and nothing else is.
                let expected = usize::from(version == "v1alpha1");
                let announced = answer.warnings.iter().filter(|warning| warning.contains("is deprecated; use v1beta1"));
                if answer.status != 201 || announced.count() != expected || answer.warnings.len() != expected {
                    problems.push(format!("{name} {version}: {} {:?} {}", answer.status, answer.warnings, answer.text));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(applied >= 70, "{applied} objects were applied: examples are missing");
}

#[tokio::test(start_paused = true)]
async fn examples_that_are_printed_wrong_are_refused_with_what_is_wrong() {
    let admission = Admission::start().await;
    let examples = examples();
    for (name, expected) in REFUSED {
        let answer = admission.apply(&examples[name][0]).await;
        assert!(matches!(answer.status, 400 | 422), "{name}: {} {}", answer.status, answer.text);
        let status: Value = serde_json::from_str(&answer.text).unwrap();
        let message = status["message"].as_str().unwrap();
        for part in expected {
            assert!(message.contains(part), "{name}: {part} is not in {message}");
        }
    }
}
