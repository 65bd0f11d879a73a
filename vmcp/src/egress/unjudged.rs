//! Connections to what the administrator has named for the process itself, such as Redis. No backend and no user has a say in
//! where they lead, so the guard does not judge them; names lead where they do for backends.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use url::Host;

use super::connector::server_name;
use super::dialer::ConnectError;
use super::tls;
use super::way::Way;

/// An open connection, with or without TLS.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A place that the administrator has named.
#[derive(Debug)]
pub(crate) struct Place {
    host: Host<String>,
    port: u16,
    way: Way,
    tls: Option<Arc<ClientConfig>>,
}

impl Place {
    /// The place at a host, which is a name or an address, and port. With `tls`, its certificate is one that an authority of the system
    /// has signed, for this host.
    pub(crate) fn new(host: &str, port: u16, tls: bool, way: Way) -> Self {
        Self::trusting(host, port, tls.then(tls::system_roots), way)
    }

    /// The same with these authorities, if it speaks TLS.
    fn trusting(host: &str, port: u16, roots: Option<RootCertStore>, way: Way) -> Self {
        let host = match host.parse() {
            Ok(std::net::IpAddr::V4(address)) => Host::Ipv4(address),
            Ok(std::net::IpAddr::V6(address)) => Host::Ipv6(address),
            Err(_) => Host::Domain(host.to_owned()),
        };
        Self { host, port, way, tls: roots.map(|roots| Arc::new(tls::client_config(roots))) }
    }

    /// Connects. The caller bounds the time.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Connection>, ConnectError> {
        let addresses = self.way.addresses(&self.host).await?;
        let connection = self.way.dial(&self.host, self.port, addresses).await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(connection)) };
        let secured = TlsConnector::from(Arc::clone(tls)).connect(server_name(&self.host)?, connection).await;
        Ok(Box::new(secured.map_err(|error| ConnectError::Tls(error.to_string()))?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use futures::future::BoxFuture;
    use rustls::ServerConfig;
    use rustls::crypto::aws_lc_rs;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::egress::{Resolve, ResolveError};

    /// Knows one name, which leads to this machine.
    #[derive(Debug)]
    struct One(&'static str);

    impl Resolve for One {
        fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
            let known =
                if name == self.0 { Ok(vec![Ipv4Addr::LOCALHOST.into()]) } else { Err(ResolveError::NoAddress) };
            Box::pin(async move { known })
        }
    }

    /// Greets over TLS whoever connects, as this host, and the authority that says so.
    async fn greeter(host: &str) -> (SocketAddr, RootCertStore) {
        let signed = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(signed.cert.der().clone()).unwrap();
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, acceptor) = (listener.local_addr().unwrap(), TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                if let Ok(mut connection) = acceptor.accept(connection).await {
                    let name = connection.get_ref().1.server_name().unwrap_or_default().to_owned();
                    connection.write_all(name.as_bytes()).await.unwrap();
                    connection.shutdown().await.unwrap();
                }
            }
        });
        (address, roots)
    }

    #[tokio::test]
    async fn a_name_leads_where_the_resolver_says_and_is_the_one_of_the_certificate() {
        let (address, roots) = greeter("redis.example.com").await;
        let connect = async |host: &str, known: &'static str| {
            let way = Way::new(Arc::new(One(known)));
            let place = Place::trusting(host, address.port(), Some(roots.clone()), way);
            let mut greeting = String::new();
            place.connect().await?.read_to_string(&mut greeting).await.unwrap();
            Ok::<_, ConnectError>(greeting)
        };
        assert_eq!(connect("redis.example.com", "redis.example.com").await.unwrap(), "redis.example.com");
        let Err(ConnectError::Tls(_)) = connect("other.example.com", "other.example.com").await else {
            panic!("the certificate is another host's")
        };
        assert_eq!(connect("nowhere.example.com", "redis.example.com").await, Err(ResolveError::NoAddress.into()));
    }

    #[tokio::test]
    async fn addresses_and_other_places_to_dial_need_no_name() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let elsewhere = format!("redis.example.com:6379={address}").parse().unwrap();
        let mapped =
            Way { connect_to: [elsewhere].into_iter().collect(), ..Way::new(Arc::new(One("redis.example.com"))) };
        for (host, port, way) in
            [("127.0.0.1", address.port(), Way::new(Arc::new(One("")))), ("redis.example.com", 6379, mapped)]
        {
            let (connected, accepted) =
                tokio::join!(async { Place::new(host, port, false, way).connect().await.is_ok() }, listener.accept());
            assert!(connected && accepted.is_ok(), "{host}");
        }
    }
}
