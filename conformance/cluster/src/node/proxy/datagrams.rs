//! One UDP port of a Service: leads the datagrams of each client to one ready endpoint, and its answers back.
//!
//! A client is a source address and port. It keeps its endpoint until it was silent for a while or the endpoint is gone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::choose::Chooser;
use super::table::Backends;

/// How long a client may be silent: what Linux' connection tracking gives a flow with answers.
const IDLE: Duration = Duration::from_mins(2);

/// The largest datagram.
const DATAGRAM: usize = 65_535;

struct Flow {
    endpoint: SocketAddr,
    socket: Arc<UdpSocket>,
    last: Instant,
    _answers: AbortOnDropHandle<()>,
}

/// Forwards until it is dropped.
pub(super) async fn forward(socket: UdpSocket, mut backends: watch::Receiver<Backends>) {
    let socket = Arc::new(socket);
    let mut flows: HashMap<SocketAddr, Flow> = HashMap::new();
    let mut chooser = Chooser::default();
    let mut datagram = vec![0; DATAGRAM];
    let mut sweep = tokio::time::interval(IDLE / 4);
    loop {
        tokio::select! {
            _ = sweep.tick() => flows.retain(|_, flow| flow.last.elapsed() < IDLE),
            Ok(()) = backends.changed() => {
                let backends = backends.borrow_and_update();
                flows.retain(|_, flow| backends.endpoints.contains(&flow.endpoint));
            }
            received = socket.recv_from(&mut datagram) => {
                // An error tells of an answer that a client did not take.
                let Ok((length, client)) = received else { continue };
                let flow = match flows.entry(client) {
                    Entry::Occupied(flow) => flow.into_mut(),
                    Entry::Vacant(place) => {
                        let endpoint = chooser.choose(&backends.borrow(), client.ip());
                        let Some(endpoint) = endpoint else { continue };
                        let Ok(flow) = open(endpoint, client, &socket).await else { continue };
                        place.insert(flow)
                    }
                };
                flow.last = Instant::now();
                // Nobody promises that a datagram arrives.
                let _ = flow.socket.send(&datagram[..length]).await;
            }
        }
    }
}

async fn open(endpoint: SocketAddr, client: SocketAddr, frontend: &Arc<UdpSocket>) -> io::Result<Flow> {
    let socket = Arc::new(UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?);
    socket.connect(endpoint).await?;
    let (answers, frontend) = (Arc::clone(&socket), Arc::clone(frontend));
    let task = tokio::spawn(async move {
        let mut datagram = vec![0; DATAGRAM];
        loop {
            // The endpoint may refuse now and answer later.
            if let Ok(length) = answers.recv(&mut datagram).await {
                let _ = frontend.send_to(&datagram[..length], client).await;
            }
        }
    });
    Ok(Flow { endpoint, socket, last: Instant::now(), _answers: AbortOnDropHandle::new(task) })
}
