//! Serving over TLS: a certificate authority of the server's own, and kubeconfigs that trust it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{ApiServer, ApiService};

/// Why the server cannot serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificates cannot be made.
    #[error("make the server's certificates")]
    Certificate(#[from] rcgen::Error),
    /// The certificates cannot be used.
    #[error("set up TLS")]
    Tls(#[from] rustls::Error),
}

/// A server that listens; dropping it ends it.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    url: String,
    ca_pem: String,
    admin_token: String,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Served {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL: `https://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate authority that signed its certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A kubeconfig for a bearer token, or for the administrator.
    pub fn kubeconfig(&self, token: Option<&str>) -> String {
        let token = token.unwrap_or(&self.admin_token);
        let ca = STANDARD.encode(&self.ca_pem);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: embedded\nclusters:\n- name: embedded\n  cluster:\n    server: {}\n    \
             certificate-authority-data: {ca}\ncontexts:\n- name: embedded\n  context:\n    cluster: embedded\n    user: \
             embedded\nusers:\n- name: embedded\n  user:\n    token: {token}\n",
            self.url
        )
    }

    /// Stops listening and ends all connections, open watches included.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // The task only fails by panicking, and then it has ended too.
            let _ = task.await;
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Listens and serves until the answer is dropped or shut down.
pub(crate) async fn serve(api: &ApiServer, address: SocketAddr) -> Result<Served, ServeError> {
    let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
    let (config, ca_pem) = tls(address.ip())?;
    let stop = CancellationToken::new();
    let task = tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), api.network_service(), stop.clone()));
    let host = if address.ip().is_unspecified() { "127.0.0.1".parse().unwrap_or(address.ip()) } else { address.ip() };
    Ok(Served {
        address,
        url: format!("https://{}", SocketAddr::new(host, address.port())),
        ca_pem,
        admin_token: api.admin_token().to_owned(),
        stop,
        task: Some(task),
    })
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, service: ApiService, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (acceptor, service) = (acceptor.clone(), service.clone());
        connections.spawn(async move {
            // Small writes, such as watch events, are not to wait for more.
            let _ = stream.set_nodelay(true);
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let builder = auto::Builder::new(TokioExecutor::new());
            let served =
                builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service)).await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    connections.shutdown().await;
}

/// A fresh authority and a leaf for the address and the names that pods know the API server by.
fn tls(address: IpAddr) -> Result<(ServerConfig, String), ServeError> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "embedded-cluster");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let names = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    for ip in [IpAddr::from([127, 0, 0, 1]), address] {
        if !names.contains(&ip.to_string()) {
            names.push(ip.to_string());
        }
    }
    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf_key = KeyPair::generate()?;
    let issuer = Issuer::new(authority, authority_key);
    let leaf = leaf.signed_by(&leaf_key, &issuer)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, authority_certificate.pem()))
}
