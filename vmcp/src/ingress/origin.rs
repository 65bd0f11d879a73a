//! Who may talk to this listener from a browser: the `Host` and `Origin` rules that stop DNS rebinding.
//!
//! Bound to what browsers call localhost, only loopback names are right. Elsewhere, the other addresses of 127.0.0.0/8 included, any
//! name may be this server's: an `Origin`, if one is sent at all, must be that of the configured resource, one that was allowed, or the address
//! at which the server was asked.

use http::{HeaderMap, header, uri::Authority};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Origin, Url};

/// The rules for one listener.
#[derive(Debug, Clone)]
pub struct OriginRules {
    loopback: bool,
    allowed: Vec<Origin>,
}

/// Which header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginRefused {
    /// A host name that does not belong to a loopback listener.
    #[error("the Host header must name localhost, because this server listens on a loopback address only")]
    Host,
    /// A web page of somewhere else.
    #[error("the Origin header does not belong to this server, allow it with --allow-origin")]
    Origin,
}

impl OriginRules {
    /// Rules for a listener at `address`; `allowed` are origins beside its own.
    pub fn new(address: SocketAddr, allowed: impl IntoIterator<Item = Url>) -> Self {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&address.ip());
        Self { loopback, allowed: allowed.into_iter().map(|url| url.origin()).collect() }
    }

    /// Judges the headers of one request. `uri_authority` is the `:authority` of HTTP/2, `published` the origin of the
    /// resource as which this server is published at the moment.
    pub fn check(
        &self,
        headers: &HeaderMap,
        uri_authority: Option<&Authority>,
        published: impl Fn() -> Option<Origin>,
    ) -> Result<(), OriginRefused> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let header = hosts.next().map(|value| value.to_str().ok().and_then(|host| host.parse::<Authority>().ok()));
        if hosts.next().is_some() {
            return Err(OriginRefused::Host);
        }
        let host = match (uri_authority, header) {
            (Some(authority), _) => authority.clone(),
            (None, Some(Some(host))) => host,
            (None, _) => return Err(OriginRefused::Host),
        };
        if self.loopback && !is_loopback_name(host.host()) {
            return Err(OriginRefused::Host);
        }
        headers.get_all(header::ORIGIN).iter().try_for_each(|origin| {
            let url = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok()).ok_or(OriginRefused::Origin)?;
            let is_allowed = self.is_own(&url, &host) || {
                let origin = url.origin();
                self.allowed.contains(&origin) || published().is_some_and(|published| published == origin)
            };
            if is_allowed { Ok(()) } else { Err(OriginRefused::Origin) }
        })
    }

    /// Whether the page is of this server. A name proves nothing: whoever owns it may let it lead here, and the page then sends it as its
    /// `Host` too. Addresses and localhost lead to where they say.
    fn is_own(&self, origin: &Url, host: &Authority) -> bool {
        if self.loopback {
            return origin.host_str().is_some_and(is_loopback_name);
        }
        let is_certain = match origin.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
            None => false,
        };
        // Whether TLS ends before us is unknown: the scheme of the origin says which port `Host` leaves out.
        is_certain
            && Url::parse(&format!("{}://{host}/", origin.scheme()))
                .is_ok_and(|own| own.origin().is_tuple() && own.origin() == origin.origin())
    }
}

fn is_loopback_name(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(bound: &str, host: &str, origin: Option<&str>) -> Result<(), OriginRefused> {
        let url = |url| Url::parse(url).unwrap();
        let rules = OriginRules::new(bound.parse().unwrap(), [url("http://inspector.example:6274")]);
        let published = || Some(url("https://gateway.example.com/mcp").origin());
        let mut headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        rules.check(&headers, None, published)
    }

    #[test]
    fn a_loopback_listener_takes_loopback_names_only() {
        for host in ["localhost", "localhost:4483", "127.0.0.1:4483", "127.1.2.3", "[::1]:4483"] {
            assert_eq!(check("127.0.0.1:4483", host, None), Ok(()), "{host}");
            assert_eq!(check("[::1]:4483", host, None), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1:4483", "[::2]"] {
            assert_eq!(check("127.0.0.1:4483", host, None), Err(OriginRefused::Host), "{host}");
        }
        assert_eq!(check("127.0.0.1:4483", "localhost:4483", Some("http://localhost:6274")), Ok(()));
        assert_eq!(check("127.0.0.1:4483", "localhost:4483", Some("http://inspector.example:6274")), Ok(()));
        for origin in ["http://evil.example", "null", "file:///", "http://localhost.evil.example"] {
            assert_eq!(check("127.0.0.1:4483", "localhost", Some(origin)), Err(OriginRefused::Origin), "{origin}");
        }
    }

    #[test]
    fn another_listener_takes_any_host_and_only_its_own_origins() {
        for bound in ["0.0.0.0:4483", "127.64.0.7:4483", "10.1.2.3:4483"] {
            assert_eq!(check(bound, "anything.example", None), Ok(()), "{bound}");
        }
        let own = |host, origin| check("0.0.0.0:4483", host, Some(origin));
        for (host, origin) in [
            ("10.0.0.5:4483", "http://10.0.0.5:4483"),
            ("10.0.0.5", "https://10.0.0.5"),
            ("10.0.0.5:443", "https://10.0.0.5"),
            ("[2001:db8::5]:4483", "http://[2001:db8::5]:4483"),
            ("localhost:4483", "http://localhost:4483"),
            ("gateway.example.com", "https://gateway.example.com"),
            ("10.0.0.5:4483", "http://inspector.example:6274"),
        ] {
            assert_eq!(own(host, origin), Ok(()), "{host} {origin}");
        }
        for (host, origin) in [
            ("10.0.0.5:4483", "http://10.0.0.5"),
            ("10.0.0.5:4483", "http://10.0.0.6:4483"),
            ("localhost:4483", "http://localhost:6274"),
            ("10.0.0.5", "http://10.0.0.5.evil.example"),
            ("10.0.0.5", "null"),
            ("10.0.0.5", "file://10.0.0.5"),
        ] {
            assert_eq!(own(host, origin), Err(OriginRefused::Origin), "{host} {origin}");
        }
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_nobodys_own() {
        for bound in ["0.0.0.0:4483", "[::]:4483", "127.64.0.7:4483", "10.1.2.3:4483"] {
            for (host, origin) in [
                ("evil.example:4483", "http://evil.example:4483"),
                ("evil.example", "https://evil.example"),
                ("localhost.evil.example:4483", "http://localhost.evil.example:4483"),
                ("10.1.2.3.evil.example:4483", "http://10.1.2.3.evil.example:4483"),
            ] {
                assert_eq!(check(bound, host, Some(origin)), Err(OriginRefused::Origin), "{bound} {host}");
            }
        }
    }

    #[test]
    fn a_request_without_or_with_two_hosts_is_refused() {
        let rules = OriginRules::new("0.0.0.0:1".parse().unwrap(), []);
        let check = |headers: &HeaderMap, authority| rules.check(headers, authority, || None);
        assert_eq!(check(&HeaderMap::new(), None), Err(OriginRefused::Host));
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "a".parse().unwrap());
        headers.append(header::HOST, "b".parse().unwrap());
        assert_eq!(check(&headers, None), Err(OriginRefused::Host));
        assert_eq!(check(&HeaderMap::new(), Some(&"a.example".parse().unwrap())), Ok(()));
    }
}
