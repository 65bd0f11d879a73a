//! Services that are published outside the cluster, reached over loopback.

use std::net::{Ipv4Addr, SocketAddr};

use embedded_cluster::cluster::{Cluster, ClusterOptions};
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::node_support::{api, bounded, create, wait};
use crate::refusal::refusal;

async fn cluster() -> Cluster {
    Cluster::start(ClusterOptions::default()).await.unwrap()
}

async fn node_address(cluster: &Cluster) -> Ipv4Addr {
    let nodes = Api::<Node>::all(cluster.client());
    let addresses = nodes.get("embedded-node").await.unwrap().status.unwrap().addresses.unwrap();
    addresses.into_iter().find(|address| address.type_ == "InternalIP").unwrap().address.parse().unwrap()
}

/// Makes a Service without a selector whose endpoint the test serves itself.
async fn publish(cluster: &Cluster, kind: &str, endpoint: SocketAddr, protocol: &str) -> Service {
    let ports = json!([{"port": 80, "protocol": protocol}]);
    let service =
        create::<Service>(cluster, json!({"metadata": {"name": "web"}, "spec": {"type": kind, "ports": ports}}));
    let service = service.await;
    let slice = json!({"metadata": {"name": "web", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": [{"port": endpoint.port(), "protocol": protocol}],
        "endpoints": [{"addresses": [endpoint.ip()], "conditions": {"ready": true}}]});
    create::<EndpointSlice>(cluster, slice).await;
    service
}

fn node_port(service: &Service) -> u16 {
    let ports = service.spec.as_ref().unwrap().ports.as_ref().unwrap();
    ports[0].node_port.unwrap().try_into().unwrap()
}

/// Serves a TCP endpoint that answers each line.
async fn echo(cluster: &Cluster) -> SocketAddr {
    let address = cluster.pod_block().hosts().nth(100).unwrap();
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let endpoint = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    endpoint
}

/// Connects as soon as something listens.
async fn connect(address: impl Into<SocketAddr>) -> TcpStream {
    let address = address.into();
    bounded(async {
        loop {
            match TcpStream::connect(address).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

async fn refuses(address: impl Into<SocketAddr>) {
    let address = address.into();
    bounded(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn talk(stream: &mut TcpStream) {
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    bounded(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"hello");
}

async fn change(cluster: &Cluster, spec: Value) -> Service {
    let patch = Patch::Merge(json!({"spec": spec}));
    api::<Service>(cluster).patch("web", &PatchParams::default(), &patch).await.unwrap()
}

#[tokio::test]
async fn a_node_port_is_served_at_the_node_until_the_type_changes() {
    let (cluster, other) = (cluster().await, self::cluster().await);
    let service = publish(&cluster, "NodePort", echo(&cluster).await, "TCP").await;
    let twin = publish(&other, "NodePort", echo(&other).await, "TCP").await;
    assert_eq!(node_port(&service), node_port(&twin), "two clusters of one machine use the same port");
    let address = (node_address(&cluster).await, node_port(&service));
    let mut stream = connect(address).await;
    talk(&mut stream).await;
    talk(&mut connect((node_address(&other).await, node_port(&twin))).await).await;
    let service = change(&cluster, json!({"type": "ClusterIP"})).await;
    assert_eq!(service.spec.unwrap().ports.unwrap()[0].node_port, None);
    refuses(address).await;
    talk(&mut stream).await;
    other.shutdown().await;
    cluster.shutdown().await;
    let end = bounded(stream.read(&mut [0])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "connections end with the cluster");
}

#[tokio::test]
async fn a_load_balancer_has_an_address_of_its_own() {
    let cluster = cluster().await;
    publish(&cluster, "LoadBalancer", echo(&cluster).await, "TCP").await;
    let ingress = |service: Option<&Service>| -> Option<Ipv4Addr> {
        let balancer = service?.status.as_ref()?.load_balancer.as_ref()?;
        balancer.ingress.as_ref()?.first()?.ip.as_ref()?.parse().ok()
    };
    let service = wait(&cluster, "web", move |service: Option<&Service>| ingress(service).is_some()).await.unwrap();
    let address = ingress(Some(&service)).unwrap();
    assert!(cluster.service_block().contains(&address));
    // Only root may listen on port 80.
    let socket = cluster.resolve("default", &address.to_string(), 80).await.unwrap();
    assert_eq!(socket.ip(), address);
    talk(&mut connect(socket).await).await;
    talk(&mut connect((node_address(&cluster).await, node_port(&service))).await).await;
    change(&cluster, json!({"type": "ClusterIP"})).await;
    wait(&cluster, "web", move |service: Option<&Service>| ingress(service).is_none()).await;
    refuses(socket).await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn datagrams_are_forwarded_and_answered() {
    let cluster = cluster().await;
    let server = UdpSocket::bind((cluster.pod_block().hosts().nth(100).unwrap(), 0)).await.unwrap();
    let service = publish(&cluster, "NodePort", server.local_addr().unwrap(), "UDP").await;
    let serving = tokio::spawn(async move {
        let mut datagram = [0; 64];
        loop {
            let (length, client) = server.recv_from(&mut datagram).await.unwrap();
            server.send_to(&[b"re: ", &datagram[..length]].concat(), client).await.unwrap();
        }
    });
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect((node_address(&cluster).await, node_port(&service))).await.unwrap();
    let answer = bounded(async {
        let mut answer = [0; 64];
        loop {
            // Until the port is open, the system refuses.
            if client.send(b"hello").await.is_ok()
                && let Ok(length) = client.recv(&mut answer).await
            {
                return String::from_utf8_lossy(&answer[..length]).into_owned();
            }
        }
    })
    .await;
    assert_eq!(answer, "re: hello");
    serving.abort();
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_node_port_that_is_taken_is_refused_and_free_after_deletion() {
    let cluster = cluster().await;
    let object = |name: &str| -> Service {
        let ports = json!([{"port": 80, "nodePort": 30_500}]);
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"type": "NodePort", "ports": ports}}))
            .unwrap()
    };
    let services = api::<Service>(&cluster);
    services.create(&PostParams::default(), &object("first")).await.unwrap();
    let (code, reason, message) = refusal(services.create(&PostParams::default(), &object("second")).await);
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    let expected = "Service \"second\" is invalid: spec.ports[0].nodePort: Invalid value: 30500: provided port is already \
                    allocated";
    assert_eq!(message, expected);
    services.delete("first", &DeleteParams::default()).await.unwrap();
    let second = services.create(&PostParams::default(), &object("second")).await.unwrap();
    assert_eq!(second.name_any(), "second");
    cluster.shutdown().await;
}
