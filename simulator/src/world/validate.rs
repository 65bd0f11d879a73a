//! What does not fit together in a world: names that nobody bears, things that exist twice, contradictions.

mod dns;
mod tls;

use std::collections::BTreeSet;
use std::fmt;

use super::{AuthorizationServer, Fault, Server, ServerUrl, Transport, World, content, fault};

pub(crate) use dns::dns_problems;
pub(crate) use tls::{authority_problems, certificate_problems, is_subject_name, tls_problems, valid_for_mistake};

/// One thing that is wrong with a world whose form is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which field, e.g. `servers[2].certificate.issuer`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

/// Collects problems below one path.
struct Findings(Vec<Problem>);

impl Findings {
    fn add(&mut self, path: String, message: String) {
        self.0.push(Problem { path, message });
    }
}

impl World {
    /// Everything that does not fit together. Empty: the world can be brought to life.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Findings(Vec::new());
        found.0.extend(tls::authorities_problems(&self.authorities));
        let mut issuers = BTreeSet::new();
        for (index, server) in self.authorization_servers.iter().enumerate() {
            let path = format!("authorizationServers[{index}]");
            self.check_authorization_server(&path, server, &mut issuers, &mut found);
        }
        let mut urls = BTreeSet::new();
        for (index, server) in self.servers.iter().enumerate() {
            let path = format!("servers[{index}]");
            if !urls.insert(server.url.clone()) {
                found.add(
                    format!("{path}.url"),
                    format!("{} is described twice: every server needs a URL of its own", server.url),
                );
            }
            self.check_server(&path, server, &mut found);
        }
        for (index, collector) in self.telemetry.iter().enumerate() {
            let path = format!("telemetry[{index}]");
            found.0.extend(address_problem(&path, &collector.url));
            found.0.extend(fault_problems(&path, &collector.faults, None));
            if self.telemetry[..index].iter().any(|other| other.url == collector.url) {
                let message = format!("{} is described twice: every collector needs a URL of its own", collector.url);
                found.0.push(Problem { path: format!("{path}.url"), message });
            }
        }
        found.0.extend(dns::names_problems(&self.dns));
        found.0.extend(tls::hosts_problems(&self.said_of_tls(), &self.authorities));
        found.0
    }

    fn check_authorization_server(
        &self,
        path: &str,
        server: &AuthorizationServer,
        issuers: &mut BTreeSet<ServerUrl>,
        found: &mut Findings,
    ) {
        match server.issuer() {
            Err(error) => {
                return found.add(format!("{path}.host"), format!("not a host name: {error}"));
            }
            Ok(issuer) => {
                if !issuers.insert(issuer.clone()) {
                    found.add(format!("{path}.host"), format!("{issuer} is described twice: every authorization server needs an issuer identifier of its own"));
                }
                let host = server.host.split(':').next().unwrap_or_default();
                if !issuer.host().eq_ignore_ascii_case(host) {
                    found.add(
                        format!("{path}.issuer"),
                        format!("the issuer {issuer} is not on the host `{host}`: both must name the same host"),
                    );
                }
            }
        }
        for (index, name) in server.trusts.iter().enumerate() {
            self.check_issuer_name(format!("{path}.trusts[{index}]"), name, found);
        }
        found.0.extend(authorization_server_problems(path, server));
    }

    fn check_server(&self, path: &str, server: &Server, found: &mut Findings) {
        if let Some(accepts) = &server.accepts {
            self.check_issuer_name(format!("{path}.accepts.issuer"), &accepts.issuer, found);
        }
        found.0.extend(server_problems(path, server));
    }

    fn check_issuer_name(&self, path: String, name: &str, found: &mut Findings) {
        if self.authorization_server(name).is_none() {
            let hosts: Vec<&str> = self.authorization_servers.iter().map(|server| server.host.as_str()).collect();
            found.add(path, unknown("authorization server", name, &hosts));
        }
    }

    /// What is said of TLS, by authorization servers first.
    fn said_of_tls(&self) -> Vec<tls::Said<'_>> {
        let issuers = self.authorization_servers.iter().enumerate().filter_map(|(index, server)| {
            let url = server.issuer().ok()?;
            let path = format!("authorizationServers[{index}]");
            Some(tls::Said { path, url, certificate: server.certificate.as_ref(), tls: server.tls.as_ref() })
        });
        let servers = self.servers.iter().enumerate().map(|(index, server)| {
            let (path, url) = (format!("servers[{index}]"), server.url.clone());
            tls::Said { path, url, certificate: server.certificate.as_ref(), tls: server.tls.as_ref() }
        });
        let collectors = self.telemetry.iter().enumerate().map(|(index, collector)| {
            let (path, url) = (format!("telemetry[{index}]"), collector.url.clone());
            tls::Said { path, url, certificate: collector.certificate.as_ref(), tls: collector.tls.as_ref() }
        });
        issuers.chain(servers).chain(collectors).collect()
    }
}

/// What is wrong with an authorization server by itself.
pub(crate) fn authorization_server_problems(path: &str, server: &AuthorizationServer) -> Vec<Problem> {
    let mut found = Findings(Vec::new());
    let mut add = |key: String, message: String| found.add(format!("{path}.{key}"), message);
    let mut users = BTreeSet::new();
    for (index, user) in server.users.iter().enumerate() {
        if !users.insert(user.name.as_str()) {
            add(format!("users[{index}]"), format!("the user `{}` is described twice", user.name));
        }
    }
    if let Some(user) = server.sign_in.as_ref().filter(|user| !users.contains(user.as_str())) {
        add("signIn".to_owned(), format!("there is no user `{user}`: list it under `users`"));
    }
    let mut clients = BTreeSet::new();
    for (index, client) in server.clients.iter().enumerate() {
        if !clients.insert(client.id.as_str()) {
            add(format!("clients[{index}].id"), format!("the client `{}` is described twice", client.id));
        }
        if let Some((key, message)) = client.problem() {
            add(format!("clients[{index}].{key}"), message);
        }
    }
    for (index, rule) in server.exchange.iter().enumerate() {
        if let Some((key, message)) = rule.problem() {
            add(format!("exchange[{index}].{key}"), message);
        }
    }
    let mut paths = BTreeSet::new();
    for (key, value) in server.paths() {
        if !value.starts_with('/') {
            add(key.to_owned(), format!("`{value}` is not a path: expected a leading slash"));
        } else if !paths.insert(value) {
            add(key.to_owned(), format!("`{value}` is the path of another endpoint already"));
        }
    }
    for (key, lifetime) in [
        ("tokenLifetime", server.token_lifetime),
        ("codeLifetime", server.code_lifetime),
        ("refreshTokenLifetime", server.refresh_token_lifetime),
    ] {
        if lifetime.as_secs() == 0 {
            add(key.to_owned(), "it must be a second at least".to_owned());
        }
    }
    found.0.extend(fault_problems(path, &server.faults, None));
    found.0
}

/// Why nothing can listen for a URL.
fn address_problem(path: &str, url: &ServerUrl) -> Option<Problem> {
    let message = if url.is_address() && url.loopback().is_none() {
        format!("{url} names an address that is not this machine's loopback: use a host name")
    } else if (url.loopback().is_some() || url.is_trap()) && url.port() < 1024 {
        format!("{url} would listen on port {}: name a port of 1024 or more", url.port())
    } else {
        return None;
    };
    Some(Problem { path: format!("{path}.url"), message })
}

/// What is wrong with a server by itself.
pub(crate) fn server_problems(path: &str, server: &Server) -> Vec<Problem> {
    let mut found = Findings(Vec::new());
    let url = &server.url;
    found.0.extend(address_problem(path, url));
    found.0.extend(content::problems(path, server));
    for name in server.requires.headers.keys() {
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            found.add(format!("{path}.requires.headers"), format!("`{name}` is not a header name"));
        }
    }
    if server.versions().is_empty() {
        found.add(
            format!("{path}.protocolVersions"),
            "a server needs at least one revision: leave the key out to support all with a handshake".to_owned(),
        );
    }
    if server.transport == Transport::Sse && server.is_modern() {
        found.add(
            format!("{path}.protocolVersions"),
            "the transport `sse` carries no revision after 2025-11-25".to_owned(),
        );
    }
    found.0.extend(fault_problems(path, &server.faults, Some(server.transport)));
    let keeps_streams = server.transport == Transport::StreamableHttp && server.keeps_sessions();
    if server.behaves_like.is_some() && server.transport == Transport::Sse {
        let message = "the profiles are of servers that speak Streamable HTTP: leave the key out".to_owned();
        found.add(format!("{path}.behavesLike"), message);
    } else if !server.keeps_sessions() && server.transport == Transport::Sse {
        found.add(format!("{path}.sessions"), "each stream of the transport `sse` is a session".to_owned());
    }
    if server.resumable && !keeps_streams {
        found.add(
            format!("{path}.resumable"),
            "only sessions of the transport `streamable-http` have streams that can be resumed".to_owned(),
        );
    }
    match server.transport {
        Transport::StreamableHttp if server.messages_path.is_some() => {
            found.add(format!("{path}.messagesPath"), "only the transport `sse` has a path for messages".to_owned());
        }
        Transport::Sse if server.replies != super::Replies::Json => {
            found.add(
                format!("{path}.replies"),
                "the transport `sse` always answers on its stream: leave `replies` out".to_owned(),
            );
        }
        Transport::Sse if !server.messages_path().starts_with('/') || server.messages_path() == url.path() => {
            found.add(
                format!("{path}.messagesPath"),
                "expected a path with a leading slash that differs from the URL's".to_owned(),
            );
        }
        _ => {}
    }
    found.0
}

/// What is wrong with the faults of an MCP server with this transport, or of an authorization server.
pub(crate) fn fault_problems(path: &str, faults: &[Fault], transport: Option<Transport>) -> Vec<Problem> {
    fault::problems(faults, transport.is_some(), transport == Some(Transport::Sse))
        .into_iter()
        .map(|(index, field, message)| Problem { path: format!("{path}.faults[{index}].{field}"), message })
        .collect()
}

/// The sentence about a name that nobody bears.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("there is no {what} `{name}`: this world has none");
    }
    format!("there is no {what} `{name}`: expected one of {}", known.join(", "))
}
