//! The volumes of a pod, as folders below the pod's own folder.
//!
//! `ConfigMap`, Secret, projected and downward API volumes follow their sources while the pod runs, all files at once
//! ([`atomic`]). `emptyDir` is a plain folder, `hostPath` the path itself. Other kinds are refused by name.

mod atomic;
mod payload;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod, Volume};

use super::downward::{DownwardError, Placement};
use super::sources::Sources;

pub(crate) use payload::{TokenRequest, token_requests};

/// Tokens by volume and path in it.
pub(crate) type Tokens = BTreeMap<TokenRequest, String>;

/// Why a volume cannot be mounted; the messages are those of a kubelet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    #[error("configmap {0:?} not found")]
    ConfigMap(String),
    #[error("secret {0:?} not found")]
    Secret(String),
    #[error("{kind} references non-existent config key: {key}")]
    Key { kind: &'static str, key: String },
    #[error("the path {0:?} leaves the volume: use a relative path without \"..\"")]
    Path(String),
    #[error(transparent)]
    Downward(#[from] DownwardError),
    #[error("no token for the service account yet")]
    Token,
    #[error(
        "this node has no volumes of kind {0}: use configMap, secret, projected, downwardAPI, emptyDir or hostPath"
    )]
    Unsupported(String),
    #[error("failed to write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// The folder of one volume.
pub(crate) fn folder(pod_folder: &Path, volume: &Volume) -> PathBuf {
    match &volume.host_path {
        Some(source) => PathBuf::from(&source.path),
        None => pod_folder.join("volumes").join(&volume.name),
    }
}

/// The folder (or file) of each mountPath of a container.
pub(crate) fn mounts(pod: &Pod, container: &Container, pod_folder: &Path) -> Vec<(String, PathBuf)> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let volumes: BTreeMap<_, _> = volumes.map(|volume| (volume.name.as_str(), volume)).collect();
    let mount = |mount: &k8s_openapi::api::core::v1::VolumeMount| {
        let folder = folder(pod_folder, volumes.get(mount.name.as_str())?);
        let path = match mount.sub_path.as_deref().filter(|path| !path.is_empty()) {
            Some(below) => folder.join(below),
            None => folder,
        };
        Some((mount.mount_path.clone(), path))
    };
    container.volume_mounts.iter().flatten().filter_map(mount).collect()
}

/// Writes one volume, or brings it up to date.
pub(crate) fn write(
    pod_folder: &Path,
    volume: &Volume,
    pod: &Pod,
    placement: &Placement,
    sources: &Sources,
    tokens: &Tokens,
) -> Result<(), VolumeError> {
    let target = folder(pod_folder, volume);
    let write_error = |source| VolumeError::Write { path: target.clone(), source };
    if volume.host_path.is_some() {
        return Ok(());
    }
    if volume.empty_dir.is_some() {
        return std::fs::create_dir_all(&target).map_err(write_error);
    }
    let files = payload::Context { pod, placement, sources, tokens }.files(volume)?;
    atomic::write(&target, &files).map_err(write_error)
}

/// Makes the folders below `emptyDir` volumes that mounts name as subPath; the volume and the reason when one fails.
pub(crate) fn create_sub_paths(pod_folder: &Path, pod: &Pod) -> Result<(), (String, String)> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    let empty =
        |name: &str| spec.volumes.iter().flatten().find(|volume| volume.name == name && volume.empty_dir.is_some());
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        for mount in container.volume_mounts.iter().flatten() {
            let (Some(volume), Some(below)) = (empty(&mount.name), &mount.sub_path) else {
                continue;
            };
            std::fs::create_dir_all(folder(pod_folder, volume).join(below))
                .map_err(|error| (volume.name.clone(), error.to_string()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
