//! Host names to addresses. Names of backends and issuers are absolute: they are resolved by the given DNS server or the system's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::guard::is_localhost;

/// How long an answer is used at most, whatever its time to live.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);
/// How long it is remembered that a name has no address: short, names appear while backends are being set up.
const LONGEST_NEGATIVE_ANSWER: Duration = Duration::from_secs(1);
/// How long one attempt at a DNS server takes at most.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Why a name has no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The DNS says that there is no such name, or none with an address.
    #[error("the host name has no address")]
    NoAddress,
    /// The DNS did not say anything.
    #[error("the DNS did not answer for the host name")]
    Unanswered,
    /// The text cannot be a host name.
    #[error("the host name is malformed")]
    Malformed,
}

/// Something that turns host names into addresses.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// All addresses of an absolute name.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>>;
}

/// The resolver cannot be set up.
#[derive(Debug, Clone, thiserror::Error)]
#[error("failed to set up name resolution: {0}")]
pub struct ResolverSetupError(String);

/// Resolves by DNS.
#[derive(Clone)]
pub struct DnsResolver(Arc<TokioResolver>);

impl DnsResolver {
    /// By the DNS server at `server` and nothing else.
    pub fn with_server(server: SocketAddr) -> Result<Self, ResolverSetupError> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        let name_server = NameServerConfig::new(server.ip(), true, connections.into());
        let config = ResolverConfig::from_name_servers(vec![name_server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        adjust(builder.options_mut());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        builder.build().map(|resolver| Self(Arc::new(resolver))).map_err(|error| ResolverSetupError(error.to_string()))
    }

    /// By the DNS servers and the hosts file of the system.
    pub fn system() -> Result<Self, ResolverSetupError> {
        let failed = |error: hickory_resolver::net::NetError| ResolverSetupError(error.to_string());
        let mut builder = TokioResolver::builder_tokio().map_err(failed)?;
        adjust(builder.options_mut());
        builder.build().map(|resolver| Self(Arc::new(resolver))).map_err(failed)
    }
}

/// Resolves as other programs of the machine do: a short name is looked for in the search domains of the system, too.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl Resolve for SystemLookup {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map_err(|_| ResolveError::NoAddress)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

fn adjust(options: &mut ResolverOpts) {
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = ATTEMPT;
    options.positive_max_ttl = Some(LONGEST_ANSWER);
    options.negative_max_ttl = Some(LONGEST_NEGATIVE_ANSWER);
}

impl Resolve for DnsResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(async move {
            if is_localhost(name) {
                return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
            }
            // The final dot keeps search lists out.
            let name = hickory_resolver::proto::rr::Name::from_utf8(format!("{}.", name.trim_end_matches('.')))
                .map_err(|_| ResolveError::Malformed)?;
            match self.0.lookup_ip(name).await {
                Ok(answer) => {
                    let addresses: Vec<IpAddr> = answer.iter().collect();
                    if addresses.is_empty() { Err(ResolveError::NoAddress) } else { Ok(addresses) }
                }
                Err(error) if error.is_no_records_found() => Err(ResolveError::NoAddress),
                Err(error) => {
                    tracing::debug!(%error, "no answer from the DNS");
                    Err(ResolveError::Unanswered)
                }
            }
        })
    }
}

impl fmt::Debug for DnsResolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DnsResolver")
    }
}
