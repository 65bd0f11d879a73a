//! Playing one scenario: its world, its namespace, its steps, and what they showed.

mod admission;
mod bundle;
mod history;
mod http;
mod journal;
mod look;
mod redact;
mod session;
mod stage;
mod subscription;
mod surroundings;
mod trouble;
mod walk;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::language::{Library, Scenario};
use crate::target::Target;

pub use stage::Stage;
pub use trouble::{Failure, Trouble};
pub use walk::Proof;

/// What came of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Everything that it expects was seen.
    Passed,
    /// Something was not.
    Failed,
    /// The implementation does not claim the profile.
    Unsupported,
    /// It was not asked for.
    Skipped,
    /// The suite itself failed.
    Error,
}

impl Verdict {
    /// As in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unsupported => "unsupported",
            Self::Skipped => "skipped",
            Self::Error => "error",
        }
    }
}

/// A scenario that was played, or a reason why it was not.
#[derive(Clone, Debug)]
pub struct Played {
    /// The scenario's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
    /// Why it did not pass, in one line.
    pub message: Option<String>,
    /// What its steps proved.
    pub proofs: Vec<Proof>,
    /// The folder with everything about a failure.
    pub bundle: Option<PathBuf>,
}

impl Played {
    /// A scenario that was not played.
    pub fn not(scenario: &Scenario, verdict: Verdict, reason: impl Into<String>) -> Self {
        Self {
            id: scenario.id.clone(),
            title: scenario.title.clone(),
            verdict,
            took: Duration::ZERO,
            message: Some(reason.into()),
            proofs: Vec::new(),
            bundle: None,
        }
    }
}

/// Where failures are kept, and what is left behind.
#[derive(Clone, Debug, Default)]
pub struct PlayOptions {
    /// The folder for bundles of failed scenarios.
    pub bundles: Option<PathBuf>,
    /// Whether namespaces of failed scenarios stay.
    pub keep: bool,
}

/// Plays a scenario and cleans up after it.
pub async fn play(target: &dyn Target, library: &Library, scenario: &Scenario, options: &PlayOptions) -> Played {
    if let Some(reason) = target.cannot_play(scenario) {
        return Played::not(scenario, Verdict::Skipped, reason);
    }
    let start = Instant::now();
    let mut played = Played {
        id: scenario.id.clone(),
        title: scenario.title.clone(),
        verdict: Verdict::Passed,
        took: Duration::ZERO,
        message: None,
        proofs: Vec::new(),
        bundle: None,
    };
    let stage = match Stage::set(target, library, scenario).await {
        Ok(stage) => stage,
        Err(error) => {
            played.verdict = Verdict::Error;
            played.message = Some(error.to_string());
            played.took = start.elapsed();
            return played;
        }
    };
    let outcome = walk::walk(&stage).await;
    played.proofs = stage.proofs();
    if let Err(trouble) = outcome {
        played.verdict = trouble.verdict();
        played.message = Some(stage.redacted(&trouble.sentence(&scenario.source.name)));
        if let Some(folder) = &options.bundles {
            let folder = folder.join(scenario.id.replace('/', "."));
            match bundle::write(&stage, &folder, played.message.as_deref()).await {
                Ok(()) => played.bundle = Some(folder),
                Err(error) => tracing::warn!(%error, "the bundle of {} is not complete", scenario.id),
            }
        }
    }
    let stays = options.keep && played.verdict != Verdict::Passed;
    if !stays && let Err(error) = stage.strike().await {
        tracing::warn!(%error, "{} left something behind", scenario.id);
    }
    played.took = start.elapsed();
    played
}

/// Plays the steps of a stage that is set; says why not all of them passed.
pub async fn perform(stage: &Stage<'_>) -> Option<String> {
    let trouble = walk::walk(stage).await.err()?;
    Some(stage.redacted(&trouble.sentence(&stage.scenario.source.name)))
}
