//! `MCPServer`s and `MCPRemoteProxy` objects of the group.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use std::sync::Arc;

use serde_json::{Value, json};

use super::{World, auth_config, entry, names};
use crate::backend::{EgressClass, Transport};
use crate::discovery::member::{Member, MemberKind};

fn object(kind: MemberKind, name: &str, spec: Value, status: Value) -> Value {
    let mut full = match kind {
        MemberKind::Server => json!({"image": "example/server"}),
        _ => json!({"remoteUrl": "https://mcp.example.com/mcp"}),
    };
    full["groupRef"] = json!({"name": "tools"});
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let mut own = json!({"phase": "Ready", "observedGeneration": 1, "url": format!("http://{name}.ns.svc:8080")});
    own.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": kind.as_str(),
        "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"), "generation": 1},
        "spec": full, "status": own,
    })
}

fn workload(kind: MemberKind, name: &str, spec: Value, status: Value) -> Member {
    let object = object(kind, name, spec, status);
    match kind {
        MemberKind::Server => Member::Server(Arc::new(serde_json::from_value(object).unwrap())),
        MemberKind::RemoteProxy => Member::RemoteProxy(Arc::new(serde_json::from_value(object).unwrap())),
        MemberKind::Entry => panic!("an entry is no workload"),
    }
}

const WORKLOADS: [MemberKind; 2] = [MemberKind::Server, MemberKind::RemoteProxy];

fn put(world: &mut World, kind: MemberKind, name: &str, spec: Value, status: Value) {
    world.put_member(kind, name, workload(kind, name, spec, status));
}

#[test]
fn a_ready_workload_is_a_backend_at_the_path_of_its_transport() {
    let mut world = World::new(vec![]);
    let (server, proxy) = (MemberKind::Server, MemberKind::RemoteProxy);
    put(&mut world, server, "stdio", json!({}), json!({}));
    put(&mut world, server, "stdio-sse", json!({"proxyMode": "sse"}), json!({}));
    put(&mut world, server, "sse", json!({"transport": "sse"}), json!({}));
    put(&mut world, server, "http", json!({"transport": "streamable-http", "proxyMode": "sse"}), json!({}));
    put(&mut world, proxy, "proxy", json!({}), json!({"url": "http://proxy.ns.svc:8080/"}));
    put(&mut world, proxy, "proxy-sse", json!({"transport": "sse"}), json!({}));
    put(&mut world, proxy, "alone", json!({"groupRef": null}), json!({}));
    put(&mut world, proxy, "elsewhere", json!({"groupRef": {"name": "else"}}), json!({}));
    let snapshot = world.decide();
    let urls: Vec<_> = snapshot.backends.values().map(|backend| backend.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "http://http.ns.svc:8080/mcp",
            "http://proxy.ns.svc:8080/mcp",
            "http://proxy-sse.ns.svc:8080/sse",
            "http://sse.ns.svc:8080/sse",
            "http://stdio.ns.svc:8080/mcp",
            "http://stdio-sse.ns.svc:8080/sse",
        ]
    );
    assert!(snapshot.backends.values().all(|backend| backend.class == EgressClass::Workload));
    assert_eq!(snapshot.backends["proxy-sse"].transport, Transport::Sse);
    assert!(snapshot.left_out.is_empty(), "{:?}", snapshot.left_out);
}

#[test]
fn a_workload_that_does_not_serve_is_left_out_with_the_reason() {
    for kind in WORKLOADS {
        for (status, reason) in [
            (json!({"phase": "Pending"}), "it is not Ready yet"),
            (json!({"phase": null}), "it is not Ready yet"),
            (json!({"url": null}), "it is not Ready yet"),
            (json!({"observedGeneration": 0}), "it is not Ready yet"),
            (json!({"phase": "Failed", "message": "MCPGroup tools does not exist"}), "MCPGroup tools does not exist"),
            (json!({"phase": "Terminating"}), "its phase is Terminating"),
            (json!({"url": "nowhere"}), "status.url is not a URL"),
        ] {
            let mut world = World::new(vec![entry("b", json!({}))]);
            put(&mut world, kind, "a", json!({}), status.clone());
            let snapshot = world.decide();
            assert_eq!(names(&snapshot), ["b"], "{kind:?} {status}");
            assert_eq!(snapshot.left_out["a"], reason, "{kind:?} {status}");
            assert!(snapshot.synced);
        }
    }
}

#[test]
fn a_workload_stays_while_a_change_of_it_waits() {
    for kind in WORKLOADS {
        let mut world = World::new(vec![]);
        put(&mut world, kind, "a", json!({}), json!({}));
        let before = world.decide();
        put(&mut world, kind, "a", json!({"transport": "sse"}), json!({"observedGeneration": 0}));
        assert_eq!(world.decide(), before);
        put(&mut world, kind, "a", json!({"transport": "sse"}), json!({}));
        assert_eq!(world.decide().backends["a"].url.path(), "/sse");
        put(&mut world, kind, "a", json!({"transport": "sse"}), json!({"phase": "Failed"}));
        assert_eq!(names(&world.decide()), [""; 0]);
    }
}

#[test]
fn names_are_unique_across_kinds_and_a_clash_is_told() {
    let mut world = World::new(vec![entry("a", json!({})), entry("b", json!({}))]);
    put(&mut world, MemberKind::RemoteProxy, "a", json!({}), json!({}));
    let snapshot = world.decide();
    assert_eq!(names(&snapshot), ["a", "b"]);
    assert_eq!(snapshot.backends["a"].class, EgressClass::Workload);
    assert_eq!(
        snapshot.left_out["a"],
        "the MCPServerEntry of this name is not served, because an MCPRemoteProxy of the group has the same name: \
         rename one of them"
    );
    put(&mut world, MemberKind::RemoteProxy, "a", json!({"groupRef": {"name": "else"}}), json!({}));
    let snapshot = world.decide();
    assert_eq!(snapshot.backends["a"].class, EgressClass::Remote, "members of other groups hide nothing");
    assert!(snapshot.left_out.is_empty());
}

#[test]
fn a_workload_is_called_with_the_authentication_that_it_refers_to() {
    let mut world = World::new(vec![]);
    put(&mut world, MemberKind::RemoteProxy, "a", json!({"externalAuthConfigRef": {"name": "none"}}), json!({}));
    assert!(world.decide().left_out["a"].contains("not there or not Valid yet"));
    world.put_auth(auth_config("none", json!({"type": "unauthenticated"}), 1, 1, "True"));
    assert_eq!(world.decide().backends["a"].auth_config_ref.as_deref(), Some("none"));
}
