//! Who may import whom. The two sides of a test share no code: a bug on both sides would be invisible.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each crate with those of ours that it may depend on, and those that only its tests may.
const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("operator", &["operator-api", "vmcp-config"], &["embedded-cluster"]),
    ("operator-api", &["vmcp-config"], &[]),
    ("vmcp", &["operator-api", "vmcp-config"], &["simulator"]),
    ("vmcp-config", &[], &[]),
    ("conformance", &["embedded-cluster", "simulator"], &[]),
    ("simulator", &[], &[]),
    ("embedded-cluster", &[], &[]),
];

#[test]
fn crates_import_each_other_only_as_the_architecture_allows() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let ours: BTreeSet<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let listed: BTreeSet<String> = ALLOWED.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(ours, listed, "every crate of the workspace has a rule");
    for package in &metadata.packages {
        let (_, normal, tests) = ALLOWED.iter().find(|(name, ..)| *name == package.name.as_str()).unwrap();
        for dependency in package.dependencies.iter().filter(|dependency| ours.contains(&dependency.name)) {
            let name = dependency.name.as_str();
            let in_tests = dependency.kind == DependencyKind::Development && tests.contains(&name);
            assert!(normal.contains(&name) || in_tests, "{} must not depend on {name}", package.name);
        }
    }
}
