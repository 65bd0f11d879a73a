//! The load balancers of Services: gives each an address of the Service block and writes it into the status.
//!
//! A Service with a `loadBalancerClass` is left to whoever serves that class.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::table::ingress;
use crate::addresses::AddressPool;

/// Follows the Services that want a load balancer.
pub(super) struct LoadBalancers {
    client: Client,
    addresses: AddressPool,
    /// By the Service's uid.
    given: BTreeMap<String, Ipv4Addr>,
}

impl LoadBalancers {
    pub(super) fn new(client: Client, addresses: AddressPool) -> Self {
        Self { client, addresses, given: BTreeMap::new() }
    }

    /// Brings the addresses and the statuses up to date.
    pub(super) async fn update<'a>(&mut self, services: impl Iterator<Item = &'a Service> + Clone) {
        let wanting: Vec<String> =
            services.clone().filter(|service| wants(service)).filter_map(ResourceExt::uid).collect();
        let lost: Vec<String> = self.given.keys().filter(|uid| !wanting.contains(uid)).cloned().collect();
        for address in lost.iter().filter_map(|uid| self.given.remove(uid)) {
            self.addresses.release(address);
        }
        for service in services {
            let has: Vec<Ipv4Addr> = ingress(service).collect();
            if wants(service) {
                match self.address(service) {
                    Some(address) if has != [address] => self.write(service, Some(address)).await,
                    _ => {}
                }
            } else if !has.is_empty() && service.uid().is_some_and(|uid| lost.contains(&uid)) {
                self.write(service, None).await;
            }
        }
    }

    fn address(&mut self, service: &Service) -> Option<Ipv4Addr> {
        let uid = service.uid()?;
        if let Some(address) = self.given.get(&uid) {
            return Some(*address);
        }
        match self.addresses.allocate() {
            Ok(address) => {
                self.given.insert(uid, address);
                Some(address)
            }
            Err(error) => {
                tracing::warn!(service = service.name_any(), %error, "failed to give a load balancer its address");
                None
            }
        }
    }

    async fn write(&self, service: &Service, address: Option<Ipv4Addr>) {
        let services = Api::<Service>::namespaced(self.client.clone(), &service.namespace().unwrap_or_default());
        let ingress = address.map(|address| json!([{"ip": address, "ipMode": "VIP"}]));
        let patch = json!({"metadata": {"uid": service.uid()}, "status": {"loadBalancer": {"ingress": ingress}}});
        let params = PatchParams { field_manager: Some("service-controller".to_owned()), ..PatchParams::default() };
        if let Err(error) = services.patch_status(&service.name_any(), &params, &Patch::Merge(patch)).await {
            // The next change of the Service tries again; one that is gone needs nothing.
            tracing::debug!(service = service.name_any(), %error, "failed to write the address of a load balancer");
        }
    }
}

fn wants(service: &Service) -> bool {
    service.metadata.deletion_timestamp.is_none()
        && service
            .spec
            .as_ref()
            .is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer") && spec.load_balancer_class.is_none())
}
