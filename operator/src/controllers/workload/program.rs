//! The Deployments whose pods run `vmcp` as a proxy.

use operator_api::{DeploymentOverrides, MetadataOverrides, ResourceRequirements};
use serde_json::{Value, json};

use super::{
    Metadata, Owner,
    config_volume::{self, Bundle},
    pod::{self, CHECKSUM},
    shared_sessions::SharedSessions,
};
use crate::controllers::Settings;

/// The variable that tells the program its namespace. Users cannot set it.
const NAMESPACE: &str = "VMCP_NAMESPACE";

/// A Deployment of the program.
#[derive(Debug, Clone)]
pub struct Program<'a> {
    /// Whose it is.
    pub owner: &'a Owner,
    /// Its name.
    pub name: String,
    /// The name of the container.
    pub container: &'static str,
    /// What the program is to be.
    pub command: &'static str,
    /// The configuration.
    pub config: ConfigFile<'a>,
    /// What changes when new pods must start.
    pub checksum: String,
    /// The CA bundles beside the configuration.
    pub bundles: Vec<Bundle>,
    /// More environment variables.
    pub environment: Vec<Value>,
    /// What its pods need to share their sessions, if they do.
    pub shared_sessions: Option<&'a SharedSessions>,
    /// The port that it serves.
    pub port: i32,
    /// Name of the ServiceAccount.
    pub account: String,
    /// Number of pods; without one the field is somebody else's, such as an autoscaler's.
    pub replicas: Option<i32>,
    /// CPU and memory.
    pub resources: Option<&'a ResourceRequirements>,
    /// What the user adds to the Deployment.
    pub overrides: Option<&'a DeploymentOverrides>,
    /// Secrets with credentials of image registries.
    pub pull_secrets: Option<Value>,
    /// What the user merges into the pod template.
    pub template: Option<&'a Value>,
}

/// A configuration: a file of a ConfigMap.
#[derive(Debug, Clone, Copy)]
pub struct ConfigFile<'a> {
    /// Name of the ConfigMap.
    pub config_map: &'a str,
    /// Where it is in the pod.
    pub folder: &'static str,
    /// The file.
    pub file: &'static str,
}

/// Labels and annotations to add.
pub fn metadata(overrides: Option<&MetadataOverrides>) -> (Option<&Metadata>, Option<&Metadata>) {
    (
        overrides.and_then(|overrides| overrides.labels.as_ref()),
        overrides.and_then(|overrides| overrides.annotations.as_ref()),
    )
}

impl Program<'_> {
    /// The Deployment.
    pub fn deployment(&self, settings: &Settings) -> Value {
        let (labels, annotations) = (
            self.overrides.and_then(|overrides| overrides.labels.as_ref()),
            self.overrides.and_then(|overrides| overrides.annotations.as_ref()),
        );
        let mut deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self.owner.metadata_with(&self.name, labels, annotations),
            "spec": {
                "progressDeadlineSeconds": 120,
                "selector": {"matchLabels": self.owner.selector},
                "template": self.pods(settings),
            },
        });
        if let Some(replicas) = self.replicas {
            deployment["spec"]["replicas"] = replicas.into();
        }
        deployment
    }

    fn pods(&self, settings: &Settings) -> Value {
        let overrides = self.overrides.and_then(|overrides| overrides.pod_template_metadata_overrides.as_ref());
        let (labels, annotations) = metadata(overrides);
        let mut annotations = annotations.cloned().unwrap_or_default();
        annotations.insert(CHECKSUM.to_owned(), self.checksum.clone());
        let mut template = json!({
            "metadata": {"labels": self.owner.labels_over(labels), "annotations": annotations},
            "spec": {
                "serviceAccountName": self.account,
                "terminationGracePeriodSeconds": 30,
                "securityContext": pod::security(),
                "containers": [self.container(settings)],
                "volumes": self.volumes(),
            },
        });
        if let Some(secrets) = &self.pull_secrets {
            template["spec"]["imagePullSecrets"] = secrets.clone();
        }
        if let Some(user) = self.template {
            pod::customize(&mut template, user, self.owner);
        }
        template
    }

    fn container(&self, settings: &Settings) -> Value {
        let ConfigFile { folder, file, .. } = self.config;
        let mut arguments = vec![
            self.command.to_owned(),
            format!("--config={folder}/{file}"),
            "--host=0.0.0.0".to_owned(),
            format!("--port={}", self.port),
        ];
        arguments.extend(settings.egress_allow.iter().map(|range| format!("--egress-allow={range}")));
        arguments.extend(self.shared_sessions.into_iter().flat_map(SharedSessions::arguments));
        json!({
            "name": self.container,
            "image": settings.image,
            "imagePullPolicy": "IfNotPresent",
            "args": arguments,
            "env": self.variables(),
            "ports": [{"name": "http", "containerPort": self.port, "protocol": "TCP"}],
            "startupProbe": pod::probe("/health", 1, 2, 60),
            "readinessProbe": pod::probe("/readyz", 2, 5, 3),
            "livenessProbe": pod::probe("/health", 10, 5, 3),
            "resources": self.resources(),
            "securityContext": pod::container_security(),
            // So that the status can say why a program ended.
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": self.mounts(),
        })
    }

    /// The configuration with its bundles, and what sharing sessions takes.
    fn volumes(&self) -> Value {
        let config = config_volume::volume(self.config.config_map, &self.bundles);
        [config].into_iter().chain(self.shared_sessions.map(SharedSessions::volume)).collect()
    }

    fn mounts(&self) -> Value {
        let config = config_volume::mount(self.config.folder);
        [config].into_iter().chain(self.shared_sessions.map(SharedSessions::mount)).collect()
    }

    /// What the user wants of CPU and memory, and the defaults where nothing is said of either.
    fn resources(&self) -> Value {
        match self.resources {
            Some(resources) => json!(resources),
            None => json!({
                "requests": {"cpu": "100m", "memory": "128Mi"},
                "limits": {"cpu": "500m", "memory": "512Mi"},
            }),
        }
    }

    fn variables(&self) -> Vec<Value> {
        let theirs = || self.overrides.and_then(|overrides| overrides.env.as_ref()).into_iter().flatten();
        let mut variables = vec![json!({"name": NAMESPACE, "value": self.owner.key.namespace})];
        variables.extend(self.environment.iter().cloned());
        variables.extend(theirs().filter(|variable| variable.name != NAMESPACE).map(|variable| json!(variable)));
        // TOOLHIVE_DEBUG is how users ask for debug logs (mcpremoteproxy-crd, env); the program's own variable wins.
        let debug = theirs().any(|variable| variable.name == "TOOLHIVE_DEBUG" && variable.value == "true");
        if debug && !theirs().any(|variable| variable.name == "RUST_LOG") {
            variables.push(json!({"name": "RUST_LOG", "value": "debug"}));
        }
        variables
    }
}
