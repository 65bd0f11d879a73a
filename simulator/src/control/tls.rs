//! The control API over TLS: what it shows to clients, and how connections begin.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::tls::{Authority, AuthorityRoot, Order};
use crate::world::{self, KeyType};

/// How long a client may take for its handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// So many clients are in their handshakes at once; others wait for their turn.
const MOST_HANDSHAKES: usize = 64;

/// Why the control API cannot be served over TLS.
#[derive(Debug, thiserror::Error)]
pub enum ControlTlsError {
    /// The text holds no certificates.
    #[error("failed to read the certificates: expected PEM")]
    Certificates(#[source] pem::Error),
    /// The text holds no key.
    #[error("failed to read the key: expected PEM")]
    Key(#[source] pem::Error),
    /// Nothing can be signed with the root, or for such names.
    #[error("failed to make a certificate")]
    Making(#[from] rcgen::Error),
    /// Certificate and key do not belong together, or cannot be used.
    #[error("failed to use the certificate")]
    Using(#[from] rustls::Error),
}

/// The certificate that the control API shows.
#[derive(Clone, Debug)]
pub struct ControlTls(Arc<ServerConfig>);

impl ControlTls {
    /// Shows these certificates, the server's own first, whose key is `key`; both in PEM.
    ///
    /// # Errors
    ///
    /// When they are not in PEM, or do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, ControlTlsError> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(ControlTlsError::Certificates)?;
        Self::new(chain, PrivateKeyDer::from_pem_slice(key).map_err(ControlTlsError::Key)?)
    }

    /// Shows a new certificate for `names`, hosts and addresses, that `root` signs.
    ///
    /// # Errors
    ///
    /// When the root is unreadable, or a name is none.
    pub fn signed_by(root: &AuthorityRoot, names: Vec<String>) -> Result<Self, ControlTlsError> {
        let authority = Authority::from_root(world::Authority::from(root.authority.as_str()), root)?;
        let order = Order {
            common_name: root.authority.clone(),
            names,
            usage: ExtendedKeyUsagePurpose::ServerAuth,
            key: KeyType::default(),
            valid_for: None,
            fault: None,
        };
        let leaf = authority.sign(&order)?;
        Self::new(leaf.chain, PrivateKeyDer::from(leaf.key))
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, ControlTlsError> {
        let configuration = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self(Arc::new(configuration)))
    }

    /// Takes connections of `listener`.
    pub(super) fn listener(self, listener: TcpListener) -> TlsListener {
        TlsListener { listener, acceptor: TlsAcceptor::from(self.0), handshakes: JoinSet::new() }
    }
}

type Accepted = (TlsStream<TcpStream>, SocketAddr);

/// A listener whose connections are through their handshakes. One that takes long, or fails, keeps no other waiting.
pub(super) struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<Accepted>>,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(accepted)) = done {
                        return accepted;
                    }
                }
                (stream, peer) = Listener::accept(&mut self.listener), if self.handshakes.len() < MOST_HANDSHAKES => {
                    let handshake = self.acceptor.accept(stream);
                    self.handshakes.spawn(async move {
                        match timeout(HANDSHAKE_LIMIT, handshake).await {
                            Ok(Ok(stream)) => Some((stream, peer)),
                            Ok(Err(error)) => {
                                tracing::warn!(%peer, %error, "a TLS handshake with the control API failed");
                                None
                            }
                            Err(_) => None,
                        }
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
