//! One port of a Service: accepts connections and leads each to a ready endpoint.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::table::Backends;

/// How many clients' endpoints are remembered for affinity.
const REMEMBERED: usize = 4096;

/// Forwards until it is dropped; its connections end with it.
pub(super) async fn forward(listener: TcpListener, backends: watch::Receiver<Backends>) {
    let mut connections = JoinSet::new();
    let mut chooser = Chooser::default();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, client)) = accepted else { continue };
                if let Some(endpoint) = chooser.choose(&backends.borrow(), client.ip()) {
                    connections.spawn(connect(stream, endpoint));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries the bytes of one connection. When the endpoint refuses, the client's connection ends.
async fn connect(mut client: TcpStream, endpoint: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(endpoint).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Chooses in turn, or by the client's address.
#[derive(Debug, Default)]
struct Chooser {
    next: usize,
    clients: HashMap<IpAddr, (SocketAddr, Instant)>,
}

impl Chooser {
    fn choose(&mut self, backends: &Backends, client: IpAddr) -> Option<SocketAddr> {
        let now = Instant::now();
        if let Some(time) = backends.affinity
            && let Some((endpoint, last)) = self.clients.get_mut(&client)
            && now.duration_since(*last) < time
            && backends.endpoints.contains(endpoint)
        {
            *last = now;
            return Some(*endpoint);
        }
        let count = backends.endpoints.len();
        let endpoint = *backends.endpoints.get(self.next.checked_rem(count)?)?;
        self.next = self.next.wrapping_add(1);
        if let Some(time) = backends.affinity {
            if self.clients.len() >= REMEMBERED {
                self.clients.retain(|_, (_, last)| now.duration_since(*last) < time);
            }
            self.clients.insert(client, (endpoint, now));
        }
        Some(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn endpoints_are_chosen_in_turn_or_by_client() {
        let endpoint = |last: u8| SocketAddr::from(([127, 80, 0, last], 80));
        let client = |last: u8| IpAddr::from([127, 0, 0, last]);
        let mut backends = Backends { endpoints: vec![endpoint(1), endpoint(2)], affinity: None };
        let mut chooser = Chooser::default();
        let chosen: Vec<_> = (0..3).filter_map(|_| chooser.choose(&backends, client(1))).collect();
        assert_eq!(chosen, [endpoint(1), endpoint(2), endpoint(1)]);

        backends.affinity = Some(Duration::from_mins(1));
        let first = chooser.choose(&backends, client(1));
        assert_ne!(chooser.choose(&backends, client(2)), first);
        assert_eq!(chooser.choose(&backends, client(1)), first);
        backends.endpoints.retain(|endpoint| Some(*endpoint) != first);
        assert_eq!(chooser.choose(&backends, client(1)), Some(backends.endpoints[0]));
        backends.endpoints.clear();
        assert_eq!(chooser.choose(&backends, client(1)), None);
    }
}
