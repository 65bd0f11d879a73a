//! The `ConfigMaps` and Secrets that a pod refers to, read when they are needed.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Container, PodSpec, Secret};
use kube::{Api, Client};

/// The names that a pod refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct References {
    pub(crate) config_maps: BTreeSet<String>,
    pub(crate) secrets: BTreeSet<String>,
}

impl References {
    /// What the volumes of a pod refer to.
    pub(crate) fn of_volumes(spec: &PodSpec) -> Self {
        let mut names = Self::default();
        for volume in spec.volumes.iter().flatten() {
            names.config_maps.extend(volume.config_map.as_ref().map(|source| source.name.clone()));
            names.secrets.extend(volume.secret.as_ref().and_then(|source| source.secret_name.clone()));
            for source in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
                names.config_maps.extend(source.config_map.as_ref().map(|source| source.name.clone()));
                names.secrets.extend(source.secret.as_ref().map(|source| source.name.clone()));
            }
        }
        names
    }

    /// What the environment of a container refers to.
    pub(crate) fn of_environment(container: &Container) -> Self {
        let mut names = Self::default();
        for source in container.env_from.iter().flatten() {
            names.config_maps.extend(source.config_map_ref.as_ref().map(|reference| reference.name.clone()));
            names.secrets.extend(source.secret_ref.as_ref().map(|reference| reference.name.clone()));
        }
        for source in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
            names.config_maps.extend(source.config_map_key_ref.as_ref().map(|key| key.name.clone()));
            names.secrets.extend(source.secret_key_ref.as_ref().map(|key| key.name.clone()));
        }
        names
    }
}

/// The contents by name, as bytes whatever the kind. What does not exist is left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) config_maps: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
}

impl Sources {
    /// Reads them all.
    pub(crate) async fn read(client: &Client, namespace: &str, names: &References) -> kube::Result<Self> {
        let mut sources = Self::default();
        let config_maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
        for name in &names.config_maps {
            if let Some(object) = config_maps.get_opt(name).await? {
                sources.config_maps.insert(name.clone(), config_map_data(object));
            }
        }
        let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
        for name in &names.secrets {
            if let Some(object) = secrets.get_opt(name).await? {
                let data = object.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
                sources.secrets.insert(name.clone(), data);
            }
        }
        Ok(sources)
    }
}

fn config_map_data(object: ConfigMap) -> BTreeMap<String, Vec<u8>> {
    let text = object.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    let binary = object.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
    text.chain(binary).collect()
}
