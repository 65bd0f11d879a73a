//! Backends that are written into the configuration (`backends`).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use vmcp_config::{StaticBackend, StaticBackendKind};

use super::strategy::{Strategies, server_url};
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
    /// Two backends have one name.
    #[error("two backends are named {0:?}: names must be unique")]
    Duplicate(String),
}

/// Resolves the backends of the configuration.
pub(super) fn backends(
    configured: &[StaticBackend],
    strategies: &Strategies,
) -> Result<BTreeMap<String, Arc<Backend>>, FixedError> {
    let mut backends = BTreeMap::new();
    for backend in configured {
        let resolved = Arc::new(resolve(backend, strategies)?);
        if backends.insert(backend.name.clone(), resolved).is_some() {
            return Err(FixedError::Duplicate(backend.name.clone()));
        }
    }
    Ok(backends)
}

fn resolve(backend: &StaticBackend, strategies: &Strategies) -> Result<Backend, FixedError> {
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
        Some(StaticBackendKind::Service) | None => EgressClass::Workload,
    };
    let own: Option<fn() -> Result<OutgoingAuth, Infallible>> = None;
    let Ok(auth) = strategies.choose(&name, own);
    let unidentified = Backend {
        name,
        url,
        transport: backend.transport,
        class,
        allow_private: false,
        trust,
        auth,
        auth_config_ref: None,
        headers: ForwardedHeaders::default(),
        identity: 0,
    };
    Ok(unidentified.with_identity())
}

fn read_bundle(path: &str) -> Result<Trust, String> {
    let pem = std::fs::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
    Trust::with_bundle(&pem).map_err(|error| error.to_string())
}
