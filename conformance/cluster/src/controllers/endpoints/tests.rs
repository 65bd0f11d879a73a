#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;

fn service(spec: &Value) -> Service {
    let mut full = json!({"selector": {"app": "db"}, "clusterIP": "None", "ports": [
        {"name": "http", "port": 80, "targetPort": "http"}, {"name": "admin", "port": 9000}]});
    for (field, value) in spec.as_object().unwrap() {
        full[field] = value.clone();
    }
    serde_json::from_value(json!({"metadata": {"name": "db", "namespace": "shop", "uid": "1"}, "spec": full})).unwrap()
}

fn pod(name: &str, ready: bool, ending: bool, port: i32) -> Pod {
    let status = if ready { "True" } else { "False" };
    let deleted = ending.then_some("1970-01-01T00:00:00Z");
    let container = json!({"name": "c", "ports": [{"name": "http", "containerPort": port}]});
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "shop", "deletionTimestamp": deleted},
        "spec": {"containers": [container], "hostname": name, "subdomain": "db"},
        "status": {"podIP": "127.80.0.20", "conditions": [{"type": "Ready", "status": status}]}}))
    .unwrap()
}

#[test]
fn conditions_tell_ready_serving_and_terminating_apart() {
    for (publishes_all, ready, ending, expected) in [
        (false, true, false, (true, true, false)),
        (false, false, false, (false, false, false)),
        (false, true, true, (false, true, true)),
        (true, false, false, (true, false, false)),
        (true, true, true, (true, true, true)),
    ] {
        let service = service(&json!({"publishNotReadyAddresses": publishes_all}));
        let endpoint = endpoint(&service, &pod("db-0", ready, ending, 8080));
        let conditions = endpoint.conditions.unwrap();
        let found = (conditions.ready.unwrap(), conditions.serving.unwrap(), conditions.terminating.unwrap());
        assert_eq!(found, expected, "{publishes_all} {ready} {ending}");
        assert_eq!(endpoint.hostname.as_deref(), Some("db-0"));
    }
}

#[test]
fn pods_whose_named_ports_differ_are_in_slices_of_their_own() {
    let pods = [pod("db-0", true, false, 8080), pod("db-1", true, false, 8081), pod("db-2", true, false, 8080)];
    let slices = slices(&service(&json!({})), &pods);
    let shown: Vec<(Vec<Option<i32>>, usize)> = slices
        .iter()
        .map(|slice| {
            let ports = slice.ports.iter().flatten().map(|port| port.port).collect();
            (ports, slice.endpoints.iter().flatten().count())
        })
        .collect();
    assert_eq!(shown, [(vec![Some(8080), Some(9000)], 2), (vec![Some(8081), Some(9000)], 1)]);
    assert_eq!(slices[0].labels()[HEADLESS], "");
}

#[test]
fn older_subsets_name_the_pods_of_a_headless_service() {
    let pods = [pod("db-0", true, false, 8080), pod("db-1", false, false, 8080), pod("db-2", true, true, 8080)];
    let [subset] = &subsets(&service(&json!({})), &pods)[..] else { panic!("one subset") };
    let names = |list: &Option<Vec<EndpointAddress>>| {
        list.iter().flatten().filter_map(|address| address.hostname.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&subset.addresses), names(&subset.not_ready_addresses)),
        (vec!["db-0".into()], vec!["db-1".into()])
    );
}
