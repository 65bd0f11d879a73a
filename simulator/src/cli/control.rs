//! A client of the control API, for the commands that speak to a running simulator.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use http::{Method, Request, Uri, header};
use http_body_util::{BodyDataStream, BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;
use url::form_urlencoded;

use super::Failure;

/// The longest line of a journal: a body of the largest size, three times written and escaped.
const LONGEST_LINE: usize = 128 * 1024 * 1024;

/// Which running world a command is about.
#[derive(Clone, Debug, Args)]
pub(super) struct Running {
    /// The control API, as `serve --control` says.
    #[arg(long, value_name = "URL", env = "SIMULATOR_CONTROL", default_value = "http://127.0.0.1:9901")]
    control: Uri,
    /// The certificates of the authorities (PEM) that the control API is trusted by, when its URL is an https one.
    #[arg(long, value_name = "FILE", env = "SIMULATOR_CONTROL_CA")]
    ca: Option<PathBuf>,
    /// The world. That of a file is called `default`.
    #[arg(long, value_name = "NAME", default_value = super::WORLD)]
    world: String,
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refused {
    error: String,
}

/// A client of one world's part of the control API.
pub(super) struct ControlClient {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    running: Running,
}

impl ControlClient {
    /// Sends nothing yet. An https URL without a readable file of authorities is wrong usage.
    pub(super) fn new(running: Running) -> Result<Self, Failure> {
        let Running { control, ca, .. } = &running;
        if control.scheme_str() == Some("https") && ca.is_none() {
            return Err(Failure::Usage(anyhow!(
                "{control} speaks TLS: --ca names the certificate by which it is trusted"
            )));
        }
        let roots = ca.as_deref().map_or_else(|| Ok(RootCertStore::empty()), roots).map_err(Failure::Usage)?;
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .context("failed to prepare TLS")
            .map_err(Failure::World)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Ok(Self { http: Client::builder(TokioExecutor::new()).build(connector), running })
    }

    /// Asks for something below the world, e.g. `journal`, with a query; the empty path is the world itself.
    pub(super) async fn get<T: DeserializeOwned>(&self, below: &str, query: &[(&str, &str)]) -> anyhow::Result<T> {
        read(self.send(Method::GET, below, query, None).await?).await
    }

    /// Sends something below the world, e.g. to `changes`.
    pub(super) async fn post<T: DeserializeOwned>(&self, below: &str, body: &Value) -> anyhow::Result<T> {
        read(self.send(Method::POST, below, &[], Some(body)).await?).await
    }

    /// The lines of something that may not end.
    pub(super) async fn lines(
        &self,
        below: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<impl Stream<Item = anyhow::Result<String>> + use<>> {
        let body = self.send(Method::GET, below, query, None).await?;
        let bytes = StreamReader::new(BodyDataStream::new(body).map_err(std::io::Error::other));
        let lines = FramedRead::new(bytes, LinesCodec::new_with_max_length(LONGEST_LINE));
        Ok(lines.map(|line| line.context("the simulator ended the connection")))
    }

    async fn send(
        &self,
        method: Method,
        below: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Incoming> {
        let Running { control, world, .. } = &self.running;
        let world: String = form_urlencoded::byte_serialize(world.as_bytes()).collect();
        let mut uri = format!("{}/worlds/{world}", control.to_string().trim_end_matches('/'));
        if !below.is_empty() {
            uri = format!("{uri}/{below}");
        }
        if !query.is_empty() {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
            uri = format!("{uri}?{query}");
        }
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.map_or_else(String::new, Value::to_string)))
            .with_context(|| format!("{control} is not the URL of a control API"))?;
        let answer = self.http.request(request).await.with_context(|| {
            format!("failed to reach the control API at {control}: start one by `simulator serve --control`")
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        let body = answer.into_body().collect().await.context("failed to read the refusal")?.to_bytes();
        match serde_json::from_slice::<Refused>(&body) {
            Ok(Refused { error }) => bail!(error),
            Err(_) => bail!("{control} answered {status}: is this a control API?"),
        }
    }
}

/// The authorities of a file.
fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let failed = || format!("failed to read {}: expected certificates in PEM", file.display());
    let certificates = CertificateDer::pem_file_iter(file).with_context(failed)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.with_context(failed)?).with_context(failed)?;
    }
    if roots.is_empty() {
        bail!("{} holds no certificate: expected those of authorities in PEM", file.display());
    }
    Ok(roots)
}

async fn read<T: DeserializeOwned>(body: Incoming) -> anyhow::Result<T> {
    let body = body.collect().await.context("failed to read the answer")?.to_bytes();
    serde_json::from_slice(&body).context("the answer is not what a control API of this version says")
}
