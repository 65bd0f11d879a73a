//! One TCP port of a Service: accepts connections and leads each to a ready endpoint.
//!
//! A connection outlives the port that it came by: as with kube-proxy, only new connections follow a change of the Service
//! or of its endpoints.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::choose::Chooser;
use super::table::Backends;

/// The open connections of all ports. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Connections {
    fn spawn(&self, connection: impl Future<Output = std::io::Result<()>> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // An end by error is an end: the client sees it too.
                _ = connection => {}
            }
        });
    }

    /// Ends them all.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Accepts until it is dropped.
pub(super) async fn forward(listener: TcpListener, backends: watch::Receiver<Backends>, connections: Connections) {
    let mut chooser = Chooser::default();
    loop {
        let Ok((stream, client)) = listener.accept().await else { continue };
        if let Some(endpoint) = chooser.choose(&backends.borrow(), client.ip()) {
            connections.spawn(connect(stream, endpoint));
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
