//! An API server with our kinds, and an operator that runs on it.

use std::{
    fmt::Debug,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::{Method, Request, Response};
use embedded_cluster::api::{ApiOptions, ApiServer, Served};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    client::Body,
    core::{GroupVersionKind, NamespaceResourceScope},
    discovery::pinned_kind,
    runtime::wait::await_condition,
};
use operator::{cli::InstallOptions, run::Operator, runtime::watches::Scope};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

/// The namespace of every test; each test has an API server of its own.
pub(crate) const NAMESPACE: &str = "tools";

/// A test's cluster.
pub(crate) struct TestCluster {
    pub(crate) client: Client,
    api: ApiServer,
    stop: CancellationToken,
    operator: Option<Operator>,
}

impl TestCluster {
    /// Starts an API server and an operator.
    pub(crate) async fn start() -> Self {
        let mut cluster = Self::without_operator().await;
        cluster.start_operator().await;
        cluster
    }

    /// Starts an API server on which the operator's manifests are applied.
    pub(crate) async fn without_operator() -> Self {
        let cluster = Self::with_manifests(&InstallOptions::default()).await;
        cluster.make_namespace(NAMESPACE).await;
        cluster
    }

    /// Starts an API server on which the manifests of `options` are applied.
    pub(crate) async fn with_manifests(options: &InstallOptions) -> Self {
        let api = ApiServer::new(ApiOptions::default());
        let client = api.client(NAMESPACE);
        let cluster = Self { client, api, stop: CancellationToken::new(), operator: None };
        for namespace in &options.watch_namespace {
            cluster.make_namespace(namespace).await;
        }
        let manifests = operator::manifests::install(options).unwrap();
        for object in serde_saphyr::from_multiple::<DynamicObject>(&manifests).unwrap() {
            cluster.apply_object(&object).await;
        }
        for crd in operator_api::crds() {
            let established = kube::runtime::conditions::is_crd_established();
            let crds: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
            await_condition(crds, &crd.name_any(), established).await.unwrap();
        }
        cluster
    }

    pub(crate) async fn make_namespace(&self, name: &str) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.apply_object(&serde_json::from_value(namespace).unwrap()).await;
    }

    /// Starts an operator, which has the rights that its manifests give it and no others.
    pub(crate) async fn start_operator(&mut self) {
        let gateway = InstallOptions::default().gateway;
        self.operator = Some(Operator::start(self.operator_client(), &Scope::Cluster, &gateway, self.stop.clone()));
        self.quiet().await;
    }

    /// What goes wrong on demand.
    pub(crate) fn faults(&self) -> embedded_cluster::faults::Faults {
        self.api.faults()
    }

    /// Lets programs reach its API server.
    pub(crate) async fn serve(&self, address: SocketAddr) -> Served {
        self.api.serve(address).await.unwrap()
    }

    /// A token of a service account.
    pub(crate) fn token(&self, namespace: &str, service_account: &str) -> String {
        self.api.issue_token(namespace, service_account)
    }

    /// A client with the rights that the operator's manifests give it and no others.
    pub(crate) fn operator_client(&self) -> Client {
        let token = self.token(&InstallOptions::default().namespace, operator::NAME);
        self.api.client_with_token(&token, NAMESPACE)
    }

    /// Starts an operator whose requests other than reading are never answered while `deaf` holds.
    pub(crate) async fn start_operator_that_may_be_deaf(&mut self, deaf: Arc<AtomicBool>) {
        let server = self.api.service();
        self.start_operator_through(tower::service_fn(move |request: Request<Body>| {
            let unanswered = deaf.load(Ordering::SeqCst) && request.method() != Method::GET;
            let answer = server.clone().oneshot(request);
            async move { if unanswered { std::future::pending().await } else { answer.await } }
        }))
        .await;
    }

    /// Starts an operator that hears only `delay` later what became of its writes of statuses.
    pub(crate) async fn start_operator_that_hears_late(&mut self, delay: Duration) {
        let server = self.api.service();
        self.start_operator_through(tower::service_fn(move |request: Request<Body>| {
            let delay = if request.uri().path().ends_with("/status") { delay } else { Duration::ZERO };
            let answer = server.clone().oneshot(request);
            async move {
                let answer = answer.await;
                tokio::time::sleep(delay).await;
                answer
            }
        }))
        .await;
    }

    async fn start_operator_through<S>(&mut self, server: S)
    where
        S: Service<Request<Body>, Response = Response<axum::body::Body>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<tower::BoxError>,
    {
        let client = Client::new(server, NAMESPACE);
        let gateway = InstallOptions::default().gateway;
        self.operator = Some(Operator::start(client, &Scope::Cluster, &gateway, self.stop.clone()));
        self.quiet().await;
    }

    /// Applies the objects of a YAML text, as kubectl would, in the namespace of the test.
    pub(crate) async fn apply(&self, yaml: &str) -> Vec<DynamicObject> {
        let mut applied = Vec::new();
        for mut object in serde_saphyr::from_multiple::<DynamicObject>(yaml).unwrap() {
            object.metadata.namespace = Some(NAMESPACE.to_owned());
            applied.push(self.apply_object(&object).await);
        }
        applied
    }

    async fn apply_object(&self, object: &DynamicObject) -> DynamicObject {
        self.apply_with(object, &PatchParams::apply("test")).await
    }

    /// Sees whether the API server would take the object, and knows all of its fields.
    pub(crate) async fn dry_run(&self, object: &DynamicObject) {
        self.apply_with(object, &PatchParams::apply("test").dry_run().validation_strict()).await;
    }

    async fn apply_with(&self, object: &DynamicObject, parameters: &PatchParams) -> DynamicObject {
        let types = object.types.as_ref().unwrap();
        let kind = GroupVersionKind::try_from(types).unwrap();
        let (resource, capabilities) = pinned_kind(&self.client, &kind).await.unwrap();
        let api: Api<DynamicObject> = match (&object.metadata.namespace, capabilities.scope) {
            (Some(namespace), kube::discovery::Scope::Namespaced) => {
                Api::namespaced_with(self.client.clone(), namespace, &resource)
            }
            _ => Api::all_with(self.client.clone(), &resource),
        };
        api.patch(&object.name_any(), parameters, &Patch::Apply(object))
            .await
            .unwrap_or_else(|error| panic!("{} {}: {error}", types.kind, object.name_any()))
    }

    /// The kind `K` in the namespace of the test.
    pub(crate) fn all<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// The object `name`.
    pub(crate) async fn get<K>(&self, name: &str) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + DeserializeOwned,
    {
        self.all::<K>().get(name).await.unwrap()
    }

    /// Waits until the operator has nothing to do. Time is paused, so this takes none.
    pub(crate) async fn quiet(&self) {
        let operator = self.operator.as_ref().unwrap();
        for _ in 0..1000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if operator.is_idle() {
                // What was just written comes back by the watches.
                tokio::time::sleep(Duration::from_millis(100)).await;
                if operator.is_idle() {
                    return;
                }
            }
        }
        panic!("the operator does not come to rest");
    }

    /// Whether the operator has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.operator.as_ref().unwrap().is_idle()
    }

    /// The latest version of anything in the API server: it grows with every write.
    pub(crate) async fn version(&self) -> String {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap()
    }

    /// Ends the operator.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(operator) = self.operator.take() {
            operator.ended().await;
        }
    }
}
