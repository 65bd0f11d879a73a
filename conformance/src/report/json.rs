//! `report.json`: a versioned object that implementers can publish.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::play::{Played, Verdict};

/// The version of the report's shape.
const SCHEMA_VERSION: u32 = 1;

/// A run's report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this shape.
    pub schema_version: u32,
    /// Which suite, in which version.
    pub suite: String,
    /// What it ran against.
    pub target: String,
    /// How many scenarios had which verdict.
    pub summary: Summary,
    /// Every scenario.
    pub scenarios: Vec<ScenarioEntry>,
    /// How many behaviours were verified.
    pub behaviours: Behaviours,
    /// Every behaviour of the catalogue.
    pub catalogue: Vec<CatalogueEntry>,
}

/// Counts of scenarios by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The verdicts' names.
pub struct Summary {
    pub passed: usize,
    pub failed: usize,
    pub unsupported: usize,
    pub skipped: usize,
    pub error: usize,
    /// How long the run took.
    pub seconds: f64,
}

/// One scenario.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioEntry {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub seconds: f64,
    /// Why it did not pass.
    pub message: Option<String>,
}

/// Counts of behaviours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // The verdicts' names.
pub struct Behaviours {
    pub total: usize,
    pub verified: usize,
    pub failed: usize,
    pub untested: usize,
}

/// What is known of a behaviour after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BehaviourVerdict {
    /// At least one step showed it, and none failed to.
    Verified,
    /// A step that should show it failed.
    Failed,
    /// No step showed it.
    Untested,
}

/// One behaviour.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueEntry {
    /// Its id.
    pub id: String,
    /// What is known of it.
    pub verdict: BehaviourVerdict,
    /// The scenarios whose steps speak of it.
    pub scenarios: BTreeSet<String>,
}

/// The report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write {}: {source}", path.display())]
pub struct ReportError {
    path: PathBuf,
    source: io::Error,
}

#[derive(Default)]
struct Shown {
    passed: bool,
    failed: bool,
    scenarios: BTreeSet<String>,
}

impl Report {
    /// The report of a run.
    pub fn new(target: &str, catalogue: &Catalogue, played: &[Played], took: Duration) -> Self {
        let mut summary = Summary { seconds: seconds(took), ..Summary::default() };
        for scenario in played {
            *match scenario.verdict {
                Verdict::Passed => &mut summary.passed,
                Verdict::Failed => &mut summary.failed,
                Verdict::Unsupported => &mut summary.unsupported,
                Verdict::Skipped => &mut summary.skipped,
                Verdict::Error => &mut summary.error,
            } += 1;
        }
        let catalogue = judge(catalogue, played);
        let count = |verdict| catalogue.iter().filter(|entry| entry.verdict == verdict).count();
        let behaviours = Behaviours {
            total: catalogue.len(),
            verified: count(BehaviourVerdict::Verified),
            failed: count(BehaviourVerdict::Failed),
            untested: count(BehaviourVerdict::Untested),
        };
        Self {
            schema_version: SCHEMA_VERSION,
            suite: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            target: target.to_owned(),
            summary,
            scenarios: played.iter().map(ScenarioEntry::of).collect(),
            behaviours,
            catalogue,
        }
    }

    /// Writes `report.json` into a folder, which is made when it is not there.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        let path = folder.join("report.json");
        let failed = |source| ReportError { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other).map_err(failed)?;
        std::fs::write(&path, text + "\n").map_err(failed)?;
        Ok(path)
    }
}

impl ScenarioEntry {
    fn of(played: &Played) -> Self {
        Self {
            id: played.id.clone(),
            title: played.title.clone(),
            verdict: played.verdict,
            seconds: seconds(played.took),
            message: played.message.clone(),
        }
    }
}

fn judge(catalogue: &Catalogue, played: &[Played]) -> Vec<CatalogueEntry> {
    let mut shown: BTreeMap<&str, Shown> = BTreeMap::new();
    for scenario in played {
        for proof in &scenario.proofs {
            for id in &proof.behaviours {
                let entry = shown.entry(id).or_default();
                entry.passed |= proof.passed;
                entry.failed |= !proof.passed;
                entry.scenarios.insert(scenario.id.clone());
            }
        }
    }
    catalogue
        .ids()
        .map(|id| {
            let shown = shown.remove(id).unwrap_or_default();
            CatalogueEntry {
                id: id.to_owned(),
                verdict: match (shown.passed, shown.failed) {
                    (_, true) => BehaviourVerdict::Failed,
                    (true, false) => BehaviourVerdict::Verified,
                    (false, false) => BehaviourVerdict::Untested,
                },
                scenarios: shown.scenarios,
            }
        })
        .collect()
}

/// Seconds with three decimals.
fn seconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1000.0).round() / 1000.0
}
