//! `EndpointSlices` and Endpoints: where the pods of a Service are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    EndpointAddress, EndpointPort as LegacyPort, EndpointSubset, Endpoints, ObjectReference, Pod, Service, ServicePort,
};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{DeleteParams, ListParams, Patch};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::pods::{is_finished, is_ready, is_terminating};
use super::runtime::{Context, ControllerError, controller_reference, drive, has_code, patch, post};

/// The label by which an `EndpointSlice` names its Service.
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let controller = Controller::new(Api::<Service>::all(client.clone()), watcher::Config::default());
    let services = controller.store();
    let services_near = move |pod: Pod| {
        let namespace = pod.namespace();
        let near =
            services.state_filter(|service: &Service| service.namespace() == namespace && selector(service).is_some());
        near.iter().map(|service| ObjectRef::from_obj(service.as_ref())).collect::<Vec<_>>()
    };
    let controller = controller
        .watches(Api::<Pod>::all(client.clone()), watcher::Config::default(), services_near)
        .owns(Api::<EndpointSlice>::all(client), watcher::Config::default());
    drive(controller, context, stop, reconcile).await;
}

/// The labels of the Service's pods; `None` when somebody else writes its endpoints.
fn selector(service: &Service) -> Option<&BTreeMap<String, String>> {
    let spec = service.spec.as_ref().filter(|spec| spec.type_.as_deref() != Some("ExternalName"))?;
    spec.selector.as_ref().filter(|selector| !selector.is_empty())
}

async fn reconcile(seen: Arc<Service>, context: Arc<Context>) -> Result<Action, ControllerError> {
    let namespace = seen.namespace().unwrap_or_default();
    let services = Api::<Service>::namespaced(context.client.clone(), &namespace);
    let Some(service) = services.get_opt(&seen.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let Some(labels) = selector(&service) else {
        return Ok(Action::await_change());
    };
    if service.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let query: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    let mut pods = pods.list(&ListParams::default().labels(&query.join(","))).await?.items;
    pods.retain(|pod| !is_finished(pod) && address(pod).is_some());
    pods.sort_by_key(ResourceExt::name_any);
    write_slices(&context, &service, &slices(&service, &pods)).await?;
    write_endpoints(&context, &service, &pods).await?;
    Ok(Action::await_change())
}

fn address(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref().filter(|address| !address.is_empty())
}

/// The number of a Service port's target in a pod.
fn target(port: &ServicePort, pod: Option<&Pod>) -> Option<i32> {
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let spec = pod?.spec.as_ref()?;
            let sidecars = spec.init_containers.iter().flatten().filter(|container| container.restart_policy.is_some());
            let mut ports =
                spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
            ports.find(|port| port.name.as_ref() == Some(name)).map(|port| port.container_port)
        }
    }
}

/// One slice per set of port numbers, without names; a Service without pods has one without endpoints.
fn slices(service: &Service, pods: &[Pod]) -> Vec<EndpointSlice> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let ports: Vec<&ServicePort> = ports.collect();
    let mut groups: BTreeMap<Vec<Option<i32>>, Vec<Endpoint>> = BTreeMap::new();
    for pod in pods {
        let numbers = ports.iter().map(|port| target(port, Some(pod))).collect();
        groups.entry(numbers).or_default().push(endpoint(service, pod));
    }
    if groups.is_empty() {
        groups.insert(ports.iter().map(|port| target(port, None)).collect(), Vec::new());
    }
    groups.into_iter().map(|(numbers, endpoints)| slice(service, &ports, &numbers, endpoints)).collect()
}

fn slice(
    service: &Service,
    ports: &[&ServicePort],
    numbers: &[Option<i32>],
    endpoints: Vec<Endpoint>,
) -> EndpointSlice {
    let mut labels = service.labels().clone();
    labels.insert(SERVICE_NAME.to_owned(), service.name_any());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    if service.spec.as_ref().is_some_and(|spec| spec.cluster_ip.as_deref() == Some("None")) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    let ports = ports.iter().zip(numbers).filter_map(|(port, number)| {
        Some(EndpointPort {
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some((*number)?),
            protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
            app_protocol: port.app_protocol.clone(),
        })
    });
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", service.name_any())),
            namespace: service.namespace(),
            labels: Some(labels),
            owner_references: Some(vec![controller_reference(service)]),
            ..ObjectMeta::default()
        },
        address_type: "IPv4".to_owned(),
        endpoints: Some(endpoints),
        ports: Some(ports.collect()),
    }
}

fn endpoint(service: &Service, pod: &Pod) -> Endpoint {
    let spec = pod.spec.clone().unwrap_or_default();
    let publishes_all = service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses).unwrap_or_default();
    let serving = is_ready(pod);
    let terminating = is_terminating(pod);
    Endpoint {
        addresses: address(pod).map(str::to_owned).into_iter().collect(),
        conditions: Some(EndpointConditions {
            ready: Some(publishes_all || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: hostname(service, pod),
        node_name: spec.node_name,
        target_ref: Some(pod_reference(pod)),
        ..Endpoint::default()
    }
}

/// The name of a pod below that of its Service, if it asks for one.
fn hostname(service: &Service, pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let is_named = spec.subdomain.as_deref() == Some(service.name_any().as_str());
    spec.hostname.clone().filter(|_| is_named)
}

fn pod_reference(pod: &Pod) -> ObjectReference {
    ObjectReference {
        kind: Some("Pod".to_owned()),
        name: Some(pod.name_any()),
        namespace: pod.namespace(),
        uid: pod.uid(),
        ..ObjectReference::default()
    }
}

/// Makes the slices of a Service those that are wanted, keeping the names of those that are there.
async fn write_slices(context: &Context, service: &Service, wanted: &[EndpointSlice]) -> Result<(), ControllerError> {
    let api = Api::<EndpointSlice>::namespaced(context.client.clone(), &service.namespace().unwrap_or_default());
    let query = format!("{SERVICE_NAME}={},{MANAGED_BY}={MANAGER}", service.name_any());
    let mut present = api.list(&ListParams::default().labels(&query)).await?.items;
    present.retain(|slice| slice.metadata.deletion_timestamp.is_none());
    let mut missing: Vec<&EndpointSlice> = Vec::new();
    let mut used = BTreeSet::new();
    for slice in wanted {
        let same_ports = present.iter().find(|old| !used.contains(&old.name_any()) && old.ports == slice.ports);
        let Some(old) = same_ports else {
            missing.push(slice);
            continue;
        };
        used.insert(old.name_any());
        if old.endpoints.clone().unwrap_or_default() != slice.endpoints.clone().unwrap_or_default()
            || old.metadata.labels != slice.metadata.labels
        {
            let change = json!({"metadata": {"labels": slice.metadata.labels}, "endpoints": slice.endpoints});
            api.patch(&old.name_any(), &patch(), &Patch::Merge(change)).await?;
        }
    }
    for slice in missing {
        api.create(&post(), slice).await?;
    }
    for old in present.iter().filter(|old| !used.contains(&old.name_any())) {
        match api.delete(&old.name_any(), &DeleteParams::default()).await {
            Err(error) if !has_code(&error, 404) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Writes the older Endpoints object, which some clients still read.
async fn write_endpoints(context: &Context, service: &Service, pods: &[Pod]) -> Result<(), ControllerError> {
    let api = Api::<Endpoints>::namespaced(context.client.clone(), &service.namespace().unwrap_or_default());
    let subsets = subsets(service, pods);
    let name = service.name_any();
    match api.get_opt(&name).await? {
        Some(old) if old.subsets.clone().unwrap_or_default() == subsets => {}
        Some(_) => {
            api.patch(&name, &patch(), &Patch::Merge(json!({"subsets": subsets}))).await?;
        }
        None => {
            let metadata = ObjectMeta {
                name: Some(name),
                labels: Some(service.labels().clone()).filter(|labels| !labels.is_empty()),
                owner_references: Some(vec![controller_reference(service)]),
                ..ObjectMeta::default()
            };
            let endpoints = Endpoints { metadata, subsets: Some(subsets).filter(|subsets| !subsets.is_empty()) };
            match api.create(&post(), &endpoints).await {
                Err(error) if !has_code(&error, 409) => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The addresses of an older subset.
#[derive(Default)]
struct Addresses {
    ready: Vec<EndpointAddress>,
    not_ready: Vec<EndpointAddress>,
}

fn subsets(service: &Service, pods: &[Pod]) -> Vec<EndpointSubset> {
    let ports: Vec<&ServicePort> = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten()).collect();
    let mut groups: BTreeMap<Vec<Option<i32>>, Addresses> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !is_terminating(pod)) {
        let numbers = ports.iter().map(|port| target(port, Some(pod))).collect();
        let group = groups.entry(numbers).or_default();
        let conditions = endpoint(service, pod).conditions;
        let is_ready = conditions.and_then(|conditions| conditions.ready).unwrap_or_default();
        let address = EndpointAddress {
            ip: address(pod).unwrap_or_default().to_owned(),
            node_name: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            target_ref: Some(pod_reference(pod)),
            hostname: hostname(service, pod),
        };
        if is_ready {
            group.ready.push(address);
        } else {
            group.not_ready.push(address);
        }
    }
    let some = |list: Vec<EndpointAddress>| (!list.is_empty()).then_some(list);
    let subset = |(numbers, group): (Vec<Option<i32>>, Addresses)| EndpointSubset {
        addresses: some(group.ready),
        not_ready_addresses: some(group.not_ready),
        ports: Some(ports.iter().zip(numbers).filter_map(|(port, number)| legacy_port(port, number)).collect()),
    };
    groups.into_iter().map(subset).collect()
}

fn legacy_port(port: &ServicePort, number: Option<i32>) -> Option<LegacyPort> {
    Some(LegacyPort {
        name: port.name.clone(),
        port: number?,
        protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
        app_protocol: port.app_protocol.clone(),
    })
}

#[cfg(test)]
mod tests;
