//! How many bytes of memory an entry takes.
//!
//! What is allocated is rounded up as allocators do; maps are counted by their nodes.

use serde_json::{Map, Value};

use super::telemetry::OriginFacts;
use super::{CertificateFacts, DnsFacts, JournalEntry, TelemetryFacts, TlsFacts, TokenFacts};

/// What an allocator takes at least, adds, and rounds to (glibc; others take less).
const SMALLEST: usize = 32;
const HEADER: usize = 8;
const MULTIPLE: usize = 16;
/// Room for entries in one node of a [`BTreeMap`].
const NODE: usize = 11;
/// Entries that are in a node of a map that was filled in order.
const NODE_FILLED: usize = 6;
/// The links of a node, to its parent and, if it is none of the last, to its children.
const NODE_LINKS: usize = 32;

impl JournalEntry {
    /// About how many bytes the entry takes.
    pub(super) fn weight(&self) -> usize {
        let texts = [Some(&self.url), Some(&self.host), Some(&self.path), Some(&self.peer)];
        let optional = [&self.server, &self.query, &self.method, &self.session, &self.verdict].map(Option::as_ref);
        let texts: usize = texts.into_iter().chain(optional).flatten().map(text).sum();
        let http = self.http.as_ref().map_or(0, |http| text(&http.method) + text(&http.version));
        let headers = nodes::<String, String>(self.headers.len())
            + self.headers.iter().map(|(name, value)| text(name) + text(value)).sum::<usize>();
        allocation(size_of::<Self>())
            + texts
            + http
            + headers
            + self.body.held()
            + self.token.as_ref().map_or(0, TokenFacts::held)
            + self.tls.as_ref().map_or(0, TlsFacts::held)
            + self.dns.as_ref().map_or(0, DnsFacts::held)
            + self.telemetry.as_ref().map_or(0, |telemetry| telemetry.held())
            + list(&self.faults, text)
    }
}

impl TokenFacts {
    fn held(&self) -> usize {
        let texts: usize = [&self.subject, &self.issuer].into_iter().flatten().map(text).sum();
        texts + self.audience.as_ref().map_or(0, value) + map(&self.claims)
    }
}

impl TlsFacts {
    fn held(&self) -> usize {
        let texts = [&self.server_name, &self.version, &self.application_protocol];
        texts.into_iter().flatten().map(text).sum::<usize>()
            + self.client_certificate.as_ref().map_or(0, CertificateFacts::held)
    }
}

impl CertificateFacts {
    fn held(&self) -> usize {
        [&self.subject, &self.issuer, &self.serial, &self.fingerprint].map(text).iter().sum::<usize>()
            + list(&self.names, text)
    }
}

impl DnsFacts {
    fn held(&self) -> usize {
        text(&self.name) + text(&self.record_type) + self.code.as_ref().map_or(0, text) + list(&self.answers, text)
    }
}

impl TelemetryFacts {
    fn held(&self) -> usize {
        let spans = list(&self.spans, |span| {
            [&span.name, &span.trace_id, &span.span_id, &span.kind, &span.status, &span.status_message]
                .map(text)
                .iter()
                .sum::<usize>()
                + span.parent_span_id.as_ref().map_or(0, text)
                + map(&span.attributes)
                + list(&span.events, text)
                + origin(&span.origin)
        });
        let metrics = list(&self.metrics, |metric| {
            [&metric.name, &metric.unit, &metric.kind].map(text).iter().sum::<usize>()
                + list(&metric.points, |point| map(&point.attributes) + point.value.as_ref().map_or(0, value))
                + origin(&metric.origin)
        });
        let logs = list(&self.logs, |log| {
            let ids: usize = [&log.trace_id, &log.span_id].into_iter().flatten().map(text).sum();
            text(&log.severity) + value(&log.body) + map(&log.attributes) + ids + origin(&log.origin)
        });
        allocation(size_of::<Self>()) + spans + metrics + logs
    }
}

/// Counted for each of those who share it: an entry may have a single one.
fn origin(origin: &OriginFacts) -> usize {
    allocation(size_of::<OriginFacts>()) + map(&origin.resource) + text(&origin.scope)
}

/// What a text holds.
pub(super) fn text(text: &String) -> usize {
    allocation(text.capacity())
}

fn list<T>(items: &Vec<T>, held: impl Fn(&T) -> usize) -> usize {
    allocation(items.capacity() * size_of::<T>()) + items.iter().map(held).sum::<usize>()
}

fn map(members: &Map<String, Value>) -> usize {
    nodes::<String, Value>(members.len())
        + members.iter().map(|(name, member)| text(name) + value(member)).sum::<usize>()
}

fn value(of: &Value) -> usize {
    match of {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(string) => text(string),
        Value::Array(items) => list(items, value),
        Value::Object(members) => map(members),
    }
}

/// The nodes of a map with so many entries.
fn nodes<K, V>(entries: usize) -> usize {
    let count = if entries <= NODE { entries.min(1) } else { entries.div_ceil(NODE_FILLED) };
    count * allocation(NODE * size_of::<(K, V)>() + NODE_LINKS)
}

fn allocation(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + HEADER).next_multiple_of(MULTIPLE).max(SMALLEST) }
}
