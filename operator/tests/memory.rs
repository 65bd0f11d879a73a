//! What the operator's caches take of memory, counted by the allocator of this program, which the other tests do without.
#![allow(clippy::unwrap_used, clippy::panic)]

use kube::runtime::watcher;
use operator::runtime::{
    cache::{Cache, Part},
    references::Refers,
};
use operator_api::MCPServerEntry;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// An entry that the operator found Valid, as a watch brings it: one of 100 groups, made in another second than the entries
/// around it, and written by `kubectl apply`.
fn entry(number: usize) -> MCPServerEntry {
    let group = format!("group-{:03}", number % 100);
    let since = format!("2026-11-21T12:{:02}:{:02}Z", number / 60 % 60, number % 60);
    let spec = json!({
        "groupRef": {"name": group},
        "remoteUrl": format!("https://mcp-{number}.example.com/mcp"),
        "transport": "streamable-http",
        "headerForward": {"addPlaintextHeaders": {"X-Tenant-ID": format!("tenant-{number}")}},
    });
    let condition = |kind: &str, reason: &str, message: &str| -> Value {
        json!({
            "type": kind, "status": "True", "reason": reason, "message": message,
            "observedGeneration": 1, "lastTransitionTime": since,
        })
    };
    let object = json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1",
        "kind": "MCPServerEntry",
        "metadata": {
            "namespace": "tools", "name": format!("entry-{number:05}"), "generation": 1,
            "uid": format!("00000000-0000-4000-8000-{number:012}"),
            "resourceVersion": (10_000 + number).to_string(),
            "creationTimestamp": since,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json!({"spec": spec}).to_string()},
            "managedFields": [
                {
                    "manager": "kubectl-client-side-apply", "operation": "Update", "time": since,
                    "fieldsV1": {"f:spec": {"f:groupRef": {}, "f:headerForward": {}, "f:remoteUrl": {}, "f:transport": {}}},
                },
                {
                    "manager": operator::NAME, "operation": "Apply", "subresource": "status", "time": since,
                    "fieldsV1": {"f:status": {"f:observedGeneration": {}, "f:phase": {}}},
                },
            ],
        },
        "spec": spec,
        "status": {
            "observedGeneration": 1,
            "phase": "Valid",
            "conditions": [
                condition("RemoteURLValidated", "RemoteURLValid", "The remote URL may be called"),
                condition("GroupRefValidated", "GroupRefIsValid", &format!("MCPGroup {group:?} exists and is Ready")),
                condition("ExternalAuthConfigValidated", "AuthConfigNotConfigured", "No external auth config is referred to"),
                condition("CABundleRefValidated", "CABundleRefNotConfigured", "No CA bundle is referred to"),
                condition("Valid", "ConfigValid", "The entry can be used"),
            ],
        },
    });
    // As text, as it arrives: the capacity of lists depends on that.
    serde_json::from_str(&object.to_string()).unwrap()
}

#[test]
fn an_entry_takes_less_than_two_kibibytes() {
    /// Each costs the profiler a backtrace per block of memory.
    const COUNT: usize = 200;
    let mut cache = Cache::default();
    cache.index_by(MCPServerEntry::references);
    let _profiler = dhat::Profiler::builder().testing().trim_backtraces(Some(4)).build();
    let mut take = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            cache.event(&Part::All, watcher::Event::Apply(entry(number)));
        }
        dhat::HeapStats::get()
    };
    // What entries share is there after one of each group.
    let before = take(0..100);
    let after = take(100..100 + COUNT);
    let bytes = (after.curr_bytes - before.curr_bytes) / COUNT;
    let blocks = (after.curr_blocks - before.curr_blocks) / COUNT;
    println!("{bytes} bytes in {blocks} blocks");
    assert!(bytes < 2048, "an entry takes {bytes} bytes in {blocks} blocks");
}
