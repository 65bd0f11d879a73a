//! Node ports of Services: given out, kept over updates and taken back.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::pods::items;
use crate::api::status::Cause;

/// The first and the last node port.
const RANGE: (u16, u16) = (30_000, 32_767);

/// Ports below this one are left to Services that ask for a certain port, as long as others are free.
const FIRST_DYNAMIC: u16 = 30_086;

/// The node ports that are in use.
#[derive(Debug, Default)]
pub(crate) struct NodePorts {
    taken: BTreeSet<u16>,
}

impl NodePorts {
    fn allocate(&mut self) -> Option<u16> {
        let (first, last) = RANGE;
        let port = (FIRST_DYNAMIC..=last).chain(first..FIRST_DYNAMIC).find(|port| !self.taken.contains(port))?;
        self.taken.insert(port);
        Some(port)
    }

    fn take(&mut self, port: u16) -> Result<(), String> {
        let (first, last) = RANGE;
        if !(first..=last).contains(&port) {
            return Err(format!("provided port is not in the valid range. The range of valid ports is {first}-{last}"));
        }
        if self.taken.insert(port) { Ok(()) } else { Err("provided port is already allocated".to_owned()) }
    }

    /// Takes back what a Service had.
    pub(crate) fn release(&mut self, service: &Value) {
        for port in held(service) {
            self.taken.remove(&port);
        }
    }
}

/// Keeps the ports that an update leaves out, and drops those that the new type does not have.
pub(crate) fn carry_over(old: &Value, new: &mut Value) {
    let old_ports = || old["spec"]["ports"].as_array().into_iter().flatten();
    if has_node_ports(old) && has_node_ports(new) {
        for port in items(&mut new["spec"], "ports").filter(|port| number(port, "nodePort").is_none()) {
            let same = old_ports().find(|old| old["name"] == port["name"]);
            if let Some(kept) = same.and_then(|old| number(old, "nodePort")) {
                port["nodePort"] = kept.into();
            }
        }
    } else if has_node_ports(old) {
        for port in items(&mut new["spec"], "ports") {
            let known = number(port, "nodePort").is_some_and(|kept| held(old).contains(&kept));
            if let Some(fields) = port.as_object_mut().filter(|_| known) {
                fields.remove("nodePort");
            }
        }
    }
    let kept = number(&old["spec"], "healthCheckNodePort");
    match (kept, checks_health(old), checks_health(new)) {
        (Some(kept), true, true) if number(&new["spec"], "healthCheckNodePort").is_none() => {
            new["spec"]["healthCheckNodePort"] = kept.into();
        }
        (kept, true, false) if number(&new["spec"], "healthCheckNodePort") == kept => {
            if let Some(spec) = new["spec"].as_object_mut() {
                spec.remove("healthCheckNodePort");
            }
        }
        _ => {}
    }
}

/// Gives a new or changed Service its node ports and takes back those that it no longer has. Nothing is taken when it
/// fails or is a dry run.
pub(crate) fn assign(old: Option<&Value>, new: &mut Value, ports: &mut NodePorts, dry_run: bool) -> Result<(), Cause> {
    let before = old.map(held).unwrap_or_default();
    let mut acquired = BTreeSet::new();
    let result = acquire(new, &before, ports, &mut acquired);
    let given_back = if dry_run || result.is_err() { acquired } else { &before - &held(new) };
    for port in given_back {
        ports.taken.remove(&port);
    }
    result
}

fn acquire(
    service: &mut Value,
    before: &BTreeSet<u16>,
    ports: &mut NodePorts,
    acquired: &mut BTreeSet<u16>,
) -> Result<(), Cause> {
    let health = checks_health(service);
    let spec = &mut service["spec"];
    let allocates = match spec["type"].as_str() {
        Some("NodePort") => true,
        Some("LoadBalancer") => spec["allocateLoadBalancerNodePorts"] != false,
        _ => return Ok(()),
    };
    // What is asked for comes first, so that a free choice does not take it.
    let full = "failed to allocate a nodePort: range is full";
    let wanted: Vec<_> = items(spec, "ports").map(|port| number(port, "nodePort")).collect();
    for (index, port) in wanted.iter().enumerate().filter_map(|(index, port)| Some((index, (*port)?))) {
        // One Service may use a port for TCP and for UDP.
        if !before.contains(&port) && !acquired.contains(&port) {
            let field = format!("spec.ports[{index}].nodePort");
            ports.take(port).map_err(|why| Cause::invalid(field, &port.into(), why))?;
            acquired.insert(port);
        }
    }
    let mut health_port = number(spec, "healthCheckNodePort").filter(|_| health);
    if let Some(port) = health_port.filter(|port| !before.contains(port)) {
        ports.take(port).map_err(|why| Cause::invalid("spec.healthCheckNodePort", &port.into(), why))?;
        acquired.insert(port);
    }
    if allocates {
        for (index, port) in items(spec, "ports").enumerate().filter(|(_, port)| number(port, "nodePort").is_none()) {
            let free = ports.allocate();
            let free = free.ok_or_else(|| Cause::invalid(format!("spec.ports[{index}].nodePort"), &0.into(), full))?;
            acquired.insert(free);
            port["nodePort"] = free.into();
        }
    }
    if health && health_port.is_none() {
        health_port = ports.allocate();
        let free = health_port.ok_or_else(|| Cause::invalid("spec.healthCheckNodePort", &0.into(), full))?;
        acquired.insert(free);
        spec["healthCheckNodePort"] = free.into();
    }
    Ok(())
}

fn has_node_ports(service: &Value) -> bool {
    matches!(service["spec"]["type"].as_str(), Some("NodePort" | "LoadBalancer"))
}

/// Whether load balancers ask the node for the health of a Service's local endpoints.
pub(crate) fn checks_health(service: &Value) -> bool {
    service["spec"]["type"] == "LoadBalancer" && service["spec"]["externalTrafficPolicy"] == "Local"
}

/// Every node port of a Service.
fn held(service: &Value) -> BTreeSet<u16> {
    let spec = &service["spec"];
    let ports = spec["ports"].as_array().into_iter().flatten().filter_map(|port| number(port, "nodePort"));
    ports.chain(number(spec, "healthCheckNodePort")).collect()
}

fn number(object: &Value, field: &str) -> Option<u16> {
    object[field].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn service(kind: &str, ports: &Value) -> Value {
        json!({"spec": {"type": kind, "ports": ports}})
    }

    #[test]
    fn a_free_port_is_given_and_a_taken_one_refused() {
        let mut ports = NodePorts::default();
        let mut first = service("NodePort", &json!([{"port": 80}, {"port": 81, "nodePort": 30_090}]));
        assign(None, &mut first, &mut ports, false).unwrap();
        assert_eq!(first["spec"]["ports"][0]["nodePort"], 30_086);
        let mut second = service("NodePort", &json!([{"port": 80}, {"port": 81, "nodePort": 30_090}]));
        let refused = assign(None, &mut second, &mut ports, false).unwrap_err();
        assert_eq!(refused.field, "spec.ports[1].nodePort");
        assert_eq!(refused.message, "Invalid value: 30090: provided port is already allocated");
        let mut outside = service("NodePort", &json!([{"port": 80, "nodePort": 80}]));
        let refused = assign(None, &mut outside, &mut ports, false).unwrap_err();
        assert!(refused.message.ends_with("The range of valid ports is 30000-32767"), "{}", refused.message);
        assert_eq!(ports.taken, BTreeSet::from([30_086, 30_090]));
        ports.release(&first);
        assert!(ports.taken.is_empty());
    }

    #[test]
    fn an_update_keeps_ports_by_name_and_gives_back_the_others() {
        let mut ports = NodePorts::default();
        let mut old = service("NodePort", &json!([{"name": "a", "port": 80}, {"name": "b", "port": 81}]));
        assign(None, &mut old, &mut ports, false).unwrap();
        let mut new = service("NodePort", &json!([{"name": "b", "port": 82}]));
        carry_over(&old, &mut new);
        assign(Some(&old), &mut new, &mut ports, false).unwrap();
        assert_eq!(new["spec"]["ports"][0]["nodePort"], 30_087);
        assert_eq!(ports.taken, BTreeSet::from([30_087]));
        let mut inner = service("ClusterIP", &new["spec"]["ports"]);
        carry_over(&new, &mut inner);
        assign(Some(&new), &mut inner, &mut ports, false).unwrap();
        assert!(inner["spec"]["ports"][0].get("nodePort").is_none() && ports.taken.is_empty());
    }

    #[test]
    fn a_dry_run_takes_nothing() {
        let mut ports = NodePorts::default();
        let mut tried = service("NodePort", &json!([{"port": 80}]));
        assign(None, &mut tried, &mut ports, true).unwrap();
        assert!(tried["spec"]["ports"][0]["nodePort"].is_u64() && ports.taken.is_empty());
    }

    #[test]
    fn a_port_serves_tcp_and_udp_of_one_service_and_health_has_its_own() {
        let mut ports = NodePorts::default();
        let both = json!([{"name": "t", "port": 53, "protocol": "TCP", "nodePort": 30_053},
                          {"name": "u", "port": 53, "protocol": "UDP", "nodePort": 30_053}]);
        let mut balanced = service("LoadBalancer", &both);
        balanced["spec"]["externalTrafficPolicy"] = "Local".into();
        assign(None, &mut balanced, &mut ports, false).unwrap();
        assert_eq!(balanced["spec"]["healthCheckNodePort"], 30_086);
        assert_eq!(ports.taken, BTreeSet::from([30_053, 30_086]));
    }
}
