//! Our CRDs beside the published ones: every difference is on purpose.
//!
//! `TOOLHIVE_CRDS` names a folder with the CustomResourceDefinitions that others published for these kinds, one YAML
//! file each. What differs must stand in `differences.yaml`, with the decision or the reason; an entry of that list
//! that no longer differs is stale. Texts for people (descriptions, the messages of rules) are not compared.

mod facts;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::Path,
};

use facts::{Facts, PRESENT};
use serde::Deserialize;
use serde_json::{Value, json};

/// The reviewed list.
const REVIEWED: &str = include_str!("differences.yaml");

/// One difference on purpose, for each of `kinds` at each of `paths`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reviewed {
    kinds: Vec<String>,
    paths: Vec<String>,
    keyword: String,
    /// What is published; nothing when it says nothing there.
    #[serde(default)]
    published: Value,
    /// What we say; nothing when we say nothing there.
    #[serde(default)]
    ours: Value,
    reason: String,
}

/// One difference: kind, path, keyword, what is published, and what we say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    kind: String,
    path: String,
    keyword: String,
    published: String,
    ours: String,
}

impl Difference {
    fn new(kind: &str, path: &str, keyword: &str, published: &Value, ours: &Value) -> Self {
        let text = |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string() };
        Self {
            kind: kind.to_owned(),
            path: path.to_owned(),
            keyword: keyword.to_owned(),
            published: text(published),
            ours: text(ours),
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, path, keyword, published, ours } = self;
        write!(f, "{kind} {path}: {keyword} is {published} there and {ours} here")
    }
}

#[test]
fn every_difference_from_the_published_crds_is_on_purpose() {
    let Some(folder) = env::var_os("TOOLHIVE_CRDS") else {
        eprintln!("skipped: TOOLHIVE_CRDS does not name a folder with published CRDs to compare with");
        return;
    };
    let published = published(Path::new(&folder));
    assert!(!published.is_empty(), "{} holds no CRD", folder.display());
    let ours = operator_api::crds().into_iter().map(|crd| serde_json::to_value(crd).unwrap());
    let ours: BTreeMap<_, _> = ours.map(|crd| (kind(&crd), crd)).collect();
    let mut found = BTreeSet::new();
    for kind in published.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        match (published.get(kind), ours.get(kind)) {
            (Some(theirs), Some(ours)) => compare(kind, theirs, ours, &mut found),
            (theirs, ours) => {
                let there = |crd: Option<&Value>| crd.map_or(Value::Null, |_| json!(true));
                found.insert(Difference::new(kind, "", PRESENT, &there(theirs), &there(ours)));
            }
        }
    }
    let reviewed: BTreeSet<_> = reviewed().into_iter().collect();
    let mut report = String::new();
    for difference in found.difference(&reviewed) {
        writeln!(report, "not reviewed: {difference}").unwrap();
    }
    for difference in reviewed.difference(&found) {
        writeln!(report, "stale, remove it from differences.yaml: {difference}").unwrap();
    }
    assert!(report.is_empty(), "\n{report}");
    println!("{} kinds compared, {} differences on purpose", published.len(), found.len());
}

#[test]
fn a_difference_is_listed_once_and_with_its_reason() {
    let list: Vec<Reviewed> = serde_saphyr::from_str(REVIEWED).unwrap();
    for entry in &list {
        assert!(!entry.reason.trim().is_empty(), "{:?} {}: no reason", entry.paths, entry.keyword);
    }
    let all = reviewed();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "differences.yaml lists one twice");
}

#[test]
fn what_two_definitions_say_differently_is_found() {
    let crd = |schema: Value| {
        json!({"metadata": {}, "spec": {"names": {"kind": "A"}, "scope": "Namespaced", "versions": [
            {"name": "v1beta1", "schema": {"openAPIV3Schema": {"properties": {"spec": schema}}}}
        ]}})
    };
    let theirs = crd(json!({
        "required": ["a"],
        "properties": {"a": {"minimum": 1, "enum": ["x", "y"]}, "b": {"properties": {"c": {}}}},
        "x-kubernetes-validations": [{"rule": "self.a  ==\n'p  q'", "message": "one"}],
    }));
    let ours = crd(json!({
        "properties": {"a": {"minimum": 1.0, "enum": ["y", "x"]}, "d": {}},
        "x-kubernetes-validations": [{"rule": "self.a == 'p  q'", "message": "another"}],
    }));
    let mut found = BTreeSet::new();
    compare("A", &theirs, &ours, &mut found);
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "A spec.a: required is true there and nothing here",
            "A spec.b: present is true there and nothing here",
            "A spec.d: present is nothing there and true here",
        ]
    );
}

/// The CRDs in `folder`, by kind.
fn published(folder: &Path) -> BTreeMap<String, Value> {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    paths
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let crd: Value =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (kind(&crd), crd)
        })
        .collect()
}

fn kind(crd: &Value) -> String {
    crd["spec"]["names"]["kind"].as_str().unwrap().to_owned()
}

fn compare(kind: &str, theirs: &Value, ours: &Value, found: &mut BTreeSet<Difference>) {
    for version in ["v1alpha1", "v1beta1"] {
        let (theirs, ours) = (facts::of(theirs, version), facts::of(ours, version));
        let subjects: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
        for subject @ (path, keyword) in subjects {
            let (there, here) = (theirs.get(subject), ours.get(subject));
            // Of a field that only one side has, the field itself is the difference.
            let (whole, part) = (only_in(path, &theirs, &ours), keyword == PRESENT);
            if there != here && (whole.is_none() || (part && whole == Some(path.as_str()))) {
                let value = |fact: Option<&Value>| fact.cloned().unwrap_or_default();
                found.insert(Difference::new(kind, path, keyword, &value(there), &value(here)));
            }
        }
    }
}

/// The outermost field around `path` that only one side has, `path` itself included.
fn only_in<'a>(path: &'a str, theirs: &Facts, ours: &Facts) -> Option<&'a str> {
    let ends = path.char_indices().filter(|(_, character)| matches!(character, '.' | '[' | '{')).map(|(at, _)| at);
    ends.chain([path.len()]).map(|end| &path[..end]).find(|outer| {
        let subject = ((*outer).to_owned(), PRESENT.to_owned());
        theirs.contains_key(&subject) != ours.contains_key(&subject)
    })
}

fn reviewed() -> Vec<Difference> {
    let list: Vec<Reviewed> = serde_saphyr::from_str(REVIEWED).unwrap();
    let mut all = Vec::new();
    for entry in &list {
        for kind in &entry.kinds {
            for path in &entry.paths {
                all.push(Difference::new(kind, path, &entry.keyword, &entry.published, &entry.ours));
            }
        }
    }
    all
}
