//! The name server, with queries on UDP and TCP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use simulator::{DnsTransport, Simulator, SimulatorOptions, World, WorldChange, WorldHandle};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::client::LIMIT;

const WORLD: &str = "
dns:
  rebind.example.com: {answers: [[world], [10.0.0.1]]}
  mixed.example.com: {answers: [[world, 10.0.0.1, '::1']], ttl: 30s}
  gone.example.com: {answers: [nxdomain]}
  broken.example.com: {answers: [servfail]}
  silent.example.com: {answers: [silent, [10.0.0.9]]}
  slow.example.com: {answers: [[10.0.0.2]], latency: 200ms}
  alias.example.com: {answers: [{cname: mcp.example.com}]}
  away.example.com: {answers: [{cname: elsewhere.example.org}]}
servers: [{url: 'https://mcp.example.com/mcp'}]
";

async fn world(yaml: &str) -> (Simulator, WorldHandle) {
    let options = SimulatorOptions { dns: Some("127.0.0.1:0".parse().unwrap()), ..SimulatorOptions::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let world = World::from_yaml("world.yaml", yaml).unwrap_or_else(|error| panic!("{error}"));
    let handle = simulator.add_world(world).await.unwrap();
    (simulator, handle)
}

fn query(name: &str, wanted: RecordType) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(format!("{name}.")).unwrap(), wanted));
    message
}

/// The answer by UDP as bytes.
async fn datagram(server: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(packet, server).await.unwrap();
    let mut answer = vec![0; 65_535];
    let (length, from) = timeout(LIMIT, socket.recv_from(&mut answer)).await.unwrap().unwrap();
    assert_eq!(from, server);
    answer.truncate(length);
    answer
}

async fn ask(handle: &WorldHandle, name: &str, wanted: RecordType) -> (ResponseCode, Vec<String>) {
    let packet = query(name, wanted).to_vec().unwrap();
    let answer = Message::from_vec(&datagram(handle.name_server().unwrap(), &packet).await).unwrap();
    assert_eq!(answer.metadata.id, 4711);
    (answer.metadata.response_code, answer.answers.iter().map(|record| record.data.to_string()).collect())
}

#[tokio::test]
async fn a_trap_listens_beside_the_world_and_names_lead_there() {
    let port = std::net::TcpListener::bind("127.128.0.1:0").unwrap().local_addr().unwrap().port();
    let (_simulator, handle) = world(&format!(
        "{{dns: {{trapped.example.com: {{answers: [[world, trap]]}}}}, servers: [{{url: 'http://trap:{port}/mcp'}}]}}"
    ))
    .await;
    let both = (ResponseCode::NoError, vec!["127.0.0.1".to_owned(), "127.128.0.1".to_owned()]);
    assert_eq!(ask(&handle, "trapped.example.com", RecordType::A).await, both);
    let trap = SocketAddr::new("127.128.0.1".parse().unwrap(), port);
    assert_eq!(handle.names()[0].ports[&port], trap);
    TcpStream::connect(trap).await.unwrap();
}

#[tokio::test]
async fn names_are_answered_as_their_scripts_say() {
    let (_simulator, handle) = world(WORLD).await;
    let answered = |addresses: &[&str]| {
        (ResponseCode::NoError, addresses.iter().map(|address| (*address).to_owned()).collect::<Vec<_>>())
    };
    let failed = |code| (code, Vec::new());
    for (name, wanted, expected) in [
        ("mcp.example.com", RecordType::A, answered(&["127.0.0.1"])),
        ("MCP.Example.com", RecordType::A, answered(&["127.0.0.1"])),
        ("mcp.example.com", RecordType::AAAA, answered(&[])),
        ("mcp.example.com", RecordType::TXT, answered(&[])),
        ("rebind.example.com", RecordType::A, answered(&["127.0.0.1"])),
        ("rebind.example.com", RecordType::AAAA, answered(&[])),
        ("rebind.example.com", RecordType::A, answered(&["10.0.0.1"])),
        ("rebind.example.com", RecordType::A, answered(&["10.0.0.1"])),
        ("mixed.example.com", RecordType::A, answered(&["127.0.0.1", "10.0.0.1"])),
        ("mixed.example.com", RecordType::AAAA, answered(&["::1"])),
        ("gone.example.com", RecordType::A, failed(ResponseCode::NXDomain)),
        ("broken.example.com", RecordType::A, failed(ResponseCode::ServFail)),
        ("alias.example.com", RecordType::A, answered(&["mcp.example.com.", "127.0.0.1"])),
        ("away.example.com", RecordType::A, answered(&["elsewhere.example.org."])),
        ("example.org", RecordType::A, failed(ResponseCode::Refused)),
        ("sub.mcp.example.com", RecordType::A, failed(ResponseCode::Refused)),
    ] {
        assert_eq!(ask(&handle, name, wanted).await, expected, "{name} {wanted}");
    }
    let entry = handle.journal().entries().iter().find(|entry| entry.host == "mixed.example.com").unwrap().clone();
    let facts = entry.dns.clone().unwrap();
    assert_eq!((&*entry.url, &entry.http), ("dns:mixed.example.com?type=A", &None));
    assert_eq!((&*facts.name, &*facts.record_type, facts.transport), ("mixed.example.com", "A", DnsTransport::Udp));
    assert_eq!((facts.code.as_deref(), facts.answers.len()), (Some("NOERROR"), 2));
}

#[tokio::test]
async fn an_answer_is_late_or_never_comes() {
    let (_simulator, handle) = world(WORLD).await;
    let begun = Instant::now();
    assert_eq!(ask(&handle, "slow.example.com", RecordType::A).await.1, ["10.0.0.2"]);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = handle.name_server().unwrap();
    socket.send_to(&query("silent.example.com", RecordType::A).to_vec().unwrap(), server).await.unwrap();
    let silent = handle.journal().wait_for(|entry| entry.host == "silent.example.com").await;
    assert_eq!(silent.dns.as_ref().unwrap().code, None);
    // What arrives first is the answer to the second query.
    socket.send_to(&query("silent.example.com", RecordType::A).to_vec().unwrap(), server).await.unwrap();
    let mut answer = [0; 512];
    let length = timeout(LIMIT, socket.recv(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..length].ends_with(&[10, 0, 0, 9]));
    assert_eq!(handle.journal().entries().last().unwrap().dns.as_ref().unwrap().answers, ["10.0.0.9"]);
}

#[tokio::test]
async fn bytes_are_as_the_rfc_wants_them() {
    let (_simulator, handle) = world(WORLD).await;
    let server = handle.name_server().unwrap();
    // RFC 1035, 4.1: an authoritative answer without recursion, the question, and a record with a pointer to its name.
    let packet = query("mcp.example.com", RecordType::A).to_vec().unwrap();
    let answer = datagram(server, &packet).await;
    assert_eq!(answer[..12], [0x12, 0x67, 0x85, 0x00, 0, 1, 0, 1, 0, 0, 0, 0]);
    assert_eq!(answer[packet.len()..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    assert_eq!(datagram(server, &[0xab, 0xcd, 1, 2, 3]).await[..4], [0xab, 0xcd, 0x80, 0x01]);
    // An answer is no query: silence. A query of another kind follows and is answered first.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&answer, server).await.unwrap();
    let mut update = packet.clone();
    update[2] |= 5 << 3;
    socket.send_to(&update, server).await.unwrap();
    let mut bytes = [0; 512];
    timeout(LIMIT, socket.recv(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(bytes[3] & 0xf, 4);
}

#[tokio::test]
async fn what_is_too_large_for_a_datagram_comes_by_tcp() {
    let addresses: Vec<String> = (0..200).map(|number| format!("10.0.{number}.1")).collect();
    let (_simulator, handle) =
        world(&format!("dns: {{many.example.com: {{answers: [[{}]]}}}}", addresses.join(", "))).await;
    let server = handle.name_server().unwrap();
    let plain = query("many.example.com", RecordType::A);
    let mut extended = plain.clone();
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    extended.set_edns(edns);
    for message in [&plain, &extended] {
        let answer = Message::from_vec(&datagram(server, &message.to_vec().unwrap()).await).unwrap();
        assert!(answer.metadata.truncation && answer.answers.is_empty(), "{answer}");
    }
    let mut stream = TcpStream::connect(server).await.unwrap();
    // Two queries on one connection.
    for _ in 0..2 {
        let packet = plain.to_vec().unwrap();
        stream.write_u16(u16::try_from(packet.len()).unwrap()).await.unwrap();
        stream.write_all(&packet).await.unwrap();
        let length = timeout(LIMIT, stream.read_u16()).await.unwrap().unwrap();
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.unwrap();
        let answer = Message::from_vec(&answer).unwrap();
        assert_eq!((answer.metadata.truncation, answer.answers.len()), (false, 200));
    }
    let entries = handle.journal().entries();
    assert_eq!(entries.last().unwrap().dns.as_ref().unwrap().transport, DnsTransport::Tcp);
}

#[tokio::test]
async fn scripts_change_and_a_world_without_a_name_server_has_none() {
    let (_simulator, handle) = world(WORLD).await;
    let change = |yaml: &str| serde_saphyr::from_str::<WorldChange>(yaml).unwrap_or_else(|error| panic!("{error}"));
    handle.update(change("setDns: {name: mcp.example.com, dns: {answers: [[10.0.0.3]]}}")).await.unwrap();
    assert_eq!(ask(&handle, "mcp.example.com", RecordType::A).await.1, ["10.0.0.3"]);
    handle.update(change("setDns: {name: mcp.example.com, dns: null}")).await.unwrap();
    assert_eq!(ask(&handle, "mcp.example.com", RecordType::A).await.1, ["127.0.0.1"]);
    let refused = handle.update(change("setDns: {name: 'a b', dns: {answers: []}}")).await.unwrap_err().to_string();
    assert!(refused.contains("`a b` is not a host name") && refused.contains("at least one answer"), "{refused}");
    let server = handle.name_server().unwrap();
    handle.remove().await;
    assert!(TcpStream::connect(server).await.is_err());
    assert!(UdpSocket::bind(server).await.is_ok());

    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let handle = simulator.add_world(World::from_yaml("w", WORLD).unwrap()).await.unwrap();
    assert_eq!(handle.name_server(), None);
}
