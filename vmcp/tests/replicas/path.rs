//! A way to Redis that is slow, goes silent or is cut.

use crate::redis_server::RedisServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A relay that Redis is reached through.
pub(crate) struct Path {
    address: String,
    connections: Arc<AtomicUsize>,
    /// On the connections up to this one Redis is not heard any more.
    silent: Arc<AtomicUsize>,
    cut: DropGuard,
}

impl Path {
    /// A way to `redis` that takes `delay` in each direction.
    pub(crate) async fn to(redis: &RedisServer, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (connections, silent) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let cut = CancellationToken::new();
        let relay = Relay { redis: redis.address(), delay, silent: Arc::clone(&silent) };
        tokio::spawn(cut.clone().run_until_cancelled_owned(relay.accept(
            listener,
            Arc::clone(&connections),
            cut.clone(),
        )));
        Self { address, connections, silent, cut: cut.drop_guard() }
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// What Redis says on the connections that there are does not come through any more. What it is asked does.
    pub(crate) fn silence(&self) {
        self.silent.store(self.connections(), Ordering::SeqCst);
    }

    /// Ends all connections; there are no others.
    pub(crate) fn cut(self) {
        drop(self.cut);
    }
}

#[derive(Clone)]
struct Relay {
    redis: String,
    delay: Duration,
    silent: Arc<AtomicUsize>,
}

impl Relay {
    async fn accept(self, listener: TcpListener, connections: Arc<AtomicUsize>, cut: CancellationToken) {
        while let Ok((client, _)) = listener.accept().await {
            let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
            let relay = self.clone();
            tokio::spawn(cut.clone().run_until_cancelled_owned(async move { relay.carry(number, client).await }));
        }
    }

    async fn carry(&self, number: usize, client: TcpStream) {
        let Ok(server) = TcpStream::connect(&self.redis).await else { return };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        // Both ends see the end of one.
        tokio::select! {
            () = self.pass(from_client, to_server, || true) => {}
            () = self.pass(from_server, to_client, || number > self.silent.load(Ordering::SeqCst)) => {}
        }
    }

    async fn pass(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_heard: impl Fn() -> bool) {
        // What follows is on its way meanwhile.
        let (sender, mut under_way) = mpsc::channel(1024);
        let leave = async {
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = from.read(&mut bytes).await {
                if sender.send((Instant::now() + self.delay, bytes[..length].to_vec())).await.is_err() {
                    return;
                }
            }
        };
        let arrive = async {
            while let Some((at, bytes)) = under_way.recv().await {
                tokio::time::sleep_until(at).await;
                if is_heard() && to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = leave => {}
            () = arrive => {}
        }
    }
}
