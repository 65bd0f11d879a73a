#![allow(clippy::unwrap_used, clippy::panic)]

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::net::{TcpStream, UdpSocket};

use super::*;

struct Fixed;

impl ServiceNames for Fixed {
    fn service(&self, host: &str) -> ServiceLookup {
        match host {
            "web.shop.svc.cluster.local" => ServiceLookup::Addresses(vec![[127, 80, 0, 20].into()]),
            "pods.shop.svc.cluster.local" => {
                ServiceLookup::Addresses((0..100).map(|last| [127, 80, 1, last].into()).collect())
            }
            "alias.shop.svc.cluster.local" => ServiceLookup::Alias("api.example.com".into()),
            "circle.shop.svc.cluster.local" => ServiceLookup::Alias("circle.shop.svc.cluster.local".into()),
            _ => ServiceLookup::Unknown,
        }
    }
}

fn dns() -> Dns {
    let dns = Dns::new(Ipv4Addr::LOCALHOST, Arc::new(Fixed));
    let names = BTreeMap::from([("API.example.com".to_owned(), [127, 90, 0, 1].into())]);
    dns.set_names("shop", names).unwrap();
    dns
}

fn query(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

async fn ask(dns: &Dns, namespace: &str, name: &str, kind: RecordType) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&query(name, kind), dns.view(namespace).unwrap()).await.unwrap();
    let mut packet = [0; 4096];
    let length = socket.recv(&mut packet).await.unwrap();
    Message::from_vec(&packet[..length]).unwrap()
}

fn addresses(message: &Message) -> Vec<String> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(address.to_string()),
        _ => None,
    };
    message.answers.iter().filter_map(|record| address(&record.data)).collect()
}

#[tokio::test]
async fn a_service_is_found_in_every_namespace() {
    let dns = dns();
    for namespace in ["shop", "other"] {
        let answer = ask(&dns, namespace, "web.shop.svc.cluster.local.", RecordType::A).await;
        assert_eq!(addresses(&answer), ["127.80.0.20"]);
    }
}

#[tokio::test]
async fn an_extra_name_exists_in_its_namespace_only() {
    let dns = dns();
    assert_eq!(addresses(&ask(&dns, "shop", "Api.Example.com.", RecordType::A).await), ["127.90.0.1"]);
    let elsewhere = ask(&dns, "other", "api.example.com.", RecordType::A).await;
    assert_eq!(elsewhere.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(dns.lookup("shop", "api.example.com"), Some([127, 90, 0, 1].into()));
    assert_eq!(dns.lookup("other", "api.example.com"), None);
}

#[tokio::test]
async fn a_known_name_without_data_of_the_type_is_no_error() {
    let answer = ask(&dns(), "shop", "api.example.com.", RecordType::AAAA).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    assert!(answer.answers.is_empty());
}

#[tokio::test]
async fn an_unknown_name_does_not_exist() {
    let answer = ask(&dns(), "shop", "localhost.", RecordType::A).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn an_external_name_is_an_alias_that_the_namespace_resolves() {
    let answer = ask(&dns(), "shop", "alias.shop.svc.cluster.local.", RecordType::A).await;
    assert_eq!(answer.answers[0].record_type(), RecordType::CNAME);
    assert_eq!(addresses(&answer), ["127.90.0.1"]);
}

/// A name server that fails the one query that it gets, and tells what it was asked.
async fn elsewhere() -> (SocketAddr, tokio::task::JoinHandle<Message>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let mut packet = [0; 512];
        let (length, client) = socket.recv_from(&mut packet).await.unwrap();
        let query = Message::from_vec(&packet[..length]).unwrap();
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        answer.metadata.response_code = ResponseCode::ServFail;
        socket.send_to(&answer.to_vec().unwrap(), client).await.unwrap();
        query
    });
    (address, asked)
}

#[tokio::test]
async fn a_delegated_name_is_answered_by_its_own_server_alone() {
    let dns = dns();
    let (server, asked) = elsewhere().await;
    dns.delegate("shop", BTreeMap::from([("API.example.com".to_owned(), server)])).unwrap();
    let answer = ask(&dns, "shop", "api.Example.com.", RecordType::AAAA).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    let query = &asked.await.unwrap().queries[0];
    assert_eq!((query.name().to_ascii().as_str(), query.query_type()), ("api.Example.com.", RecordType::AAAA));
    assert_eq!(dns.lookup("shop", "api.example.com"), None, "its address is not known here");
    let alias = ask(&dns, "shop", "alias.shop.svc.cluster.local.", RecordType::A).await;
    assert_eq!(alias.answers.len(), 1, "an alias leads there, and no further");
    assert_eq!(addresses(&ask(&dns, "shop", "web.shop.svc.cluster.local.", RecordType::A).await), ["127.80.0.20"]);

    dns.delegate("shop", BTreeMap::new()).unwrap();
    assert_eq!(addresses(&ask(&dns, "shop", "api.example.com.", RecordType::A).await), ["127.90.0.1"]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_delays_nobody_else() {
    let dns = dns();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let delegated = BTreeMap::from([("late.example.com".to_owned(), silent.local_addr().unwrap())]);
    dns.delegate("shop", delegated).unwrap();
    let waiting = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    waiting.send_to(&query("late.example.com.", RecordType::A), dns.view("shop").unwrap()).await.unwrap();
    assert_eq!(addresses(&ask(&dns, "shop", "api.example.com.", RecordType::A).await), ["127.90.0.1"]);
    dns.stop().await;
}

#[tokio::test]
async fn a_delegated_name_is_asked_for_by_tcp_too() {
    let dns = dns();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    dns.delegate("shop", BTreeMap::from([("api.example.com".to_owned(), listener.local_addr().unwrap())])).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let query = server::read_message(&mut stream).await.unwrap();
        server::write_message(&mut stream, &query).await.unwrap();
    });
    let mut stream = TcpStream::connect(dns.view("shop").unwrap()).await.unwrap();
    let packet = query("api.example.com.", RecordType::A);
    server::write_message(&mut stream, &packet).await.unwrap();
    assert_eq!(server::read_message(&mut stream).await.unwrap(), packet);
    server.await.unwrap();
}

#[tokio::test]
async fn a_circle_of_aliases_ends() {
    let answer = ask(&dns(), "shop", "circle.shop.svc.cluster.local.", RecordType::A).await;
    assert!(addresses(&answer).is_empty());
}

#[tokio::test]
async fn an_answer_too_long_for_udp_is_complete_over_tcp() {
    let dns = dns();
    let name = "pods.shop.svc.cluster.local.";
    assert!(ask(&dns, "shop", name, RecordType::A).await.metadata.truncation);

    let mut stream = TcpStream::connect(dns.view("shop").unwrap()).await.unwrap();
    server::write_message(&mut stream, &query(name, RecordType::A)).await.unwrap();
    let reply = server::read_message(&mut stream).await.unwrap();
    assert_eq!(addresses(&Message::from_vec(&reply).unwrap()).len(), 100);
}

#[tokio::test]
async fn what_is_no_query_is_a_format_error_or_ignored() {
    let dns = dns();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(dns.view("shop").unwrap()).await.unwrap();
    socket.send(&[1, 2, 3]).await.unwrap();
    let mut packet = [0; 512];
    let length = socket.recv(&mut packet).await.unwrap();
    let answer = Message::from_vec(&packet[..length]).unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(answer.metadata.id, 0x0102);
    dns.stop().await;
}
