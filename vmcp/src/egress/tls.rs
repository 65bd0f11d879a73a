//! TLS towards other servers: the system's authorities, and client configurations made from trust sets.

use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::Trust;

/// The authorities of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` take their place when set).
///
/// Certificates that cannot be read are logged and left out: one broken file must not cut off every backend.
pub(super) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "a system authority cannot be read");
    }
    let (added, ignored) = roots.add_parsable_certificates(loaded.certs);
    tracing::debug!(added, ignored, "loaded the authorities of the system");
    if added == 0 {
        tracing::warn!("the system has no authorities: only backends with a CA bundle can be reached over https");
    }
    roots
}

/// The client configuration for HTTP with servers of a trust set: HTTP/2 or HTTP/1.1.
pub(super) fn http_config(system: &RootCertStore, trust: &Trust) -> Arc<ClientConfig> {
    let mut roots = system.clone();
    roots.add_parsable_certificates(trust.extra().iter().cloned());
    let mut config = client_config(roots);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The client configuration for servers that one of `roots` has signed: TLS 1.2 or newer.
pub(super) fn client_config(roots: RootCertStore) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has cipher suites for TLS 1.2 and 1.3");
    builder.with_root_certificates(roots).with_no_client_auth()
}

/// Why a handshake failed, and what to do about it.
pub(super) fn explain(error: &io::Error) -> String {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return "the server ended the TLS handshake: it may not speak TLS on this port".to_owned();
    };
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => {
                "the server's certificate is not signed by a trusted authority: name its authority in caBundleRef"
                    .to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another host name".to_owned()
            }
            CertificateError::BadSignature => {
                "the server's certificate is signed by another key than the trusted authority's".to_owned()
            }
            other => format!("the server's certificate was not accepted: {other:?}"),
        },
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS on this port".to_owned(),
        rustls::Error::AlertReceived(alert) => format!("the server refused the TLS handshake ({alert:?})"),
        other => format!("the TLS handshake failed: {other}"),
    }
}
