//! From a connection to the site that answers, and into the journal.

use std::sync::Arc;

use http::uri::Authority;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use jiff::Timestamp;

use super::unfinished::Unfinished;
use super::{LiveWorld, Site, afterwards};
use crate::faults::{Acting, Edits};
use crate::journal::{HttpFacts, JournalEntry, ResponseFacts, version_text};
use crate::wire::{Body, Connection, Dropped, Outcome, Received, Service};

/// The largest body that is read; a larger one is answered with 413.
const LARGEST_BODY: usize = 8 * 1024 * 1024;

impl Service for LiveWorld {
    fn tls(&self, connection: &Connection, server_name: Option<&str>) -> Result<Arc<rustls::ServerConfig>, String> {
        // Clients name no address in SNI (RFC 6066, 3): then it is the one at which they arrived.
        let host = server_name.map_or_else(|| connection.local.ip().to_string(), str::to_owned);
        let all = self.sites();
        let sites: Vec<&Arc<Site>> =
            all.iter().filter(|site| site.is_at("https", &host, connection.url_port)).collect();
        if sites.is_empty() {
            return Err(format!("nothing is called `{host}` here"));
        }
        if sites.iter().all(|site| site.is_down()) {
            return Err("the server is down".to_owned());
        }
        self.certificates.configuration(&host).map_err(|error| error.to_string())
    }

    fn failed(&self, entry: JournalEntry) {
        self.journal.record(entry);
    }

    async fn answer(&self, connection: Arc<Connection>, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
        let at = Timestamp::now();
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, LARGEST_BODY).collect().await.map(http_body_util::Collected::to_bytes);
        let authority = parts
            .uri
            .authority()
            .cloned()
            .or_else(|| parts.headers.get(header::HOST)?.to_str().ok()?.parse::<Authority>().ok());
        let mut received = Received {
            at,
            connection,
            method: parts.method,
            version: parts.version,
            host: authority.as_ref().map(|authority| authority.host().to_ascii_lowercase()).unwrap_or_default(),
            port: authority.as_ref().and_then(Authority::port_u16),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: Arc::new(parts.headers),
            body: body.as_ref().map_or_else(|_| Bytes::new(), Clone::clone),
            edits: Edits::default(),
        };
        let mut acting = Acting::default();
        let (site, outcome) = match self.route(&received) {
            Ok(site) if body.is_err() && !site.is_down() => {
                let reason = format!("the body was cut off or is larger than {LARGEST_BODY} bytes");
                (Some(site), Outcome::refused_with(StatusCode::PAYLOAD_TOO_LARGE, reason))
            }
            Ok(site) => {
                acting = site.faults().acting_on(&received);
                received.edits = acting.edits();
                if acting.forget_sessions() {
                    site.end_sessions();
                }
                let outcome = if acting.leaves_unanswered() {
                    Outcome::dropped("a fault keeps the answer back")
                } else if let Some(response) = acting.instead() {
                    Outcome::refused(response, "a fault answers in the place of the server")
                } else {
                    self.prepare(&site, &received).await;
                    site.answer(&received, &self.issuers)
                };
                (Some(site), outcome)
            }
            Err(outcome) => (None, *outcome),
        };
        // Before any waiting: a client that gives up has been here nevertheless.
        let sequence = self.note(&received, site.as_deref(), &outcome, &acting);
        let server = || site.as_ref().map(|site| site.url().to_string());
        if let Some(failures) = outcome.failures {
            afterwards::note_failures(self, &received, server(), sequence, failures);
        }
        let unfinished = outcome.cancellable.then(|| Unfinished::new(self, &received, server(), sequence));
        let delivered = acting.deliver(outcome.response, &received.connection, &self.clock).await;
        match unfinished {
            Some(unfinished) => unfinished.watch(delivered),
            None => delivered,
        }
    }
}

impl LiveWorld {
    fn route(&self, received: &Received) -> Result<Arc<Site>, Box<Outcome>> {
        let refuse = |status, reason: String| Err(Box::new(Outcome::refused_with(status, reason)));
        let Received { connection, host, path, .. } = received;
        if host.is_empty() {
            return refuse(StatusCode::BAD_REQUEST, "the request names no host".to_owned());
        }
        let named = connection.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
        if let Some(named) = named.filter(|named| *named != host) {
            return refuse(
                StatusCode::MISDIRECTED_REQUEST,
                format!("the request is for `{host}`, but TLS asked for `{named}`"),
            );
        }
        // Who dials the real port may write it; others write the URL's or none.
        if received.port.is_some_and(|port| port != connection.url_port && port != connection.local.port()) {
            return refuse(
                StatusCode::NOT_FOUND,
                format!("nothing listens for port {} of `{host}` here", received.port.unwrap_or_default()),
            );
        }
        let all = self.sites();
        let at = |site: &Site, host: &str| site.is_at(connection.scheme(), host, connection.url_port);
        let mut here: Vec<&Arc<Site>> = all.iter().filter(|site| at(site, host)).collect();
        // A container does not know by which names it is called.
        if here.is_empty() && self.exact_ports {
            here = all.iter().filter(|site| at(site, site.url().host())).collect();
        }
        // Real servers judge foreign names themselves, or do not judge them.
        if here.is_empty() {
            here = all.iter().filter(|site| at(site, site.url().host()) && site.judges_hosts()).collect();
        }
        if here.is_empty() {
            return refuse(StatusCode::NOT_FOUND, format!("nothing is called `{host}` here"));
        }
        match here.into_iter().find(|site| site.serves(path)) {
            Some(site) => Ok(Arc::clone(site)),
            None => refuse(StatusCode::NOT_FOUND, format!("`{host}` serves nothing at {path}")),
        }
    }

    /// Fetches what an authorization server must read before it can answer.
    async fn prepare(&self, site: &Site, received: &Received) {
        let Some(issuer) = site.issuer() else { return };
        if let Some((id, url)) = issuer.document_for(received) {
            let client = match url {
                Ok(url) => self.client_described_at(&url).await,
                Err(reason) => Err(reason),
            };
            issuer.learn(id, client);
        }
    }

    fn note(&self, received: &Received, site: Option<&Site>, outcome: &Outcome, acting: &Acting) -> u64 {
        let mut entry = JournalEntry::connection(received.at, &received.host, received.url(), received.connection.peer);
        entry.server = site.map(|site| site.url().to_string());
        entry.path.clone_from(&received.path);
        entry.query.clone_from(&received.query);
        entry.http =
            Some(HttpFacts { method: received.method.to_string(), version: version_text(received.version).to_owned() });
        entry.tls.clone_from(&received.connection.tls);
        entry.decode(&received.headers, &received.body);
        if outcome.session.is_some() {
            entry.session.clone_from(&outcome.session);
        }
        entry.response = outcome.response.as_ref().map(|response| ResponseFacts { status: response.status().as_u16() });
        entry.telemetry.clone_from(&outcome.telemetry);
        entry.verdict.clone_from(&outcome.verdict);
        entry.faults = acting.names();
        self.journal.record(entry)
    }
}
