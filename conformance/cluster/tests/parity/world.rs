//! What a case works with: a client, a namespace of its own, and kinds that go with it.

use parking_lot::Mutex;
use std::fmt::Debug;

use embedded_cluster::ApiServer;
use embedded_cluster::controllers::Controllers;
use http::Method;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams,
};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::documents::{self, Document};
use crate::request::{self, Answer};

/// Marks everything that the suite makes; the value is the run's suffix.
pub(crate) const RUN_LABEL: &str = "parity.example.com/run";

/// The surroundings of one case.
pub(crate) struct World {
    client: Client,
    namespace: String,
    suffix: String,
    documents: ApiResource,
    /// The names of namespaces and definitions that the case has made.
    made: Mutex<Made>,
    embedded: Option<(ApiServer, Mutex<Option<Controllers>>)>,
}

#[derive(Default)]
struct Made {
    namespaces: Vec<String>,
    definitions: Vec<ApiResource>,
}

/// A name that no other run uses.
pub(crate) fn generated() -> String {
    let text = uuid::Uuid::new_v4().simple().to_string();
    text[..8].to_owned()
}

impl World {
    /// A namespace of the case's own on a server that serves documents.
    pub(crate) async fn new(
        client: Client,
        suffix: &str,
        documents: ApiResource,
        embedded: Option<(ApiServer, Controllers)>,
    ) -> Result<Self, kube::Error> {
        let embedded = embedded.map(|(api, controllers)| (api, Mutex::new(Some(controllers))));
        let mut world = Self {
            client,
            namespace: String::new(),
            suffix: suffix.to_owned(),
            documents,
            made: Mutex::default(),
            embedded,
        };
        world.namespace = world.create_namespace().await?;
        Ok(world)
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Another namespace of the case.
    pub(crate) async fn create_namespace(&self) -> Result<String, kube::Error> {
        let name = format!("parity-{}-{}", self.suffix, generated());
        let metadata =
            ObjectMeta { name: Some(name.clone()), labels: Some(run_labels(&self.suffix)), ..ObjectMeta::default() };
        self.made.lock().namespaces.push(name.clone());
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::all(self.client.clone()).create(&PostParams::default(), &namespace).await?;
        Ok(name)
    }

    /// Objects of a built-in kind in the case's namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Documents in the case's namespace.
    pub(crate) fn documents(&self) -> Api<Document> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &self.documents)
    }

    /// The kind of documents.
    pub(crate) fn resource(&self) -> &ApiResource {
        &self.documents
    }

    /// A document of so many copies.
    pub(crate) fn document(&self, name: &str, copies: i32) -> Document {
        documents::document(&self.documents, name, copies)
    }

    /// Creates a document of so many copies.
    pub(crate) async fn create_document(&self, name: &str, copies: i32) -> Document {
        self.documents().create(&PostParams::default(), &self.document(name, copies)).await.unwrap()
    }

    /// What a client applies of a document: the given fields beside its kind and name.
    pub(crate) fn applied(&self, name: &str, fields: Value) -> Patch<Value> {
        let mut applied = fields;
        applied["apiVersion"] = self.documents.api_version.as_str().into();
        applied["kind"] = self.documents.kind.as_str().into();
        applied["metadata"]["name"] = name.into();
        Patch::Apply(applied)
    }

    /// An object of a built-in kind, from its JSON.
    pub(crate) async fn create<K>(&self, object: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + serde::Serialize,
    {
        self.api().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
    }

    /// The path of the documents of the namespace, with something after it.
    pub(crate) fn documents_path(&self, rest: &str) -> String {
        let ApiResource { api_version, plural, .. } = &self.documents;
        format!("/apis/{api_version}/namespaces/{}/{plural}{rest}", self.namespace)
    }

    /// The path of a core kind of the namespace, with something after it.
    pub(crate) fn core_path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// Sends a request without a body.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], &Value::Null).await
    }

    /// Sends any request.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        request::send(&self.client, method, path, headers, body).await
    }

    /// Defines a kind of the case's own in the run's group and waits until it is served.
    ///
    /// `versions` is the definition's; the kind is `Xkind`, of which `plural` is the lower-case plural.
    pub(crate) async fn define(&self, kind: &str, versions: Value) -> ApiResource {
        let resource = self.undefined(kind, &versions);
        let definition = self.definition(&resource, &versions);
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let created = definitions.create(&PostParams::default(), &definition).await.unwrap();
        await_condition(definitions, &created.name_any(), conditions::is_crd_established()).await.unwrap();
        served(&self.client, &resource).await;
        resource
    }

    /// A kind of the case's own that is still to be defined.
    pub(crate) fn undefined(&self, kind: &str, versions: &Value) -> ApiResource {
        let group = format!("{}.{}", generated_group(), self.documents.group);
        let version = versions[0]["name"].as_str().unwrap().to_owned();
        let resource = ApiResource {
            api_version: format!("{group}/{version}"),
            plural: format!("{}s", kind.to_lowercase()),
            kind: kind.to_owned(),
            group,
            version,
        };
        self.made.lock().definitions.push(resource.clone());
        resource
    }

    /// The definition of a kind.
    pub(crate) fn definition(&self, resource: &ApiResource, versions: &Value) -> CustomResourceDefinition {
        let singular = resource.kind.to_lowercase();
        serde_json::from_value(json!({
            "metadata": {"name": definition_name(resource), "labels": {RUN_LABEL: self.suffix}},
            "spec": {
                "group": resource.group,
                "scope": "Namespaced",
                "names": {"plural": resource.plural, "singular": singular, "kind": resource.kind,
                          "listKind": format!("{}List", resource.kind)},
                "versions": versions,
            },
        }))
        .unwrap()
    }

    /// Forgets all history of the embedded server.
    pub(crate) fn compact(&self) {
        let Some((api, _)) = &self.embedded else { panic!("the case is to say that it needs compaction") };
        api.compact();
    }

    /// Removes what the case has made, also when it has failed.
    pub(crate) async fn finish(&self) -> Result<(), kube::Error> {
        if let Some((_, controllers)) = &self.embedded {
            let controllers = controllers.lock().take();
            if let Some(controllers) = controllers {
                controllers.stop().await;
            }
            return Ok(());
        }
        let made = std::mem::take(&mut *self.made.lock());
        for namespace in &made.namespaces {
            empty(&Api::<DynamicObject>::namespaced_with(self.client.clone(), namespace, &self.documents)).await?;
            empty(&Api::<ConfigMap>::namespaced(self.client.clone(), namespace)).await?;
        }
        for resource in &made.definitions {
            empty(&Api::<DynamicObject>::namespaced_with(self.client.clone(), &self.namespace, resource)).await?;
            delete(&Api::<CustomResourceDefinition>::all(self.client.clone()), &definition_name(resource)).await?;
        }
        for namespace in &made.namespaces {
            delete(&Api::<Namespace>::all(self.client.clone()), namespace).await?;
        }
        Ok(())
    }
}

/// The labels of what a run makes.
pub(crate) fn run_labels(suffix: &str) -> std::collections::BTreeMap<String, String> {
    [(RUN_LABEL.to_owned(), suffix.to_owned())].into()
}

/// The name of the definition of a kind.
pub(crate) fn definition_name(resource: &ApiResource) -> String {
    format!("{}.{}", resource.plural, resource.group)
}

/// A group's first label begins with a letter.
fn generated_group() -> String {
    format!("g{}", generated())
}

/// Waits until an established kind is served: a real server answers 404 for a moment longer.
pub(crate) async fn served(client: &Client, resource: &ApiResource) {
    let objects: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let served = async {
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(50));
        while matches!(objects.list(&ListParams::default().limit(1)).await, Err(kube::Error::Api(status)) if status.code == 404)
        {
            interval.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), served).await.unwrap();
}

/// Deletes an object, if it is there.
pub(crate) async fn delete<K: Clone + DeserializeOwned + Debug>(api: &Api<K>, name: &str) -> Result<(), kube::Error> {
    match api.delete(name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}

/// Takes the finalizers off what a case has left, so that nothing holds its namespace.
async fn empty<K>(api: &Api<K>) -> Result<(), kube::Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let left = match api.list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        other => other?,
    };
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    for object in left.iter().filter(|object| !object.finalizers().is_empty()) {
        match api.patch_metadata(&object.name_any(), &PatchParams::default(), &none).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => drop(other?),
        }
    }
    Ok(())
}
