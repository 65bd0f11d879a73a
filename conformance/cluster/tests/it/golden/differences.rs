//! The known differences, and whether what was found agrees with them.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::compare::Difference;
use super::recording;

/// One known difference.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// `TOPIC/STEP`.
    step: String,
    /// The paths that differ; each covers all that lies below it.
    differs: Vec<String>,
    /// The reason.
    why: String,
    /// With which definitions only; otherwise with any.
    definitions: Option<Source>,
}

/// Where the definitions of topic 16 come from.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Source {
    Repository,
}

/// The list of known differences.
pub(super) struct Known(Vec<Entry>);

/// What the list says of a step's differences.
pub(super) enum Verdict {
    /// Just what is listed differs.
    AsListed,
    /// These differ and are not listed.
    Unlisted(Vec<Difference>),
    /// These are listed and do not differ.
    Vanished(Vec<String>),
}

impl Known {
    /// Reads the list, as it holds with the recorded definitions or with the repository's own.
    pub(super) fn load(recorded_definitions: bool) -> Self {
        let file = recording::folder().join("differences.yaml");
        let mut entries: Vec<Entry> = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        for entry in &entries {
            assert!(
                !entry.why.is_empty() && !entry.differs.is_empty(),
                "{}: a path or the reason is missing",
                entry.step
            );
        }
        entries.retain(|entry| !recorded_definitions || entry.definitions != Some(Source::Repository));
        Self(entries)
    }

    /// Compares what differs in a step with what is listed of it.
    pub(super) fn judge(&self, step: &str, found: &[Difference]) -> Verdict {
        let listed: Vec<&String> =
            self.0.iter().filter(|entry| entry.step == step).flat_map(|entry| &entry.differs).collect();
        let unlisted: Vec<Difference> = found
            .iter()
            .filter(|difference| !listed.iter().any(|path| covers(path, &difference.path)))
            .cloned()
            .collect();
        let vanished: Vec<String> = listed
            .into_iter()
            .filter(|path| !found.iter().any(|difference| covers(path, &difference.path)))
            .cloned()
            .collect();
        match (unlisted.is_empty(), vanished.is_empty()) {
            (true, true) => Verdict::AsListed,
            (false, _) => Verdict::Unlisted(unlisted),
            (true, false) => Verdict::Vanished(vanished),
        }
    }

    /// The steps of the list that were not among those replayed.
    pub(super) fn unknown_steps<'a>(&'a self, replayed: &BTreeSet<String>) -> Vec<&'a str> {
        self.0.iter().map(|entry| entry.step.as_str()).filter(|step| !replayed.contains(*step)).collect()
    }
}

/// Whether a listed path is the place or above it.
fn covers(listed: &str, path: &str) -> bool {
    path.strip_prefix(listed).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
