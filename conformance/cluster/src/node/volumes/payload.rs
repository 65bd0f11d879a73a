//! Which files a volume holds, computed from its sources.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccountTokenProjection, Volume, VolumeProjection,
};

use super::atomic::File;
use super::{Tokens, VolumeError};
use crate::node::downward::{self, Placement};
use crate::node::sources::Sources;

/// The mode of a file for which nothing else is said.
const DEFAULT_MODE: i32 = 0o644;

/// A token that a projected volume wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenRequest {
    /// The audience; empty for the API server's own.
    pub(crate) audience: String,
    /// The lifetime in seconds.
    pub(crate) expiration: i64,
}

/// The lifetime of a token for which none is said.
const DEFAULT_EXPIRATION: i64 = 3600;

impl From<&ServiceAccountTokenProjection> for TokenRequest {
    fn from(source: &ServiceAccountTokenProjection) -> Self {
        Self {
            audience: source.audience.clone().unwrap_or_default(),
            expiration: source.expiration_seconds.unwrap_or(DEFAULT_EXPIRATION),
        }
    }
}

/// The tokens that a pod's volumes want.
pub(crate) fn token_requests(pod: &Pod) -> Vec<TokenRequest> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let projections = volumes.flat_map(|volume| volume.projected.iter()).flat_map(|projected| &projected.sources);
    let mut requests: Vec<_> = projections
        .flatten()
        .filter_map(|source| source.service_account_token.as_ref().map(TokenRequest::from))
        .collect();
    requests.sort();
    requests.dedup();
    requests
}

/// What the files are computed from.
pub(super) struct Context<'a> {
    pub(super) pod: &'a Pod,
    pub(super) placement: &'a Placement,
    pub(super) sources: &'a Sources,
    pub(super) tokens: &'a Tokens,
}

type Files = BTreeMap<String, File>;

impl Context<'_> {
    pub(super) fn files(&self, volume: &Volume) -> Result<Files, VolumeError> {
        let mut files = Files::new();
        if let Some(source) = &volume.config_map {
            let keys = Keys::new(source.items.as_deref(), source.optional, source.default_mode);
            let data = self.sources.config_maps.get(&source.name);
            keys.add(&mut files, "configmap", data, || VolumeError::ConfigMap(source.name.clone()))?;
        } else if let Some(source) = &volume.secret {
            let name = source.secret_name.clone().unwrap_or_default();
            let keys = Keys::new(source.items.as_deref(), source.optional, source.default_mode);
            keys.add(&mut files, "secret", self.sources.secrets.get(&name), || VolumeError::Secret(name.clone()))?;
        } else if let Some(source) = &volume.downward_api {
            self.add_downward(&mut files, source.items.as_deref(), source.default_mode)?;
        } else if let Some(projected) = &volume.projected {
            for source in projected.sources.iter().flatten() {
                self.add_projection(&mut files, source, projected.default_mode)?;
            }
        } else {
            return Err(VolumeError::Unsupported(kind(volume)));
        }
        Ok(files)
    }

    fn add_projection(
        &self,
        files: &mut Files,
        source: &VolumeProjection,
        default_mode: Option<i32>,
    ) -> Result<(), VolumeError> {
        if let Some(source) = &source.config_map {
            let keys = Keys::new(source.items.as_deref(), source.optional, default_mode);
            let data = self.sources.config_maps.get(&source.name);
            keys.add(files, "configmap", data, || VolumeError::ConfigMap(source.name.clone()))
        } else if let Some(source) = &source.secret {
            let keys = Keys::new(source.items.as_deref(), source.optional, default_mode);
            let data = self.sources.secrets.get(&source.name);
            keys.add(files, "secret", data, || VolumeError::Secret(source.name.clone()))
        } else if let Some(source) = &source.downward_api {
            self.add_downward(files, source.items.as_deref(), default_mode)
        } else if let Some(source) = &source.service_account_token {
            let token = self.tokens.get(&TokenRequest::from(source)).ok_or(VolumeError::Token)?;
            // As a kubelet: only the pod's user may read a token.
            add(files, &source.path, token.as_bytes(), 0o600)
        } else {
            Err(VolumeError::Unsupported("projected with clusterTrustBundle or podCertificate".to_owned()))
        }
    }

    fn add_downward(
        &self,
        files: &mut Files,
        items: Option<&[DownwardAPIVolumeFile]>,
        default_mode: Option<i32>,
    ) -> Result<(), VolumeError> {
        for item in items.unwrap_or_default() {
            let value = match (&item.field_ref, &item.resource_field_ref) {
                (Some(field), _) => downward::field(self.pod, self.placement, &field.field_path)?,
                (None, Some(selector)) => downward::resource(self.pod, "", selector)?,
                (None, None) => continue,
            };
            add(files, &item.path, value.as_bytes(), item.mode.or(default_mode).unwrap_or(DEFAULT_MODE))?;
        }
        Ok(())
    }
}

/// Which keys of an object become which files.
struct Keys<'a> {
    items: Option<&'a [KeyToPath]>,
    optional: bool,
    default_mode: i32,
}

impl<'a> Keys<'a> {
    fn new(items: Option<&'a [KeyToPath]>, optional: Option<bool>, default_mode: Option<i32>) -> Self {
        let items = items.filter(|items| !items.is_empty());
        Self { items, optional: optional.unwrap_or_default(), default_mode: default_mode.unwrap_or(DEFAULT_MODE) }
    }

    fn add(
        &self,
        files: &mut Files,
        kind: &'static str,
        data: Option<&BTreeMap<String, Vec<u8>>>,
        missing: impl Fn() -> VolumeError,
    ) -> Result<(), VolumeError> {
        let Some(data) = data else {
            return if self.optional { Ok(()) } else { Err(missing()) };
        };
        let Some(items) = self.items else {
            return data.iter().try_for_each(|(key, content)| add(files, key, content, self.default_mode));
        };
        for item in items {
            match data.get(&item.key) {
                Some(content) => add(files, &item.path, content, item.mode.unwrap_or(self.default_mode))?,
                None if self.optional => {}
                None => {
                    return Err(VolumeError::Key { kind, key: item.key.clone() });
                }
            }
        }
        Ok(())
    }
}

fn add(files: &mut Files, path: &str, content: &[u8], mode: i32) -> Result<(), VolumeError> {
    if path.is_empty() || path.split('/').any(|step| step.is_empty() || step == "..") || path.starts_with("..") {
        return Err(VolumeError::Path(path.to_owned()));
    }
    let mode = u32::try_from(mode).unwrap_or_default() & 0o7777;
    files.insert(path.to_owned(), File { content: content.to_vec(), mode });
    Ok(())
}

/// The kind of a volume, by the name of its field.
fn kind(volume: &Volume) -> String {
    let fields = serde_json::to_value(volume).ok();
    fields
        .as_ref()
        .and_then(serde_json::Value::as_object)
        .and_then(|fields| fields.keys().find(|field| *field != "name"))
        .map_or_else(|| "(none)".to_owned(), Clone::clone)
}
