//! Which members of a group are backends, and when.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

mod fixed;
mod in_force;
mod references;
mod strategies;
mod workloads;

use std::sync::Arc;

use operator_api::{MCPExternalAuthConfig, MCPServerEntry};
use serde_json::{Value, json};

use super::decide::{Decide, Decider, Needed, Objects};
use super::fixed::Fixed;
use super::member::{Member, MemberKind};
use super::resolve::{Contents, Lookup};
use super::*;

/// An entry of group `tools` that the operator found Valid at its generation.
fn entry(name: &str, spec: Value) -> MCPServerEntry {
    let mut full = json!({
        "remoteUrl": format!("https://{name}.example.com/mcp"),
        "transport": "streamable-http",
        "groupRef": {"name": "tools"},
    });
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1",
        "kind": "MCPServerEntry",
        "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"), "generation": 1},
        "spec": full,
        "status": {"phase": "Valid", "observedGeneration": 1, "conditions": []},
    }))
    .unwrap()
}

fn status(mut entry: MCPServerEntry, generation: i64, observed: i64, phase: &str) -> MCPServerEntry {
    entry.metadata.generation = Some(generation);
    let failed = json!({
        "type": "GroupRefValidated", "status": "False", "reason": "GroupRefNotFound",
        "message": "MCPGroup tools does not exist", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let conditions = if phase == "Failed" { vec![failed] } else { vec![] };
    entry.status = Some(
        serde_json::from_value(json!({"phase": phase, "observedGeneration": observed, "conditions": conditions}))
            .unwrap(),
    );
    entry
}

fn auth_config(name: &str, spec: Value, generation: i64, observed: i64, valid: &str) -> MCPExternalAuthConfig {
    serde_json::from_value(json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1",
        "kind": "MCPExternalAuthConfig",
        "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"), "generation": generation},
        "spec": spec,
        "status": {"observedGeneration": observed, "conditions": [{
            "type": "Valid", "status": valid, "reason": "ValidationSucceeded", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]},
    }))
    .unwrap()
}

fn exchange_spec() -> Value {
    json!({"type": "tokenExchange", "tokenExchange": {
        "tokenUrl": "https://auth.example.com/token",
        "clientId": "gateway",
        "clientSecretRef": {"name": "client", "key": "secret"},
        "audience": "https://mcp.example.com",
        "scopes": ["mcp", "tools"],
        "subjectTokenType": "id_token",
    }})
}

fn contents(pairs: &[(&str, &str)]) -> Lookup<Contents> {
    Lookup::Found(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect())
}

/// Decides for the group `tools`.
fn decider(strategies: Strategies, fixed: Fixed) -> Decider {
    Decider::new(configured(strategies, fixed))
}

fn configured(strategies: Strategies, fixed: Fixed) -> Configured {
    let config = Config { group_ref: "tools".to_owned(), ..Config::default() };
    Configured { settings: Arc::new(Settings::of(&config)), strategies, fixed, ..Configured::default() }
}

/// The decision part with objects around it.
struct World {
    decider: Decider,
    objects: Objects,
    needed: Needed,
}

impl World {
    fn new(entries: Vec<MCPServerEntry>) -> Self {
        Self::with_strategies(entries, Strategies::default())
    }

    fn with_strategies(entries: Vec<MCPServerEntry>, strategies: Strategies) -> Self {
        let members = MemberKind::ALL.map(|kind| (kind, BTreeMap::new())).into();
        let objects = Objects { members, auth_configs: Some(BTreeMap::new()), ..Objects::default() };
        let decider = decider(strategies, BTreeMap::new());
        let mut world = Self { decider, objects, needed: Needed::default() };
        for entry in entries {
            world.put(entry);
        }
        world
    }

    fn put(&mut self, entry: MCPServerEntry) {
        let name = entry.metadata.name.clone().unwrap();
        self.put_member(MemberKind::Entry, &name, Member::Entry(Arc::new(entry)));
    }

    fn put_member(&mut self, kind: MemberKind, name: &str, member: Member) {
        self.objects.members.get_mut(&kind).unwrap().insert(name.to_owned(), member);
    }

    fn put_auth(&mut self, config: MCPExternalAuthConfig) {
        let name = config.metadata.name.clone().unwrap();
        self.objects.auth_configs.as_mut().unwrap().insert(name, Arc::new(config));
    }

    fn secret(&mut self, name: &str, found: Lookup<Contents>) {
        self.objects.referenced.secrets.insert(name.to_owned(), found);
    }

    fn config_map(&mut self, name: &str, found: Lookup<Contents>) {
        self.objects.referenced.config_maps.insert(name.to_owned(), found);
    }

    fn decide(&mut self) -> Snapshot {
        self.needed = self.decider.accept(&self.objects);
        self.decider.decide(&self.objects)
    }
}

fn fixed_backend(value: Value) -> vmcp_config::StaticBackend {
    serde_json::from_value(value).unwrap()
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.backends.keys().map(String::as_str).collect()
}

#[test]
fn valid_members_of_the_group_are_backends() {
    let other = entry("other", json!({"groupRef": {"name": "else"}}));
    let mut world = World::new(vec![entry("a", json!({})), entry("b", json!({"transport": "sse"})), other]);
    let snapshot = world.decide();
    assert_eq!(names(&snapshot), ["a", "b"]);
    assert_eq!(snapshot.left_out, BTreeMap::new());
    assert!(snapshot.synced);
    let backend = &snapshot.backends["a"];
    assert_eq!(backend.url.as_str(), "https://a.example.com/mcp");
    assert_eq!(backend.class, crate::backend::EgressClass::Remote);
    assert_eq!(backend.auth.kind(), "unauthenticated");
}

#[test]
fn nothing_is_synced_before_all_kinds_were_listed() {
    assert!(World::new(vec![]).decide().synced);
    let mut world = World::new(vec![]);
    world.objects.auth_configs = None;
    assert!(!world.decide().synced);
    for kind in MemberKind::ALL {
        let mut world = World::new(vec![]);
        world.objects.members.remove(&kind);
        assert!(!world.decide().synced, "{kind:?}");
    }
}

#[test]
fn an_entry_that_is_not_valid_is_left_out_with_the_operators_reason() {
    let failed = status(entry("a", json!({})), 1, 1, "Failed");
    let pending = status(entry("b", json!({})), 1, 1, "Pending");
    let mut unseen = entry("c", json!({}));
    unseen.status = None;
    let snapshot = World::new(vec![failed, pending, unseen, entry("d", json!({}))]).decide();
    assert_eq!(names(&snapshot), ["d"]);
    assert_eq!(snapshot.left_out["a"], "MCPGroup tools does not exist");
    assert_eq!(snapshot.left_out["b"], "the operator has not validated it yet");
    assert_eq!(snapshot.left_out["c"], "the operator has not validated it yet");
}

#[test]
fn a_changed_entry_is_taken_when_valid_at_its_current_generation() {
    let mut world = World::new(vec![entry("a", json!({}))]);
    world.decide();
    let changed = entry("a", json!({"remoteUrl": "https://new.example.com/mcp"}));
    world.put(status(changed.clone(), 2, 1, "Valid"));
    assert_eq!(world.decide().backends["a"].url.host_str(), Some("a.example.com"), "the previous one stays");
    world.put(status(changed.clone(), 2, 2, "Valid"));
    assert_eq!(world.decide().backends["a"].url.host_str(), Some("new.example.com"));
    world.put(status(changed, 3, 3, "Failed"));
    let snapshot = world.decide();
    assert_eq!(names(&snapshot), [""; 0]);
    assert!(snapshot.left_out.contains_key("a"));
}

#[test]
fn an_entry_that_moves_or_goes_is_gone_at_once() {
    let mut world = World::new(vec![entry("a", json!({})), entry("b", json!({}))]);
    world.decide();
    world.put(status(entry("a", json!({"groupRef": {"name": "else"}})), 2, 1, "Valid"));
    world.objects.members.get_mut(&MemberKind::Entry).unwrap().remove("b");
    let snapshot = world.decide();
    assert_eq!((names(&snapshot), snapshot.left_out.len()), (vec![], 0));
}

#[test]
fn an_entry_that_was_deleted_and_created_again_starts_anew() {
    let mut world = World::new(vec![entry("a", json!({}))]);
    world.decide();
    let mut again = status(entry("a", json!({})), 1, 0, "Pending");
    again.metadata.uid = Some("another".to_owned());
    world.put(again);
    assert_eq!(names(&world.decide()), [""; 0]);
}
