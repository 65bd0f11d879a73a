//! From the bytes of a query to the bytes of its answer, without sockets.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::Zone;
use super::zone::{End, Resolution};
use crate::journal::{DnsFacts, DnsTransport};
use crate::world::DnsFailure;

/// The largest UDP answer for a client that names no limit (RFC 1035, 4.2.1).
const PLAIN_UDP_LIMIT: u16 = 512;
/// The largest UDP answer that travels in one piece anywhere.
const UDP_LIMIT: u16 = 1232;

/// A query that was understood, and what it gets.
pub(crate) struct Answered {
    /// The answer; `None`: none at all.
    pub(crate) bytes: Option<Vec<u8>>,
    /// How long it takes.
    pub(crate) latency: Duration,
    pub(crate) facts: DnsFacts,
}

/// Answers one query. `None` for what is no query at all. `world` tells where names lead that have no script, and `here` is the
/// world's own address.
pub(crate) fn answer(
    zone: &Zone,
    packet: &[u8],
    transport: DnsTransport,
    here: IpAddr,
    world: impl Fn(&str) -> Option<IpAddr>,
) -> Option<Answered> {
    let query = match Message::from_vec(packet) {
        Ok(query) if query.metadata.message_type == MessageType::Query => query,
        Ok(_) => return None,
        Err(_) => {
            let id = u16::from_be_bytes([*packet.first()?, *packet.get(1)?]);
            let bytes = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok();
            let facts = DnsFacts {
                name: String::new(),
                record_type: String::new(),
                transport,
                code: Some(mnemonic(ResponseCode::FormErr)),
                answers: Vec::new(),
            };
            return Some(Answered { bytes, latency: Duration::ZERO, facts });
        }
    };
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.authoritative = true;
    response.add_queries(query.queries.iter().cloned());
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_LIMIT);
        response.set_edns(edns);
    }
    let latency = match question(&query) {
        Ok((name, wanted)) => {
            let host = host_of(name);
            let resolution = zone.resolve(&host, wanted, here, world);
            fill(&mut response, name, wanted, &resolution).then_some(resolution.latency)
        }
        Err(code) => {
            response.metadata.response_code = code;
            Some(Duration::ZERO)
        }
    };
    let facts = facts(&query, &response, transport, latency.is_some());
    let limit = query.edns.as_ref().map_or(PLAIN_UDP_LIMIT, Edns::max_payload).clamp(PLAIN_UDP_LIMIT, UDP_LIMIT);
    let bytes = latency.and_then(|_| response.to_vec().ok()).and_then(|bytes| {
        let too_large = transport == DnsTransport::Udp && bytes.len() > usize::from(limit);
        if too_large { response.truncate().to_vec().ok() } else { Some(bytes) }
    });
    Some(Answered { bytes, latency: latency.unwrap_or_default(), facts })
}

/// The one question of a query, or the code that refuses it.
fn question(query: &Message) -> Result<(&Name, RecordType), ResponseCode> {
    if query.metadata.op_code != OpCode::Query {
        return Err(ResponseCode::NotImp);
    }
    let [question] = query.queries.as_slice() else {
        return Err(ResponseCode::FormErr);
    };
    if question.query_class() != DNSClass::IN {
        return Err(ResponseCode::Refused);
    }
    Ok((question.name(), question.query_type()))
}

/// Puts a resolution into the response; `false` when there shall be no response.
fn fill(response: &mut Message, name: &Name, wanted: RecordType, resolution: &Resolution) -> bool {
    let ttl = u32::try_from(resolution.ttl.as_secs()).unwrap_or(u32::MAX);
    let mut owner = name.clone();
    for alias in &resolution.aliases {
        let Ok(target) = Name::from_ascii(format!("{alias}.")) else {
            response.metadata.response_code = ResponseCode::ServFail;
            return true;
        };
        response.add_answer(Record::from_rdata(owner, ttl, RData::CNAME(CNAME(target.clone()))));
        owner = target;
    }
    match &resolution.end {
        End::Addresses(addresses) => {
            for address in addresses {
                let data = match (address, wanted) {
                    (IpAddr::V4(address), RecordType::A) => RData::A(A(*address)),
                    (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(AAAA(*address)),
                    _ => continue,
                };
                response.add_answer(Record::from_rdata(owner.clone(), ttl, data));
            }
        }
        End::Failure(DnsFailure::NxDomain) => response.metadata.response_code = ResponseCode::NXDomain,
        End::Failure(DnsFailure::ServFail) => response.metadata.response_code = ResponseCode::ServFail,
        End::Failure(DnsFailure::Refused) => response.metadata.response_code = ResponseCode::Refused,
        End::Failure(DnsFailure::Silent) => return false,
        // An alias that leads out of the world is an answer by itself.
        End::Elsewhere if resolution.aliases.is_empty() => {
            response.metadata.authoritative = false;
            response.metadata.response_code = ResponseCode::Refused;
        }
        End::Elsewhere => {}
    }
    true
}

fn facts(query: &Message, response: &Message, transport: DnsTransport, answered: bool) -> DnsFacts {
    let asked = query.queries.first();
    let data = |record: &Record| match &record.data {
        RData::A(A(address)) => Some(address.to_string()),
        RData::AAAA(AAAA(address)) => Some(address.to_string()),
        RData::CNAME(CNAME(target)) => Some(host_of(target)),
        _ => None,
    };
    DnsFacts {
        name: asked.map(|question| host_of(question.name())).unwrap_or_default(),
        record_type: asked.map(|question| question.query_type().to_string()).unwrap_or_default(),
        transport,
        code: answered.then(|| mnemonic(response.metadata.response_code)),
        answers: if answered { response.answers.iter().filter_map(data).collect() } else { Vec::new() },
    }
}

/// A name in lower case without its final dot.
fn host_of(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// The code as RFC 1035 and its successors name it.
fn mnemonic(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => other.to_string(),
    }
}
