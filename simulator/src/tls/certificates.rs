//! Which certificate a host shows and how it speaks TLS: made when the host is first asked for, and again after a change.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

use rcgen::ExtendedKeyUsagePurpose;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use rustls_pki_types::PrivateKeyDer;
use thiserror::Error;

use super::authority::{Authority, AuthorityRoot, Leaf, Order};
use crate::world::{self, Certificate, CertificateFault, PUBLIC_AUTHORITY, Tls, TlsVersion};

/// The authorities of a world and what they signed.
pub(crate) struct Certificates {
    state: Mutex<State>,
}

struct State {
    authorities: BTreeMap<String, Authority>,
    /// What the world says of a host's certificate.
    certificates: BTreeMap<String, Certificate>,
    /// What the world says of how a host speaks TLS.
    tls: BTreeMap<String, Tls>,
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
    #[error("the root that was kept for the authority `{authority}` cannot be used: {source}")]
    Keeping { authority: String, source: rcgen::Error },
    #[error("failed to use a certificate")]
    Using(#[from] rustls::Error),
    #[error("failed to ask clients for certificates")]
    Asking(#[from] rustls::server::VerifierBuilderError),
}

impl Certificates {
    /// These authorities, with their roots among `kept` or with new ones.
    pub(crate) fn new(definitions: Vec<world::Authority>, kept: &[AuthorityRoot]) -> Result<Self, CertificateError> {
        let mut authorities = BTreeMap::new();
        for definition in definitions {
            let name = definition.name.clone();
            let authority = match kept.iter().find(|root| root.authority == name) {
                Some(root) => Authority::from_root(definition, root)
                    .map_err(|source| CertificateError::Keeping { authority: name.clone(), source })?,
                None => Authority::generate(definition)?,
            };
            authorities.insert(name, authority);
        }
        let state =
            State { authorities, certificates: BTreeMap::new(), tls: BTreeMap::new(), configurations: BTreeMap::new() };
        Ok(Self { state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What the world says of its authorities.
    pub(crate) fn definitions(&self) -> Vec<world::Authority> {
        self.state().authorities.values().map(|authority| authority.definition().clone()).collect()
    }

    pub(crate) fn ca_pem(&self, authority: &str) -> Option<String> {
        self.state().authorities.get(authority).map(Authority::pem)
    }

    /// Says what certificate `host` shows to new connections.
    pub(crate) fn set(&self, host: &str, certificate: Certificate) {
        let mut state = self.state();
        state.configurations.remove(host);
        state.certificates.insert(host.to_owned(), certificate);
    }

    /// Says how `host` speaks TLS on new connections.
    pub(crate) fn set_tls(&self, host: &str, tls: Tls) {
        let mut state = self.state();
        state.configurations.remove(host);
        state.tls.insert(host.to_owned(), tls);
    }

    /// What was said of the certificate of `host`.
    pub(crate) fn of(&self, host: &str) -> Option<Certificate> {
        self.state().certificates.get(host).cloned()
    }

    /// What was said of how `host` speaks TLS.
    pub(crate) fn tls_of(&self, host: &str) -> Option<Tls> {
        self.state().tls.get(host).cloned()
    }

    /// Adds an authority, in the place of one of the same name.
    pub(crate) fn add(&self, definition: world::Authority) -> Result<(), CertificateError> {
        let authority = Authority::generate(definition)?;
        let mut state = self.state();
        state.configurations.clear();
        state.authorities.insert(authority.definition().name.clone(), authority);
        Ok(())
    }

    /// Gives an authority, root and intermediates, new keys and certificates.
    pub(crate) fn rotate(&self, authority: &str) -> Result<(), CertificateError> {
        self.renew(authority, |known| {
            *known = Authority::generate(known.definition().clone())?;
            Ok(())
        })
    }

    /// Gives the intermediates of an authority new keys and certificates, under the same root.
    pub(crate) fn rotate_intermediates(&self, authority: &str) -> Result<(), CertificateError> {
        self.renew(authority, Authority::renew_intermediates)
    }

    fn renew(
        &self,
        authority: &str,
        how: impl FnOnce(&mut Authority) -> Result<(), rcgen::Error>,
    ) -> Result<(), CertificateError> {
        let mut state = self.state();
        how(state.authorities.get_mut(authority).ok_or_else(|| unknown_authority(authority))?)?;
        state.configurations.clear();
        Ok(())
    }

    /// Gives `host` a new key and certificate.
    pub(crate) fn rotate_leaf(&self, host: &str) {
        self.state().configurations.remove(host);
    }

    /// Lets an authority sign something.
    pub(crate) fn sign(&self, authority: &str, order: &Order) -> Result<Leaf, CertificateError> {
        self.state().sign(authority, order)
    }

    /// The server side of TLS for `host`.
    pub(crate) fn configuration(&self, host: &str) -> Result<Arc<ServerConfig>, CertificateError> {
        let mut state = self.state();
        if let Some(ready) = state.configurations.get(host) {
            return Ok(Arc::clone(ready));
        }
        let configuration = Arc::new(state.configure(host)?);
        state.configurations.insert(host.to_owned(), Arc::clone(&configuration));
        Ok(configuration)
    }
}

impl State {
    fn authority(&self, name: &str) -> Result<&Authority, CertificateError> {
        self.authorities.get(name).ok_or_else(|| unknown_authority(name))
    }

    fn sign(&self, authority: &str, order: &Order) -> Result<Leaf, CertificateError> {
        Ok(self.authority(authority)?.sign(order)?)
    }

    fn configure(&self, host: &str) -> Result<ServerConfig, CertificateError> {
        let certificate = self.certificates.get(host).cloned().unwrap_or_default();
        let tls = self.tls.get(host).cloned().unwrap_or_default();
        let issuer = certificate.issuer.as_ref().map_or(PUBLIC_AUTHORITY, |issuer| issuer.as_str());
        let Leaf { chain, key } = self.sign(issuer, &server_order(host, &certificate))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&protocol_versions(&tls.versions))?;
        let builder = match &tls.client_certificate {
            None => builder.with_no_client_auth(),
            Some(wanted) => {
                let mut roots = RootCertStore::empty();
                roots.add(self.authority(&wanted.issuer)?.root().clone())?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if wanted.required { verifier } else { verifier.allow_unauthenticated() };
                builder.with_client_cert_verifier(verifier.build()?)
            }
        };
        let mut configuration = builder.with_single_cert(chain, PrivateKeyDer::from(key))?;
        configuration.alpn_protocols = tls.alpn.iter().map(|name| name.clone().into_bytes()).collect();
        Ok(configuration)
    }
}

/// The order for the certificate that `host` shows.
fn server_order(host: &str, certificate: &Certificate) -> Order {
    let name = if certificate.fault == Some(CertificateFault::WrongName) { "wrong-name.invalid" } else { host };
    // URLs write IPv6 addresses in brackets, certificates do not.
    let name = name.trim_start_matches('[').trim_end_matches(']');
    Order {
        common_name: name.to_owned(),
        names: certificate.names.clone().unwrap_or_else(|| vec![name.to_owned()]),
        usage: ExtendedKeyUsagePurpose::ServerAuth,
        key: certificate.key,
        valid_for: certificate.valid_for,
        fault: certificate.fault,
    }
}

fn protocol_versions(versions: &[TlsVersion]) -> Vec<&'static SupportedProtocolVersion> {
    let version = |version: &TlsVersion| match version {
        TlsVersion::V12 => &version::TLS12,
        TlsVersion::V13 => &version::TLS13,
    };
    versions.iter().map(version).collect()
}

fn unknown_authority(name: &str) -> CertificateError {
    CertificateError::UnknownAuthority(name.to_owned())
}
