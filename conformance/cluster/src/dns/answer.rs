//! From a question to its answer, without sockets.

use parking_lot::RwLockReadGuard;
use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::Names;
use super::services::{ServiceLookup, ServiceNames};

/// Answers may change at any moment: nobody shall cache them.
const TTL: u32 = 0;

/// How many aliases are followed, so that a circle of `ExternalName` Services ends.
const MAX_ALIASES: usize = 8;

/// The largest UDP answer for a client that names no limit (RFC 1035, 4.2.1).
const PLAIN_UDP_LIMIT: u16 = 512;

/// The names that a view knows.
pub(super) struct Known<'a> {
    pub(super) names: RwLockReadGuard<'a, Names>,
    pub(super) services: &'a dyn ServiceNames,
}

/// What becomes of a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// These bytes.
    Ready(Vec<u8>),
    /// What the name server there answers.
    Elsewhere(SocketAddr),
}

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolution {
    /// The aliases on the way, each the target of the one before.
    pub(super) aliases: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    /// False when the name itself is unknown.
    pub(super) exists: bool,
}

/// Resolves a name, following aliases to where they leave this server. `host` may end with a dot.
pub(super) fn resolve(known: &Known<'_>, host: &str) -> Resolution {
    let mut name = plain(host);
    let mut aliases = Vec::new();
    loop {
        if known.names.delegated.contains_key(&name) {
            let exists = !aliases.is_empty();
            return Resolution { aliases, addresses: Vec::new(), exists };
        }
        if let Some(address) = known.names.addresses.get(&name) {
            return Resolution { aliases, addresses: vec![*address], exists: true };
        }
        match known.services.service(&name) {
            ServiceLookup::Addresses(addresses) => {
                return Resolution { aliases, addresses, exists: true };
            }
            ServiceLookup::Alias(target) if aliases.len() < MAX_ALIASES => {
                name = plain(&target);
                aliases.push(name.clone());
            }
            ServiceLookup::Alias(_) | ServiceLookup::Unknown => {
                let exists = !aliases.is_empty();
                return Resolution { aliases, addresses: Vec::new(), exists };
            }
        }
    }
}

/// A name in lower case without its final dot.
fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Answers one query. `None` for what is no query at all, which gets no answer.
pub(super) fn answer(known: &Known<'_>, packet: &[u8], over_udp: bool) -> Option<Answer> {
    let query = match Message::from_vec(packet) {
        Ok(query) if query.metadata.message_type == MessageType::Query => query,
        Ok(_) => return None,
        Err(_) => {
            let id = u16::from_be_bytes([*packet.first()?, *packet.get(1)?]);
            return Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok().map(Answer::Ready);
        }
    };
    if let [question] = query.queries.as_slice()
        && let Some(server) = known.names.delegated.get(&plain(&question.name().to_ascii()))
    {
        return Some(Answer::Elsewhere(*server));
    }
    let response = respond(known, &query);
    let bytes = response.to_vec().ok()?;
    let limit = query.edns.as_ref().map_or(PLAIN_UDP_LIMIT, Edns::max_payload).max(PLAIN_UDP_LIMIT);
    if over_udp && bytes.len() > usize::from(limit) {
        return response.truncate().to_vec().ok().map(Answer::Ready);
    }
    Some(Answer::Ready(bytes))
}

fn respond(known: &Known<'_>, query: &Message) -> Message {
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.metadata.authoritative = true;
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(4096);
        response.set_edns(edns);
    }
    if query.metadata.op_code != OpCode::Query {
        response.metadata.response_code = ResponseCode::NotImp;
        return response;
    }
    response.add_queries(query.queries.iter().cloned());
    let [question] = query.queries.as_slice() else {
        response.metadata.response_code = ResponseCode::FormErr;
        return response;
    };
    if question.query_class() != DNSClass::IN {
        response.metadata.response_code = ResponseCode::Refused;
        return response;
    }
    let resolution = resolve(known, &question.name().to_ascii());
    if !resolution.exists {
        response.metadata.response_code = ResponseCode::NXDomain;
        return response;
    }
    let mut owner = question.name().clone();
    for alias in &resolution.aliases {
        let Ok(target) = Name::from_ascii(format!("{alias}.")) else {
            response.metadata.response_code = ResponseCode::ServFail;
            return response;
        };
        response.add_answer(Record::from_rdata(owner, TTL, RData::CNAME(CNAME(target.clone()))));
        owner = target;
    }
    for address in resolution.addresses {
        let data = match (address, question.query_type()) {
            (IpAddr::V4(address), RecordType::A | RecordType::ANY) => RData::A(A(address)),
            (IpAddr::V6(address), RecordType::AAAA | RecordType::ANY) => RData::AAAA(AAAA(address)),
            _ => continue,
        };
        response.add_answer(Record::from_rdata(owner.clone(), TTL, data));
    }
    response
}
