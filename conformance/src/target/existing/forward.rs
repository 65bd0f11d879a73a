//! Services as the runner reaches them: a listener on this machine, each of whose connections becomes a port-forward of
//! the API server to a ready pod.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// The domain of nearly every cluster.
const CLUSTER_DOMAIN: &str = "cluster.local";

/// A Service's port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Destination {
    namespace: String,
    service: String,
    port: u16,
}

/// A listener, which ends when this is dropped.
struct Forward {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

/// The listeners of a run.
pub(super) struct Forwards {
    client: Client,
    open: Mutex<BTreeMap<Destination, Forward>>,
}

impl Forwards {
    pub(super) fn new(client: Client) -> Self {
        Self { client, open: Mutex::default() }
    }

    /// Where a host and port of the cluster are reached; `None` when no Service has them.
    pub(super) async fn dial(&self, namespace: &str, host: &str, port: u16) -> Option<SocketAddr> {
        let (namespace, service) = self.service(namespace, host).await?;
        service_port(&service, port)?;
        let destination = Destination { namespace, service: service.name_any(), port };
        if let Some(forward) = self.lock().get(&destination) {
            return Some(forward.address);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.ok()?;
        let address = listener.local_addr().ok()?;
        let task = tokio::spawn(serve(listener, self.client.clone(), destination.clone()));
        let forward = Forward { address, _task: AbortOnDropHandle::new(task) };
        // Somebody else may have been faster: then theirs is used and ours ends.
        Some(self.lock().entry(destination).or_insert(forward).address)
    }

    /// Ends the listeners of a namespace's Services.
    pub(super) fn close(&self, namespace: &str) {
        self.lock().retain(|destination, _| destination.namespace != namespace);
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, BTreeMap<Destination, Forward>> {
        self.open.lock()
    }

    async fn service(&self, namespace: &str, host: &str) -> Option<(String, Service)> {
        if let Ok(address) = host.parse::<IpAddr>() {
            let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
            let all = services.list(&ListParams::default()).await.ok()?;
            let found = all.items.into_iter().find(|service| has_address(service, address))?;
            return Some((namespace.to_owned(), found));
        }
        let (name, namespace) = name_and_namespace(host, namespace)?;
        let services: Api<Service> = Api::namespaced(self.client.clone(), &namespace);
        Some((namespace, services.get_opt(&name).await.ok()??))
    }
}

/// The Service that a pod of `namespace` means by a host name.
fn name_and_namespace(host: &str, namespace: &str) -> Option<(String, String)> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let host = host.strip_suffix(&format!(".{CLUSTER_DOMAIN}")).unwrap_or(&host);
    let host = host.strip_suffix(".svc").unwrap_or(host);
    match host.split('.').collect::<Vec<_>>().as_slice() {
        [name] => Some(((*name).to_owned(), namespace.to_owned())),
        [name, namespace] => Some(((*name).to_owned(), (*namespace).to_owned())),
        _ => None,
    }
}

fn has_address(service: &Service, address: IpAddr) -> bool {
    let address = address.to_string();
    let own = service.spec.iter().flat_map(|spec| spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip));
    let balancers = service
        .status
        .iter()
        .filter_map(|status| status.load_balancer.as_ref()?.ingress.as_ref())
        .flatten()
        .filter_map(|ingress| ingress.ip.as_ref());
    own.chain(balancers).any(|known| *known == address)
}

fn service_port(service: &Service, port: u16) -> Option<&ServicePort> {
    service.spec.as_ref()?.ports.as_ref()?.iter().find(|known| known.port == i32::from(port))
}

async fn serve(listener: TcpListener, client: Client, destination: Destination) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(forward(client.clone(), destination.clone(), stream));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Connects a stream with a pod; closes it when there is none, as a Service without endpoints does.
async fn forward(client: Client, destination: Destination, mut stream: TcpStream) {
    if let Err(reason) = try_forward(&client, &destination, &mut stream).await {
        tracing::debug!(%reason, ?destination, "a port-forward ended");
    }
}

async fn try_forward(client: &Client, destination: &Destination, stream: &mut TcpStream) -> Result<(), String> {
    let services: Api<Service> = Api::namespaced(client.clone(), &destination.namespace);
    let service = services.get(&destination.service).await.map_err(|error| error.to_string())?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &destination.namespace);
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()).ok_or("it selects no pods")?;
    let selector: Vec<String> = selector.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let list =
        pods.list(&ListParams::default().labels(&selector.join(","))).await.map_err(|error| error.to_string())?;
    let port = service_port(&service, destination.port).ok_or("it has no such port")?;
    // Always the first by name: sessions stay with their pod as long as it is there.
    let mut ready: Vec<&Pod> = list.items.iter().filter(|pod| is_ready(pod)).collect();
    ready.sort_by_key(|pod| pod.name_any());
    let pod = ready.first().ok_or("no pod is ready")?;
    let port = target_port(port, pod).ok_or("the pod has no such port")?;
    let mut forwarder = pods.portforward(&pod.name_any(), &[port]).await.map_err(|error| error.to_string())?;
    let mut remote = forwarder.take_stream(port).ok_or("no stream")?;
    tokio::io::copy_bidirectional(stream, &mut remote).await.map_err(|error| error.to_string())?;
    Ok(())
}

fn is_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && pod
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten())
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The pod's port behind a Service's port.
fn target_port(port: &ServicePort, pod: &Pod) -> Option<u16> {
    match &port.target_port {
        None => u16::try_from(port.port).ok(),
        Some(IntOrString::Int(number)) => u16::try_from(*number).ok(),
        Some(IntOrString::String(name)) => pod
            .spec
            .iter()
            .flat_map(|spec| &spec.containers)
            .flat_map(|container| container.ports.iter().flatten())
            .find(|port| port.name.as_ref() == Some(name))
            .and_then(|port| u16::try_from(port.container_port).ok()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_host_names_a_service_in_any_of_its_forms() {
        let of_shop = |host: &str| name_and_namespace(host, "shop");
        let web = |namespace: &str| Some(("web".to_owned(), namespace.to_owned()));
        assert_eq!(of_shop("web"), web("shop"));
        assert_eq!(of_shop("web.other"), web("other"));
        assert_eq!(of_shop("web.other.svc"), web("other"));
        assert_eq!(of_shop("Web.other.svc.cluster.local."), web("other"));
        assert_eq!(of_shop("mcp.partner.example.com"), None);
    }

    #[test]
    fn a_port_of_a_service_leads_to_one_of_a_pod() {
        let pod: Pod = serde_json::from_value(json!({"spec": {"containers": [
            {"name": "a", "ports": [{"name": "http", "containerPort": 8080}]}]}}))
        .unwrap();
        let to = |target: serde_json::Value| {
            let port: ServicePort = serde_json::from_value(json!({"port": 80, "targetPort": target})).unwrap();
            target_port(&port, &pod)
        };
        assert_eq!(to(json!(null)), Some(80));
        assert_eq!(to(json!(4483)), Some(4483));
        assert_eq!(to(json!("http")), Some(8080));
        assert_eq!(to(json!("none")), None);
    }
}
