//! The real server: which one, what it can do, and what is made on it and removed again.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config};

use super::StartError;
use super::assets::{Assets, Started};
use crate::case::Need;
use crate::documents;
use crate::world::{World, definition_name, delete, generated, run_labels, served};

/// How long a controller manager may take to furnish a new namespace with a service account.
const FURNISHED_WITHIN: Duration = Duration::from_secs(10);

/// What a user sets to have a real server.
const HOW_TO: &str = "no real API server: set KUBECONFIG to the kubeconfig of any cluster, or KUBEBUILDER_ASSETS to a folder with \
                      etcd and kube-apiserver";

/// Which server the environment names.
enum Choice {
    Nothing,
    Kubeconfig,
    Assets(PathBuf),
}

/// The real server of a run. It is reached, or started, for the first case that runs on it.
pub(crate) struct Real {
    choice: Choice,
    ready: OnceLock<Result<Ready, String>>,
}

/// A server on which documents are served.
struct Ready {
    config: Config,
    suffix: String,
    documents: ApiResource,
    /// Whether namespaces get service accounts: a controller manager works.
    controllers: bool,
    started: Option<Started>,
}

impl Real {
    /// The server that the environment names.
    pub(crate) fn chosen() -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let choice = match (set("KUBEBUILDER_ASSETS"), set("KUBECONFIG")) {
            (Some(folder), _) => Choice::Assets(folder.into()),
            (None, Some(OsString { .. })) => Choice::Kubeconfig,
            (None, None) => Choice::Nothing,
        };
        Self { choice, ready: OnceLock::new() }
    }

    /// Why there is no real server.
    pub(crate) fn absent(&self) -> Option<String> {
        matches!(self.choice, Choice::Nothing).then(|| HOW_TO.to_owned())
    }

    /// The world of a case on this server.
    pub(crate) async fn world(&self, needs: &[Need]) -> Result<World, StartError> {
        let ready = self.ready.get_or_init(|| self.prepare());
        let ready = ready.as_ref().map_err(|error| StartError::Unusable(error.clone()))?;
        if needs.contains(&Need::ControllerManager) && !ready.controllers {
            let reason = "the server has no controller manager: a new namespace got no service account";
            return Err(StartError::Lacks(reason.to_owned()));
        }
        // A client lives in the runtime of its case.
        let client = Client::try_from(ready.config.clone())?;
        Ok(World::new(client, &ready.suffix, ready.documents.clone(), None).await?)
    }

    /// Removes the definition and ends what was started.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let Some(Ok(ready)) = self.ready.get() else { return Ok(()) };
        if let Some(started) = &ready.started {
            started.stop();
            return Ok(());
        }
        let config = ready.config.clone();
        let name = definition_name(&ready.documents);
        alone(async move {
            let client = Client::try_from(config)?;
            delete(&Api::<CustomResourceDefinition>::all(client), &name).await
        })?
        .map_err(|error| error.to_string())
    }

    fn prepare(&self) -> Result<Ready, String> {
        let (mut config, started) = match &self.choice {
            Choice::Nothing => return Err(HOW_TO.to_owned()),
            Choice::Kubeconfig => (alone(from_environment())??, None),
            Choice::Assets(folder) => {
                let started = Assets::in_folder(folder).start().map_err(|error| error.to_string())?;
                (started.config().map_err(|error| error.to_string())?, Some(started))
            }
        };
        // A case sees each answer, also those that say to ask again later.
        config.default_retry = false;
        let suffix = generated();
        let documents = documents::resource(&format!("g{suffix}.parity.example.com"));
        let url = config.cluster_url.clone();
        let (client_config, run, resource) = (config.clone(), suffix.clone(), documents.clone());
        let controllers = alone(async move { furnish(client_config, &run, resource).await })?
            .map_err(|error| format!("failed to prepare the server at {url}: {error}"))?;
        Ok(Ready { config, suffix, documents, controllers, started })
    }
}

/// Runs something to its end on a thread of its own: the caller may be within a runtime.
fn alone<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Result<T, String> {
    let run = move || -> Result<T, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(runtime.map_err(|error| format!("failed to start a runtime: {error}"))?.block_on(future))
    };
    std::thread::spawn(run).join().map_err(|_| "preparing the server panicked".to_owned())?
}

async fn from_environment() -> Result<Config, String> {
    let kubeconfig = Kubeconfig::read().map_err(|error| format!("failed to read the KUBECONFIG: {error}"))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    config.map_err(|error| format!("failed to use the current context of the KUBECONFIG: {error}"))
}

/// Defines documents, and answers whether there is a controller manager.
async fn furnish(config: Config, suffix: &str, documents: ApiResource) -> Result<bool, kube::Error> {
    let client = Client::try_from(config)?;
    let mut definition = documents::definition(&documents.group);
    definition.metadata.labels = Some(run_labels(suffix));
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &definition).await?;
    let name = definition_name(&documents);
    let established = await_condition(definitions, &name, conditions::is_crd_established());
    established.await.map_err(|error| kube::Error::Service(Box::new(error)))?;
    served(&client, &documents).await;
    let world = World::new(client, suffix, documents, None).await?;
    let accounts: Api<ServiceAccount> = world.api();
    let account = await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
    let furnished = tokio::time::timeout(FURNISHED_WITHIN, account).await.is_ok_and(|account| account.is_ok());
    world.finish().await?;
    Ok(furnished)
}
