//! The HTTP client of the exporter: hyper on the operator's runtime, with TLS by rustls.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::http::Uri;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};
use tokio::{runtime::Handle, time::timeout};

use super::settings::{Certificates, Settings};
use crate::causes::chain;

/// The most of an answer that is read.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Why TLS to the collector cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// A file cannot be read.
    #[error("read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A file holds something else.
    #[error("read {}: expected PEM with {}", .path.display(), .expected)]
    Pem { path: PathBuf, expected: &'static str, source: pem::Error },
    /// A certificate, or the key to it, is of no use.
    #[error("use the certificates for the collector")]
    Certificate(#[from] rustls::Error),
    /// The host has no certificate authorities.
    #[error("find the certificate authorities of this host; name a file in OTEL_EXPORTER_OTLP_CERTIFICATE")]
    Host(#[source] io::Error),
}

/// A client of one collector, which says in the log when the collector stops taking spans, and when it takes them again.
#[derive(Clone)]
pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    timeout: Duration,
    failing: Arc<AtomicBool>,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Collector {
    /// A client on the runtime that this is called in.
    pub(super) fn new(settings: &Settings) -> Result<Self, TrustError> {
        let secure = settings.endpoint.starts_with("https:");
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(&settings.certificates, secure)?)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime: Handle::current(),
            timeout: settings.timeout,
            failing: Arc::default(),
        })
    }

    async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.client.request(request.map(Full::new)).await?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }

    /// Tells the first failure, and the first success after it.
    fn tell(&self, collector: &Uri, failure: Option<&str>) {
        let failed_before = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(error) if !failed_before => {
                tracing::warn!(%collector, error, "failed to export spans; those that find no room in the queue are dropped");
            }
            None if failed_before => tracing::info!(%collector, "spans are exported again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    /// Called by the exporter's thread, outside of any runtime.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let collector = request.uri().clone();
        let (client, limit) = (self.clone(), self.timeout);
        let sent = self.runtime.spawn(async move { timeout(limit, client.post(request)).await });
        let result = match sent.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(format!("no answer within {limit:?}").into()),
            // The operator has ended.
            Err(error) => return Err(error.into()),
        };
        let failure = match &result {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(chain(error.as_ref())),
        };
        self.tell(&collector, failure.as_deref());
        result
    }
}

/// How to speak TLS; without `secure` it is not going to be spoken.
fn tls(certificates: &Certificates, secure: bool) -> Result<ClientConfig, TrustError> {
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into());
    let config = config.with_safe_default_protocol_versions()?;
    let config = match &certificates.authorities {
        _ if !secure => config.with_root_certificates(RootCertStore::empty()),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates_in(path)? {
                roots.add(certificate)?;
            }
            config.with_root_certificates(roots)
        }
        None => config.with_native_roots().map_err(TrustError::Host)?,
    };
    let Some((chain, key)) = &certificates.client else { return Ok(config.with_no_client_auth()) };
    let content = read(key)?;
    let key = PrivateKeyDer::from_pem_slice(&content).map_err(|source| TrustError::Pem {
        path: key.clone(),
        expected: "a private key",
        source,
    })?;
    Ok(config.with_client_auth_cert(certificates_in(chain)?, key)?)
}

fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let wrong = |source| TrustError::Pem { path: path.to_owned(), expected: "certificates", source };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<_, _>>().map_err(wrong)?;
    if certificates.is_empty() { Err(wrong(pem::Error::NoItemsFound)) } else { Ok(certificates) }
}

fn read(path: &Path) -> Result<Vec<u8>, TrustError> {
    fs::read(path).map_err(|error| TrustError::Read(path.to_owned(), error))
}
