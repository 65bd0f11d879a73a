//! Backends that are written into the configuration (`backends`).

use std::collections::BTreeMap;

use vmcp_config::{StaticBackend, StaticBackendKind};

use super::strategy::server_url;
use crate::backend::{Backend, EgressClass, Trust};
use crate::outgoing::{ForwardedHeaders, OutgoingAuth};

/// Why a backend of the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FixedError {
    /// The URL cannot be used.
    #[error("the URL of backend {name:?} {reason}")]
    Url {
        /// Name of the backend.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// The CA bundle cannot be used.
    #[error("the CA bundle {path} of backend {name:?}: {reason}")]
    CaBundle {
        /// Name of the backend.
        name: String,
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A header cannot be set.
    #[error("a header of backend {name:?} cannot be set: {reason}")]
    Header {
        /// Name of the backend.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Two backends have one name.
    #[error("two backends are named {0:?}: names must be unique")]
    Duplicate(String),
}

/// The backends of the configuration by name, each without its authentication, or why it cannot be used.
pub(super) type Fixed = BTreeMap<String, Result<Backend, FixedError>>;

/// Resolves the backends of the configuration; `environment` looks up the variables that they name.
pub(super) fn backends(configured: &[StaticBackend], environment: impl Fn(&str) -> Option<String>) -> Fixed {
    let mut backends = Fixed::new();
    for backend in configured {
        let name = backend.name.clone();
        let resolved = resolve(backend, &environment);
        if backends.contains_key(&name) {
            backends.insert(name.clone(), Err(FixedError::Duplicate(name)));
        } else {
            backends.insert(name, resolved);
        }
    }
    backends
}

fn resolve(backend: &StaticBackend, environment: impl Fn(&str) -> Option<String>) -> Result<Backend, FixedError> {
    let name = backend.name.clone();
    let url = server_url(&backend.url).map_err(|reason| FixedError::Url { name: name.clone(), reason })?;
    let trust = match &backend.ca_bundle_path {
        None => Trust::system(),
        Some(path) => read_bundle(path).map_err(|reason| FixedError::CaBundle {
            name: name.clone(),
            path: path.clone(),
            reason,
        })?,
    };
    let class = match backend.kind {
        Some(StaticBackendKind::Entry) => EgressClass::Remote,
        Some(StaticBackendKind::Service | StaticBackendKind::RemoteProxy) | None => EgressClass::Workload,
    };
    let headers = headers(backend, environment).map_err(|reason| FixedError::Header { name: name.clone(), reason })?;
    Ok(Backend {
        name,
        url,
        transport: backend.transport,
        class,
        is_remote_proxy: backend.kind == Some(StaticBackendKind::RemoteProxy),
        allow_private: backend.allow_private_endpoint == Some(true),
        trust,
        auth: OutgoingAuth::Unauthenticated,
        auth_config_ref: None,
        headers,
        identity: 0,
    })
}

fn headers(backend: &StaticBackend, environment: impl Fn(&str) -> Option<String>) -> Result<ForwardedHeaders, String> {
    let mut headers = ForwardedHeaders::default();
    for (name, value) in backend.headers.iter().flatten() {
        headers.insert(name, value).map_err(|error| error.to_string())?;
    }
    for (name, variable) in backend.headers_from_env.iter().flatten() {
        let value = environment(variable)
            .ok_or_else(|| format!("there is no environment variable {variable} with the value of header {name}"))?;
        headers.insert(name, &value).map_err(|error| error.to_string())?;
    }
    Ok(headers)
}

fn read_bundle(path: &str) -> Result<Trust, String> {
    let pem = std::fs::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
    Trust::with_bundle(&pem).map_err(|error| error.to_string())
}
