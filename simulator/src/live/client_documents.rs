//! Fetching the documents of clients that are named by a URL: of servers of the world and of others, over TLS that one of the
//! world's authorities vouches for, without redirects.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::LiveWorld;
use crate::oauth::DocumentUrl;
use crate::world::Client;

/// How long a document may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest document, as the draft recommends.
const LARGEST_DOCUMENT: usize = 5 * 1024;

impl LiveWorld {
    /// The client that a document describes, or a sentence that says why there is none.
    pub(super) async fn client_described_at(&self, url: &DocumentUrl) -> Result<Client, String> {
        let fetched = tokio::time::timeout(PATIENCE, self.fetch(url.url()));
        let fetched = fetched.await.unwrap_or_else(|_| Err(format!("it did not come within {PATIENCE:?}")));
        match fetched {
            Ok(document) => url.describes(&document),
            Err(reason) => Err(url.missing(&reason)),
        }
    }

    async fn fetch(&self, url: &Url) -> Result<Bytes, String> {
        // The connection ends when nobody waits for the document any more.
        let (response, _connection) = self.get(url).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("it was answered with {}, and redirects are not followed", response.status()));
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json")) {
            return Err(format!("it is of type `{kind}` and not application/json"));
        }
        let body = Limited::new(response.into_body(), LARGEST_DOCUMENT).collect().await;
        let body = body.map_err(|error| format!("it broke off or is larger than {LARGEST_DOCUMENT} bytes: {error}"))?;
        Ok(body.to_bytes())
    }

    /// The answer to a request for the document, with the task that reads it.
    async fn get(&self, url: &Url) -> Result<(Response<Incoming>, AbortOnDropHandle<hyper::Result<()>>), String> {
        let host = url.host_str().unwrap_or_default();
        let failed = |what: &'static str| move |error: &dyn std::fmt::Display| format!("{what}: {error}");
        let connection = self.dial(host, url.port_or_known_default().unwrap_or_default()).await;
        let connection = connection.map_err(|error| failed("nothing answers there")(&error))?;
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| failed("its host is no name")(&error))?;
        let trust = self.trust().map_err(|error| failed("TLS cannot be prepared")(&error))?;
        let connection = TlsConnector::from(Arc::new(trust)).connect(name, connection).await;
        let connection = connection.map_err(|error| failed("TLS failed")(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(connection))
            .await
            .map_err(|error| failed("no HTTP is spoken there")(&error))?;
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(header::HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
            .header(header::ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed("it cannot be asked for")(&error))?;
        let response = sender.send_request(request).await;
        Ok((response.map_err(|error| failed("there was no answer")(&error))?, connection))
    }

    /// A connection to a server of the world, or to one that the system's resolver knows.
    async fn dial(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let known = self.names().into_iter().find(|name| name.host == host);
        match known.and_then(|name| name.ports.get(&port).copied()) {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect((host.trim_matches(['[', ']']), port)).await,
        }
    }

    /// Trust in the authorities of the world alone.
    fn trust(&self) -> Result<ClientConfig, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for authority in self.certificates.definitions() {
            let pem = self.certificates.ca_pem(&authority.name).unwrap_or_default();
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem.as_bytes()).flatten());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(config)
    }
}
