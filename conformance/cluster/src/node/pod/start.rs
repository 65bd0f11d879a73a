//! From a container's spec to its process.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt;
use tokio::process::ChildStdout;

use super::container::named_ports;
use super::kubeconfig;
use super::scope::{CREDENTIALS, Scope};
use super::termination;
use crate::controllers::events::EventType;
use crate::node::environment::{EnvironmentError, environment};
use crate::node::images;
use crate::node::logs::Log;
use crate::node::probes::Target;
use crate::node::process::{Invocation, Process};
use crate::node::rewrite::Rewrite;
use crate::node::sources::{References, Sources};
use crate::node::volumes;

/// Why a container did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// No program stands for the image.
    #[error("no program stands for the image {image:?}")]
    Image { image: String },
    /// The environment refers to something that is not there.
    #[error(transparent)]
    Configuration(#[from] EnvironmentError),
    /// The program cannot be run.
    #[error("{0}")]
    Start(String),
}

/// A process that runs.
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) output: ChildStdout,
    pub(super) log: Arc<Log>,
    pub(super) target: Target,
    pub(super) container_id: String,
    pub(super) timestamp: Timestamp,
}

/// Starts the process of a container.
pub(super) async fn start(scope: &Scope, container: &Container) -> Result<Started, StartError> {
    let pod = scope.object();
    let namespace = pod.namespace().unwrap_or_default();
    let image = container.image.clone().unwrap_or_default();
    let own = scope.node.surroundings.program(&namespace, &image);
    let Some(program) = own.or_else(|| scope.node.images.get(&image).cloned()) else {
        return Err(StartError::Image { image });
    };
    scope.container_event(
        &container.name,
        EventType::Normal,
        "Pulled",
        format!("Container image {image:?} already present on machine"),
    );
    let failed = |what: &str, error: &dyn std::fmt::Display| StartError::Start(format!("failed to {what}: {error}"));
    let sources = Sources::read(&scope.node.client, &namespace, &References::of_environment(container))
        .await
        .map_err(|error| failed("read the sources of the environment", &error))?;
    let message = termination::prepare(&scope.folder, container)
        .await
        .map_err(|error| failed("create the file of the termination message", &error))?;
    let mounts = volumes::mounts(&pod, container, &scope.folder);
    let rewrite = Rewrite::new(mounts.into_iter().chain(message), scope.address);

    let mut base = scope.base_environment();
    if let Some(folder) = rewrite.folder("/tmp") {
        base.insert("TMPDIR".to_owned(), folder.to_string_lossy().into_owned());
    }
    let context = scope.context().map_err(|error| failed("open the pod's resolver", &error))?;
    base.extend(scope.node.surroundings.environment(&namespace));
    base.extend((program.environment)(&context));
    let mut environment = environment(base.clone(), &pod, container, &scope.placement(), &sources)?;
    for (name, value) in &mut environment {
        // What the node and the image add names places of this machine as they are.
        if base.get(name) != Some(value) {
            *value = rewrite.text(value);
        }
    }
    if let Some(credentials) = rewrite.folder(CREDENTIALS) {
        let path = kubeconfig::write(&scope.folder, credentials, &scope.node.api.url, &namespace)
            .map_err(|error| failed("write the kubeconfig", &error))?;
        environment.entry("KUBECONFIG".to_owned()).or_insert_with(|| path.to_string_lossy().into_owned());
    }
    let command = container.command.as_deref().unwrap_or_default();
    let args = container.args.as_deref().unwrap_or_default();
    let arguments = images::arguments(&program, command, args, &environment, &rewrite)
        .map_err(|error| StartError::Start(error.to_string()))?;
    let folder = match &container.working_dir {
        Some(folder) => rewrite.text(folder).into(),
        None => scope.folder.clone(),
    };
    let invocation = Invocation { program: program.path.clone(), arguments, environment, folder };
    let (process, output) = Process::start(&invocation)
        .await
        .map_err(|error| failed(&format!("start {}", program.path.display()), &error))?;
    let timestamp = Timestamp::now();
    let log = scope.node.logs.open(&namespace, &pod.name_any(), &pod.uid().unwrap_or_default(), &container.name);
    for (reason, verb) in [("Created", "created"), ("Started", "started")] {
        scope.container_event(&container.name, EventType::Normal, reason, format!("Container {verb}"));
    }
    let container_id = format!("process://{}", uuid::Uuid::new_v4().simple());
    let target = Target { address: scope.address, ports: named_ports(container), program, rewrite, invocation };
    Ok(Started { process, output, log, target, container_id, timestamp })
}
