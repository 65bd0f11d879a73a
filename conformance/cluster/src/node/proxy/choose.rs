//! Which endpoint a client is led to.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use tokio::time::Instant;

use super::table::Backends;

/// How many clients' endpoints are remembered for affinity.
const REMEMBERED: usize = 4096;

/// Chooses in turn, or by the client's address.
#[derive(Debug, Default)]
pub(super) struct Chooser {
    next: usize,
    clients: HashMap<IpAddr, (SocketAddr, Instant)>,
}

impl Chooser {
    /// The endpoint of a new connection; none while there is no endpoint.
    pub(super) fn choose(&mut self, backends: &Backends, client: IpAddr) -> Option<SocketAddr> {
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

    #[tokio::test(start_paused = true)]
    async fn an_affinity_ends_when_its_time_has_passed_without_a_connection() {
        let endpoint = |last: u8| SocketAddr::from(([127, 80, 0, last], 80));
        let (time, almost) = (Duration::from_secs(10), Duration::from_secs(9));
        let backends = Backends { endpoints: vec![endpoint(1), endpoint(2)], affinity: Some(time) };
        let mut chooser = Chooser::default();
        let client = IpAddr::from([127, 0, 0, 1]);
        let first = chooser.choose(&backends, client);
        for _ in 0..3 {
            tokio::time::advance(almost).await;
            assert_eq!(chooser.choose(&backends, client), first, "each connection renews the affinity");
        }
        tokio::time::advance(time).await;
        assert_ne!(chooser.choose(&backends, client), first);
    }
}
