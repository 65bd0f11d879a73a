//! Addresses and ports of Services.

pub(crate) mod node_ports;

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

pub(crate) use self::node_ports::NodePorts;
use crate::api::status::Cause;

/// Gives Services their cluster addresses.
pub trait ServiceAddresses: Send + Sync {
    /// A free address; none when the block is used up.
    fn allocate(&self) -> Option<IpAddr>;

    /// Takes an address that a Service asks for; false when it is another one's or outside the block.
    fn take(&self, address: IpAddr) -> bool;

    /// Takes an address back.
    fn release(&self, address: IpAddr);
}

/// The default: addresses of 10.96.0.0/16, which nothing listens on.
#[derive(Debug, Default)]
pub struct UnroutedAddresses {
    taken: Mutex<BTreeSet<u32>>,
}

impl UnroutedAddresses {
    const FIRST: u32 = u32::from_be_bytes([10, 96, 0, 1]);
    const LAST: u32 = u32::from_be_bytes([10, 96, 255, 254]);

    fn taken(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.taken.lock()
    }
}

impl ServiceAddresses for UnroutedAddresses {
    fn allocate(&self) -> Option<IpAddr> {
        let mut taken = self.taken();
        let address = (Self::FIRST..=Self::LAST).find(|address| !taken.contains(address))?;
        taken.insert(address);
        Some(Ipv4Addr::from(address).into())
    }

    fn take(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        let address = u32::from(address);
        (Self::FIRST..=Self::LAST).contains(&address) && self.taken().insert(address)
    }

    fn release(&self, address: IpAddr) {
        if let IpAddr::V4(address) = address {
            self.taken().remove(&address.into());
        }
    }
}

/// Gives a new Service what it needs: a cluster address, address families and node ports.
pub(crate) fn allocate(
    service: &mut Value,
    addresses: &dyn ServiceAddresses,
    ports: &mut NodePorts,
    dry_run: bool,
) -> Result<(), Cause> {
    if service["spec"]["type"] == "ExternalName" {
        return Ok(());
    }
    node_ports::assign(None, service, ports, dry_run)?;
    let given = give_address(service, addresses, dry_run);
    if given.is_err() && !dry_run {
        ports.release(service);
    }
    given
}

fn give_address(service: &mut Value, addresses: &dyn ServiceAddresses, dry_run: bool) -> Result<(), Cause> {
    let spec = &mut service["spec"];
    let cluster_ip = spec["clusterIP"].as_str().filter(|address| !address.is_empty()).map(str::to_owned);
    if cluster_ip.as_deref() == Some("None") {
        spec["clusterIPs"] = json!(["None"]);
        let selectorless = spec["selector"].as_object().is_none_or(serde_json::Map::is_empty);
        let (families, policy) =
            if selectorless { (json!(["IPv4", "IPv6"]), "RequireDualStack") } else { (json!(["IPv4"]), "SingleStack") };
        default(spec, "ipFamilies", families);
        default(spec, "ipFamilyPolicy", policy.into());
    } else {
        let address = assign(cluster_ip.as_deref(), addresses)?;
        if dry_run {
            addresses.release(address);
        }
        spec["clusterIP"] = address.to_string().into();
        spec["clusterIPs"] = json!([address.to_string()]);
        default(spec, "ipFamilies", json!(["IPv4"]));
        default(spec, "ipFamilyPolicy", "SingleStack".into());
    }
    Ok(())
}

fn assign(requested: Option<&str>, addresses: &dyn ServiceAddresses) -> Result<IpAddr, Cause> {
    let refuse = |detail: String| {
        let shown = json!([requested.unwrap_or_default()]);
        Cause::invalid("spec.clusterIPs", &shown, detail)
    };
    let Some(text) = requested else {
        return addresses.allocate().ok_or_else(|| refuse("failed to allocate IP: range is full".into()));
    };
    let Ok(address) = text.parse() else {
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        return Err(Cause::invalid("spec.clusterIPs[0]", &text.into(), detail));
    };
    if addresses.take(address) {
        Ok(address)
    } else {
        Err(refuse(format!("failed to allocate IP {text}: provided IP is already allocated or not in the valid range")))
    }
}

/// Takes back what a deleted Service had.
pub(crate) fn release(service: &Value, addresses: &dyn ServiceAddresses, ports: &mut NodePorts) {
    if let Some(address) = service["spec"]["clusterIP"].as_str().and_then(|text| text.parse().ok()) {
        addresses.release(address);
    }
    ports.release(service);
}

fn default(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}
