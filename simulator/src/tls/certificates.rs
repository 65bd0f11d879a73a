//! Which certificate a host shows: made when the host is first asked for, and again after a rotation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;

use super::authority::Authority;
use crate::world::{Certificate, PUBLIC_AUTHORITY};

/// The authorities of a world and what they signed.
pub(crate) struct Certificates {
    state: Mutex<State>,
}

struct State {
    authorities: BTreeMap<String, Authority>,
    /// What the world says of a host's certificate.
    hosts: BTreeMap<String, Certificate>,
    /// Ready configurations by host. Emptied when something they were made of changes.
    configurations: BTreeMap<String, Arc<ServerConfig>>,
}

/// Why a certificate could not be made.
#[derive(Debug, Error)]
pub(crate) enum CertificateError {
    #[error("there is no authority `{0}`")]
    UnknownAuthority(String),
    #[error("failed to make a certificate")]
    Making(#[from] rcgen::Error),
    #[error("failed to use a certificate")]
    Using(#[from] rustls::Error),
}

impl Certificates {
    /// The named authorities and `public`.
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Result<Self, CertificateError> {
        let mut authorities = BTreeMap::new();
        for name in names.into_iter().chain([PUBLIC_AUTHORITY.to_owned()]) {
            let authority = Authority::generate(&name)?;
            authorities.insert(name, authority);
        }
        let state = State { authorities, hosts: BTreeMap::new(), configurations: BTreeMap::new() };
        Ok(Self { state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn authorities(&self) -> Vec<String> {
        self.state().authorities.keys().cloned().collect()
    }

    pub(crate) fn ca_pem(&self, authority: &str) -> Option<String> {
        self.state().authorities.get(authority).map(Authority::pem)
    }

    /// Says what certificate `host` shows to new connections.
    pub(crate) fn set(&self, host: &str, certificate: Certificate) {
        let mut state = self.state();
        state.configurations.remove(host);
        state.hosts.insert(host.to_owned(), certificate);
    }

    /// What was said of the certificate of `host`.
    pub(crate) fn of(&self, host: &str) -> Option<Certificate> {
        self.state().hosts.get(host).cloned()
    }

    /// Gives an authority a new key and certificate.
    pub(crate) fn rotate(&self, authority: &str) -> Result<(), CertificateError> {
        let mut state = self.state();
        let known = state
            .authorities
            .get_mut(authority)
            .ok_or_else(|| CertificateError::UnknownAuthority(authority.to_owned()))?;
        *known = Authority::generate(authority)?;
        state.configurations.clear();
        Ok(())
    }

    /// The server side of TLS for `host`.
    pub(crate) fn configuration(&self, host: &str) -> Result<Arc<ServerConfig>, CertificateError> {
        let mut state = self.state();
        if let Some(ready) = state.configurations.get(host) {
            return Ok(Arc::clone(ready));
        }
        let certificate = state.hosts.get(host).cloned().unwrap_or_default();
        let name = certificate.issuer.as_ref().map_or(PUBLIC_AUTHORITY, |issuer| issuer.as_str());
        let authority =
            state.authorities.get(name).ok_or_else(|| CertificateError::UnknownAuthority(name.to_owned()))?;
        let leaf = authority.sign(host, certificate.fault)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf.key.serialize_der()));
        let mut configuration = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.certificate.der().clone()], key)?;
        configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let configuration = Arc::new(configuration);
        state.configurations.insert(host.to_owned(), Arc::clone(&configuration));
        Ok(configuration)
    }
}
