//! Trust sets: which authorities may sign a server's certificate.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The system's authorities, plus those of a CA bundle.
#[derive(Clone, Default)]
pub struct Trust {
    extra: Arc<[CertificateDer<'static>]>,
    identity: u64,
}

/// Why a CA bundle cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A PEM section does not decode.
    #[error("the CA bundle is not valid PEM: certificate {0} cannot be decoded")]
    Malformed(usize),
    /// There is no certificate in it.
    #[error("the CA bundle holds no certificate: expected PEM sections BEGIN CERTIFICATE")]
    Empty,
    /// A certificate is not one that can sign others.
    #[error("the CA bundle cannot be used: certificate {0} is not a usable authority")]
    Unusable(usize),
}

impl Trust {
    /// The authorities of the system alone.
    pub fn system() -> Self {
        Self::default()
    }

    /// The authorities of the system and those in `pem`.
    pub fn with_bundle(pem: &[u8]) -> Result<Self, TrustError> {
        let mut extra = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            extra.push(certificate.map_err(|_| TrustError::Malformed(index + 1))?);
        }
        if extra.is_empty() {
            return Err(TrustError::Empty);
        }
        let mut store = rustls::RootCertStore::empty();
        for (index, certificate) in extra.iter().enumerate() {
            store.add(certificate.clone()).map_err(|_| TrustError::Unusable(index + 1))?;
        }
        let mut hasher = DefaultHasher::new();
        for certificate in &extra {
            certificate.as_ref().hash(&mut hasher);
        }
        Ok(Self { extra: extra.into(), identity: hasher.finish() })
    }

    /// Equal for equal sets of authorities; zero for the system's alone.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// The authorities beside those of the system.
    pub(super) fn extra(&self) -> &[CertificateDer<'static>] {
        &self.extra
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for Trust {}

impl fmt::Debug for Trust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Trust").field("extra_authorities", &self.extra.len()).finish_non_exhaustive()
    }
}
