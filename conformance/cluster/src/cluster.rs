//! API server, controllers, node, DNS and Service proxy together.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use kube::api::PostParams;
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use crate::node::{Environment, PodContext, Program};

use crate::addresses::{AddressError, AddressPool, Claim};
use crate::api::{ApiOptions, ApiServer, ServeError, Served, ServiceAddresses};
use crate::controllers::{ControllerOptions, Controllers};
use crate::dns::{CLUSTER_DOMAIN, Dns};
use crate::faults::Faults;
use crate::node::proxy::{Protocol, Proxy, Published};
use crate::node::{ApiAddress, Logs, Node, NodeOptions};
use crate::surroundings::{Blocks, Surroundings};

/// Which addresses of the Service block have a fixed use: that of the Service `kubernetes`, and that of the DNS.
const API_SERVICE: u8 = 1;
const DNS_SERVER: u8 = 10;

/// Which address of the pod block is the node's.
const NODE: u8 = 1;

/// How long the controllers may take to begin, on a machine that is busy with other things.
const FURNISHED_WITHIN: Duration = Duration::from_secs(30);

/// How a cluster is set up.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The program of each container image, by the exact name that pods use. Other images cannot be pulled.
    pub images: BTreeMap<String, Program>,
    /// Where the API server listens; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// Where the folders of pods are; by default a temporary folder that goes with the cluster.
    pub state_dir: Option<PathBuf>,
    /// The delay before the second restart of a container that keeps ending; later ones double up to thirty times this.
    /// A Job waits as long before it replaces a failed pod, up to sixty times this. Real ones wait 10 s.
    pub restart_back_off: Duration,
    /// Serve node ports on 127.0.0.1 too, where no other program of the machine has them; always on the node's own
    /// address, which is the `InternalIP` of the Node.
    pub node_ports_on_localhost: bool,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            images: BTreeMap::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            state_dir: None,
            restart_back_off: Duration::from_secs(10),
            node_ports_on_localhost: false,
        }
    }
}

/// Why a cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No loopback addresses could be claimed.
    #[error(transparent)]
    Addresses(#[from] AddressError),
    /// The API server cannot serve.
    #[error("failed to serve the API on {address}")]
    Serve {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it cannot.
        source: ServeError,
    },
    /// The folder of the pods cannot be made.
    #[error("failed to create the folder of the pods{}", path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default())]
    Folder {
        /// The folder that was asked for.
        path: Option<PathBuf>,
        /// What the system said.
        source: io::Error,
    },
    /// The controllers did not begin to work.
    #[error("failed to furnish the namespace default with a service account within {FURNISHED_WITHIN:?}")]
    Unfurnished,
    /// The API server refused an object that every cluster has.
    #[error("failed to create the cluster's own objects")]
    Objects(#[from] kube::Error),
}

/// A running cluster. Dropping it ends every process too, [`shutdown`](Cluster::shutdown) waits for their ends.
pub struct Cluster {
    api: ApiServer,
    client: Client,
    served: Served,
    controllers: Controllers,
    node: Node,
    proxy: Proxy,
    dns: Dns,
    surroundings: Surroundings,
    logs: Logs,
    claim: Claim,
    _folder: Option<TempDir>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("url", &self.url()).field("addresses", &self.claim).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Starts a cluster with one node.
    pub async fn start(options: ClusterOptions) -> Result<Self, StartError> {
        let claim = Claim::new()?;
        let services = AddressPool::new(claim.services);
        let (folder, path) = pod_folder(options.state_dir.as_deref())?;
        let api =
            ApiServer::new(ApiOptions { service_addresses: Some(Arc::new(services.clone())), ..ApiOptions::default() });
        let served =
            api.serve(options.listen).await.map_err(|source| StartError::Serve { address: options.listen, source })?;
        let client = api.client("default");
        let pods = AddressPool::new(claim.pods);
        let node_address = pods.reserved(NODE);
        let localhost = options.node_ports_on_localhost.then_some(Ipv4Addr::LOCALHOST);
        let published =
            Published { node: std::iter::once(node_address).chain(localhost).collect(), balancers: services.clone() };
        let proxy = Proxy::start(&client, published);
        let dns = Dns::new(services.reserved(DNS_SERVER), Arc::new(proxy.names()));
        let blocks = Blocks { pods: claim.pods, services: claim.services, world: claim.world };
        let surroundings = Surroundings::new(blocks, dns.clone());
        api.set_surroundings(surroundings.clone());
        let root_ca = Some(served.ca_pem().to_owned());
        let job_back_off = options.restart_back_off;
        let controllers =
            Controllers::start(&client, ControllerOptions { root_ca, job_back_off, ..ControllerOptions::default() });
        let node = Node::start(NodeOptions {
            client: client.clone(),
            api: ApiAddress { url: served.url().to_owned(), address: (served.address().ip(), served.address().port()) },
            images: options.images,
            addresses: pods,
            address: node_address,
            dns: dns.clone(),
            surroundings: surroundings.clone(),
            folder: path,
            restart_back_off: options.restart_back_off,
        })
        .await?;
        api.extend_faults(controllers.pauses(), node.kills());
        let logs = node.logs().clone();
        api.set_log_source(Arc::new(logs.clone()));
        api.set_pod_streams(Arc::new(node.streams()));
        publish_api(&client, services.reserved(API_SERVICE), served.address()).await?;
        furnished(&client).await?;
        Ok(Self { api, client, served, controllers, node, proxy, dns, surroundings, logs, claim, _folder: folder })
    }

    /// The API server.
    pub fn api(&self) -> &ApiServer {
        &self.api
    }

    /// A client with the rights of an administrator, without a socket.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The control handle of its faults: of requests and watches, of controllers and of pods.
    pub fn faults(&self) -> Faults {
        self.api.faults()
    }

    /// The URL of the API server: `https://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        self.served.url()
    }

    /// The administrator's kubeconfig, as YAML.
    pub fn kubeconfig(&self) -> String {
        self.served.kubeconfig(None)
    }

    /// The DNS server.
    pub fn dns(&self) -> &Dns {
        &self.dns
    }

    /// What pods know of machines outside.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// Loopback addresses that this run has claimed for its caller, to simulate machines outside the cluster.
    pub fn world_block(&self) -> Ipv4Net {
        self.claim.world
    }

    /// The addresses of pods.
    pub fn pod_block(&self) -> Ipv4Net {
        self.claim.pods
    }

    /// The addresses of Services.
    pub fn service_block(&self) -> Ipv4Net {
        self.claim.services
    }

    /// Where a program of this machine connects to for a host and TCP port of the cluster: a Service's name in any of the
    /// forms that a pod of `namespace` may use, the address of a Service or of its load balancer, or one of the namespace's
    /// extra names.
    ///
    /// The port of the answer differs from the one asked for when only root may bind that one.
    pub async fn resolve(&self, namespace: &str, host: &str, port: u16) -> Option<SocketAddr> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if let Some(address) = host.parse().ok().filter(|address| self.claim.services.contains(address)) {
            return self.proxy.ports().socket(address, port, Protocol::Tcp).ok();
        }
        let searched = [
            host.clone(),
            format!("{host}.{namespace}.svc.{CLUSTER_DOMAIN}"),
            format!("{host}.svc.{CLUSTER_DOMAIN}"),
            format!("{host}.{CLUSTER_DOMAIN}"),
        ];
        for name in searched {
            if let Some(address) = self.service_address(&name).await {
                return self.proxy.ports().socket(address, port, Protocol::Tcp).ok();
            }
            if let Some(address) = self.dns.lookup(namespace, &name) {
                return Some(SocketAddr::new(address, port));
            }
        }
        None
    }

    /// The cluster's address of a Service, read from the API: a Service that was just created is found.
    async fn service_address(&self, name: &str) -> Option<Ipv4Addr> {
        let labels = name.strip_suffix(&format!(".svc.{CLUSTER_DOMAIN}"))?;
        let (name, namespace) = labels.split_once('.')?;
        let services = Api::<Service>::namespaced(self.client.clone(), namespace);
        let spec = services.get_opt(name).await.ok()??.spec?;
        spec.cluster_ip?.parse().ok()
    }

    /// What is kept of the output of a pod's containers, also after the pod has ended.
    #[allow(clippy::unused_async)] // Reading may become asynchronous, callers shall not notice.
    pub async fn logs(&self, namespace: &str, pod: &str) -> String {
        self.logs.text(namespace, pod)
    }

    /// Ends every process and every task, and gives the addresses back.
    pub async fn shutdown(self) {
        self.node.stop().await;
        self.controllers.stop().await;
        self.proxy.stop().await;
        self.dns.stop().await;
        self.served.shutdown().await;
    }
}

impl ServiceAddresses for AddressPool {
    fn allocate(&self) -> Option<IpAddr> {
        Self::allocate(self).ok().map(IpAddr::V4)
    }

    fn take(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if Self::take(self, address))
    }

    fn release(&self, address: IpAddr) {
        if let IpAddr::V4(address) = address {
            Self::release(self, address);
        }
    }
}

fn pod_folder(state_dir: Option<&Path>) -> Result<(Option<TempDir>, PathBuf), StartError> {
    let error = |source| StartError::Folder { path: state_dir.map(Path::to_owned), source };
    if let Some(folder) = state_dir {
        std::fs::create_dir_all(folder).map_err(error)?;
        let folder = folder.canonicalize().map_err(error)?.join("pods");
        return Ok((None, folder));
    }
    let folder = tempfile::Builder::new().prefix("embedded-cluster-").tempdir().map_err(error)?;
    let path = folder.path().canonicalize().map_err(error)?.join("pods");
    Ok((Some(folder), path))
}

/// The Service `kubernetes` of every cluster, and where it leads.
async fn publish_api(client: &Client, address: Ipv4Addr, server: SocketAddr) -> Result<(), kube::Error> {
    let ports = json!([{"name": "https", "port": server.port(), "protocol": "TCP"}]);
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {"type": "ClusterIP", "clusterIP": address,
                 "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": server.port()}]}});
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "kubernetes", "namespace": "default",
                     "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4", "ports": ports,
        "endpoints": [{"addresses": [server.ip()], "conditions": {"ready": true}}]});
    create::<Service>(client, service).await?;
    create::<k8s_openapi::api::discovery::v1::EndpointSlice>(client, slice).await
}

/// Waits for what pods of the namespace `default` need.
async fn furnished(client: &Client) -> Result<(), StartError> {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), "default");
    let account = await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
    let root_ca = await_condition(config_maps, "kube-root-ca.crt", |object: Option<&ConfigMap>| object.is_some());
    let both = tokio::time::timeout(FURNISHED_WITHIN, futures::future::try_join(account, root_ca));
    match both.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(StartError::Unfurnished),
    }
}

async fn create<K>(client: &Client, object: Value) -> Result<(), kube::Error>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let object: K = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
    match Api::<K>::namespaced(client.clone(), "default").create(&PostParams::default(), &object).await {
        // The API server made it itself.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(drop),
    }
}
