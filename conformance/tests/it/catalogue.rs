//! The catalogue marks what is verified, and by which scenarios.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use conformance::language::Library;

/// Set to anything, it makes the test write the catalogue instead of judging it.
const UPDATE: &str = "UPDATE_CATALOGUE";

#[test]
fn the_catalogue_names_the_scenarios_that_verify_each_behaviour() {
    let library = Library::embedded().unwrap();
    let mut verified: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for scenario in library.scenarios() {
        for behaviour in scenario.verifies() {
            verified.entry(behaviour).or_default().insert(&scenario.id);
        }
    }
    if std::env::var_os(UPDATE).is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/behaviours.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, marked(&text, &verified)).unwrap();
        return;
    }
    for behaviour in library.catalogue().behaviours() {
        let marked: BTreeSet<&str> = behaviour.scenarios.iter().map(String::as_str).collect();
        let expected = verified.remove(behaviour.id.as_str()).unwrap_or_default();
        assert_eq!(
            marked, expected,
            "scenarios/behaviours.yaml is stale at {}: run `{UPDATE}=1 cargo test -p conformance --test it catalogue`",
            behaviour.id
        );
    }
}

/// The catalogue's text with the `scenarios` of each row, which stand after its one-line `document`.
fn marked(text: &str, verified: &BTreeMap<&str, BTreeSet<&str>>) -> String {
    let mut lines = Vec::new();
    let mut row = "";
    for line in text.lines().filter(|line| !line.starts_with("  scenarios: ")) {
        lines.push(line.to_owned());
        if let Some(id) = line.strip_prefix("- id: ") {
            row = id;
        } else if line.starts_with("  document: ")
            && let Some(scenarios) = verified.get(row)
        {
            let scenarios: Vec<&str> = scenarios.iter().copied().collect();
            lines.push(format!("  scenarios: [{}]", scenarios.join(", ")));
        }
    }
    lines.join("\n") + "\n"
}
