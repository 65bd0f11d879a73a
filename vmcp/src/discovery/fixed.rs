//! Backends that are written into the configuration (`backends`).

use std::collections::BTreeMap;

use vmcp_config::{StaticBackend, StaticBackendKind, server_url};

use crate::backend::{Backend, EgressClass, Trust};
use crate::outgoing::{ForwardedHeaders, HeaderError};

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
    /// There is no file with the CA bundle that can be read.
    #[error("the CA bundle {path} of backend {name:?} cannot be read: {reason}")]
    CaFile {
        /// Name of the backend.
        name: String,
        /// The file.
        path: String,
        /// Why not.
        reason: String,
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
    /// The environment does not have what a header is set to.
    #[error("there is no environment variable {variable} with the value of header {header} of backend {name:?}")]
    Variable {
        /// Name of the backend.
        name: String,
        /// Name of the header.
        header: String,
        /// The variable.
        variable: String,
    },
    /// A header cannot be set.
    #[error("backend {name:?}: {reason}")]
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

impl FixedError {
    /// Whether what is missing is around the process, and not in the configuration: another process may have it.
    pub(super) fn is_of_surroundings(&self) -> bool {
        matches!(self, Self::Variable { .. } | Self::CaFile { .. })
    }
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
        Some(path) => read_bundle(&name, path)?,
    };
    let class = match backend.kind {
        Some(StaticBackendKind::Entry) => EgressClass::Remote,
        Some(StaticBackendKind::Service | StaticBackendKind::RemoteProxy) | None => EgressClass::Workload,
    };
    let headers = headers(backend, environment)?;
    Ok(Backend {
        class,
        is_remote_proxy: backend.kind == Some(StaticBackendKind::RemoteProxy),
        allow_private: backend.allow_private_endpoint == Some(true),
        trust,
        headers,
        ..Backend::workload(name, url, backend.transport)
    })
}

fn headers(
    backend: &StaticBackend,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<ForwardedHeaders, FixedError> {
    let refused = |error: HeaderError| FixedError::Header { name: backend.name.clone(), reason: error.to_string() };
    let mut headers = ForwardedHeaders::default();
    for (name, value) in backend.headers.iter().flatten() {
        headers.insert(name, value).map_err(refused)?;
    }
    for (header, variable) in backend.headers_from_env.iter().flatten() {
        let value = environment(variable).ok_or_else(|| FixedError::Variable {
            name: backend.name.clone(),
            header: header.clone(),
            variable: variable.clone(),
        })?;
        headers.insert(header, &value).map_err(refused)?;
    }
    Ok(headers)
}

fn read_bundle(backend: &str, path: &str) -> Result<Trust, FixedError> {
    let (name, path) = (backend.to_owned(), path.to_owned());
    let pem = std::fs::read(&path).map_err(|error| FixedError::CaFile {
        name: name.clone(),
        path: path.clone(),
        reason: error.to_string(),
    })?;
    Trust::with_bundle(&pem).map_err(|error| FixedError::CaBundle { name, path, reason: error.to_string() })
}
