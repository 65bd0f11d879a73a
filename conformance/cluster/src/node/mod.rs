//! The node: runs the containers of pods as local processes.
//!
//! * [`scheduler`] binds pods to a node, [`kubelet`] gives each bound pod a task ([`pod`]);
//! * a container is a local program ([`images`]) in a process group of its own ([`process`]), with the environment,
//!   volumes and probes that its pod asks for;
//! * [`proxy`] makes Services reachable at addresses of their own.
//!
//! A command beside a container's own process (`exec`, exec probes, lifecycle hooks) is the image's program or one that the
//! machine has on the container's `PATH`: what an image would bring, the machine brings.
//!
//! Resource limits, security contexts, node affinity and taints are recorded in the API and not enforced. Containers
//! share the machine's files and network; see [`rewrite`] for what is done about that.

mod downward;
mod environment;
mod images;
mod kubelet;
mod log_source;
mod logs;
mod object;
mod pod;
mod probes;
mod process;
pub(crate) mod proxy;
mod rewrite;
mod running;
pub(crate) mod scheduler;
mod session;
mod source_changes;
mod sources;
mod status;
mod streams;
mod volumes;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use images::{Environment, PodContext, Program};
pub(crate) use logs::Logs;
pub(crate) use streams::NodeStreams;

use self::running::RunningPods;
use self::source_changes::SourceChanges;
use crate::addresses::AddressPool;
use crate::controllers::events::{self, Recorder};
use crate::dns::Dns;
use crate::faults::Kills;
use crate::surroundings::Surroundings;

/// The name of the only node.
pub const NODE_NAME: &str = "embedded-node";

/// Where pods reach the API server.
#[derive(Clone, Debug)]
pub(crate) struct ApiAddress {
    pub(crate) url: String,
    pub(crate) address: (IpAddr, u16),
}

/// What a node needs.
pub(crate) struct NodeOptions {
    pub(crate) client: Client,
    pub(crate) api: ApiAddress,
    pub(crate) images: BTreeMap<String, Program>,
    pub(crate) addresses: AddressPool,
    /// The node's own address.
    pub(crate) address: Ipv4Addr,
    pub(crate) dns: Dns,
    pub(crate) surroundings: Surroundings,
    pub(crate) folder: PathBuf,
    pub(crate) restart_back_off: Duration,
}

/// What all pods of the node share.
pub(crate) struct Shared {
    client: Client,
    name: String,
    api: ApiAddress,
    images: BTreeMap<String, Program>,
    addresses: AddressPool,
    address: Ipv4Addr,
    dns: Dns,
    surroundings: Surroundings,
    folder: PathBuf,
    restart_back_off: Duration,
    recorder: Recorder,
    logs: Logs,
    running: RunningPods,
    kills: Kills,
    sources: SourceChanges,
}

/// A running node.
pub(crate) struct Node {
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Node {
    /// Registers the node and begins to run pods.
    pub(crate) async fn start(options: NodeOptions) -> kube::Result<Self> {
        let (recorder, writing) = events::recorder(options.client.clone(), "kubelet", Some(NODE_NAME));
        object::register(&options.client, NODE_NAME, options.address).await?;
        let shared = Arc::new(Shared {
            client: options.client,
            name: NODE_NAME.to_owned(),
            api: options.api,
            images: options.images,
            addresses: options.addresses,
            address: options.address,
            dns: options.dns,
            surroundings: options.surroundings,
            folder: options.folder,
            restart_back_off: options.restart_back_off,
            recorder,
            logs: Logs::default(),
            running: RunningPods::default(),
            kills: Kills::default(),
            sources: SourceChanges::default(),
        });
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(writing);
        tasks.spawn(shared.sources.clone().run(shared.client.clone(), stop.clone()));
        tasks.spawn(kubelet::run(Arc::clone(&shared), stop.clone()));
        Ok(Self { shared, stop, tasks })
    }

    /// Its containers, to be killed.
    pub(crate) fn kills(&self) -> &Kills {
        &self.shared.kills
    }

    /// The logs of its containers.
    pub(crate) fn logs(&self) -> &Logs {
        &self.shared.logs
    }

    /// The streams to its containers.
    pub(crate) fn streams(&self) -> NodeStreams {
        NodeStreams { running: self.shared.running.clone(), logs: self.shared.logs.clone() }
    }

    /// Ends every process and waits for their ends.
    pub(crate) async fn stop(self) {
        let Self { shared, stop, mut tasks } = self;
        stop.cancel();
        // The task that writes events ends with the last recorder.
        drop(shared);
        while tasks.join_next().await.is_some() {}
    }
}
