//! Backends of the configuration itself.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use std::sync::Arc;

use serde_json::{Value, json};

use super::{World, configured, decider, entry, fixed_backend, names};
use crate::backend::EgressClass;
use crate::discovery::decide::{Decide, Objects};
use crate::discovery::fixed::{self, FixedError};
use crate::discovery::strategy::Strategies;

#[test]
fn backends_of_the_configuration_are_services_unless_they_say_entry() {
    let configured = [
        fixed_backend(json!({"name": "a", "url": "http://127.0.0.1:9/mcp", "transport": "streamable-http"})),
        fixed_backend(json!({"name": "b", "url": "https://b.example.com/sse", "transport": "sse", "type": "entry"})),
        fixed_backend(json!({"name": "c", "url": "http://c/mcp", "transport": "sse", "type": "remote-proxy"})),
    ];
    let backends = fixed::backends(&configured, |_| None);
    let kind = |name: &str| {
        let backend = backends[name].as_ref().unwrap();
        (backend.class, backend.is_remote_proxy)
    };
    assert_eq!(kind("a"), (EgressClass::Workload, false));
    assert_eq!(kind("b"), (EgressClass::Remote, false));
    assert_eq!(kind("c"), (EgressClass::Workload, true), "it is checked on request alone");
    let twice = [configured[0].clone(), configured[0].clone()];
    assert_eq!(fixed::backends(&twice, |_| None)["a"], Err(FixedError::Duplicate("a".to_owned())));
}

#[test]
fn one_broken_backend_of_the_configuration_is_left_out_with_its_reason() {
    let entry = |name: &str, change: Value| {
        let mut value = json!({"name": name, "url": "https://e.example.com", "transport": "sse", "type": "entry"});
        value.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        fixed_backend(value)
    };
    let configured = [
        entry("fine", json!({"headers": {"X-Tenant": "a"}, "headersFromEnv": {"X-Key": "KEY"}})),
        entry("no-ca", json!({"caBundlePath": "/nowhere/ca.crt"})),
        entry("no-variable", json!({"headersFromEnv": {"X-Key": "NONE"}})),
        entry("no-header", json!({"headers": {"Host": "x"}})),
    ];
    let fixed = fixed::backends(&configured, |name| (name == "KEY").then(|| "from-env".to_owned()));
    let mut decider = decider(Strategies::default(), fixed);
    let snapshot = decider.decide(&Objects::default());
    assert_eq!(names(&snapshot), ["fine"]);
    assert_eq!(snapshot.backends["fine"].headers.names().collect::<Vec<_>>(), ["x-key", "x-tenant"]);
    for (name, expected) in
        [("no-ca", "/nowhere/ca.crt"), ("no-variable", "environment variable NONE"), ("no-header", "Host")]
    {
        assert!(snapshot.left_out[name].contains(expected), "{:?}", snapshot.left_out);
    }
}

#[test]
fn a_backend_of_the_configuration_keeps_its_name() {
    let configured = [fixed_backend(json!({"name": "a", "url": "http://127.0.0.1:9/mcp", "transport": "sse"}))];
    let fixed = fixed::backends(&configured, |_| None);
    let mut world = World::new(vec![entry("a", json!({})), entry("b", json!({}))]);
    world.decider = decider(Strategies::default(), fixed);
    let snapshot = world.decide();
    assert_eq!(names(&snapshot), ["a", "b"]);
    assert_eq!(snapshot.backends["a"].url.port(), Some(9));
    assert!(snapshot.left_out["a"].contains("same name"));
}

#[test]
fn another_configuration_counts_at_once_and_keeps_what_is_the_same() {
    let backend = |name: &str, more: Value| {
        let mut value =
            json!({"name": name, "url": format!("https://{name}.example.com"), "transport": "sse", "type": "entry"});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fixed_backend(value)
    };
    let read = |backends: &[_]| fixed::backends(backends, |name| (name == "KEY").then(|| "value".to_owned()));
    let first = [backend("same", json!({})), backend("gone", json!({})), backend("changed", json!({}))];
    let mut decider = decider(Strategies::default(), read(&first));
    let before = decider.decide(&Objects::default());
    let changed = json!({"headersFromEnv": {"X-Key": "KEY"}});
    let second = [backend("same", json!({})), backend("changed", changed), backend("new", json!({}))];
    decider.configure(configured(Strategies::default(), read(&second)));
    let after = decider.decide(&Objects::default());
    assert_eq!(names(&after), ["changed", "new", "same"]);
    assert!(Arc::ptr_eq(&before.backends["same"], &after.backends["same"]));
    assert_ne!(before.backends["changed"], after.backends["changed"]);

    // What only other pods have replaces nothing here.
    let elsewhere = [
        backend("same", json!({"headersFromEnv": {"X-Key": "OTHER"}})),
        backend("changed", json!({"caBundlePath": "/nowhere/ca.crt"})),
    ];
    decider.configure(configured(Strategies::default(), read(&elsewhere)));
    let kept = decider.decide(&Objects::default());
    assert_eq!(
        (&kept.backends["same"], &kept.backends["changed"]),
        (&after.backends["same"], &after.backends["changed"])
    );
    assert_eq!((names(&kept), kept.left_out.len()), (vec!["changed", "same"], 0));
}
