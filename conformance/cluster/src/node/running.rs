//! The pods that run on the node, for the API server's streams to them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use tokio::net::TcpStream;

use crate::streams::{Connection, PodName, PodStreams, StreamError};

/// The running pods. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunningPods {
    pods: Arc<Mutex<BTreeMap<PodName, RunningPod>>>,
}

#[derive(Debug)]
struct RunningPod {
    uid: String,
    address: Ipv4Addr,
}

/// A pod's place among the running ones, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    running: RunningPods,
    name: PodName,
    uid: String,
}

impl RunningPods {
    /// Adds a pod; a former one of its name gives way.
    pub(crate) fn enter(&self, name: PodName, uid: &str, address: Ipv4Addr) -> Place {
        self.lock().insert(name.clone(), RunningPod { uid: uid.to_owned(), address });
        Place { running: self.clone(), name, uid: uid.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PodName, RunningPod>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut pods = self.running.lock();
        if pods.get(&self.name).is_some_and(|pod| pod.uid == self.uid) {
            pods.remove(&self.name);
        }
    }
}

impl PodStreams for RunningPods {
    /// Connects to the pod's own address. A program that binds 127.0.0.1 shares that address with the whole machine and is
    /// not reached: whoever answered there might belong to another pod.
    fn connect<'a>(&'a self, pod: &'a PodName, port: u16) -> BoxFuture<'a, Result<Connection, StreamError>> {
        Box::pin(async move {
            let failed =
                |why: String| StreamError::NotAvailable(format!("error forwarding port {port} to pod {pod}: {why}"));
            let address = self.lock().get(pod).map(|running| running.address);
            let address = address.ok_or_else(|| failed("the pod is not running".to_owned()))?;
            match TcpStream::connect((address, port)).await {
                Ok(stream) => {
                    // Small messages are not to wait for more; a failure costs speed only.
                    let _ = stream.set_nodelay(true);
                    Ok(Box::new(stream) as Connection)
                }
                Err(error) => Err(failed(format!(
                    "failed to connect to {address}:{port}, the pod's own address (a program that binds 127.0.0.1 is \
                     not reached): {error}"
                ))),
            }
        })
    }
}
