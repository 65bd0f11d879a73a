//! A run: which scenarios, in which order, how many at once.

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use regex::Regex;
use serde::Deserialize;

use crate::diagnostic::{Diagnostic, Source};
use crate::language::{Isolation, Library, Profile, Scenario};
use crate::play::{PlayOptions, Played, Verdict, play};
use crate::target::Target;
use crate::yaml;

/// What a run plays.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Globs over ids; all scenarios when there is none.
    pub only: Vec<String>,
    /// What the implementation claims; everything when `None`.
    pub claims: Option<Claims>,
}

/// The profiles that an implementation claims.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    profiles: Vec<Profile>,
}

impl Claims {
    /// Reads a claims file: `profiles: [entry, virtual]`.
    pub fn read(path: &Path) -> Result<Self, Diagnostic> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Diagnostic::of_file(&name, format!("cannot be read: {error}")))?;
        let source = Source::new(name, text);
        let root = yaml::parse(&source)?;
        yaml::decode(&root).map_err(|error| source.diagnostic(error.at.unwrap_or(root.at), error.message))
    }
}

/// A pattern that selects nothing.
#[derive(Debug, thiserror::Error)]
#[error("no scenario matches `{0}`: `conformance list` shows all ids")]
pub struct NoMatch(String);

/// The scenarios that a run plays.
pub fn select(library: &Library, selection: &Selection) -> Result<Vec<Arc<Scenario>>, NoMatch> {
    if selection.only.is_empty() {
        return Ok(library.scenarios().to_vec());
    }
    let mut chosen: Vec<Arc<Scenario>> = Vec::new();
    for pattern in &selection.only {
        let glob = glob(pattern).ok_or_else(|| NoMatch(pattern.clone()))?;
        let matching: Vec<_> =
            library.scenarios().iter().filter(|scenario| glob.is_match(&scenario.id)).cloned().collect();
        if matching.is_empty() {
            return Err(NoMatch(pattern.clone()));
        }
        chosen.extend(matching);
    }
    chosen.sort_by(|a, b| a.id.cmp(&b.id));
    chosen.dedup_by(|a, b| a.id == b.id);
    Ok(chosen)
}

/// `*` stands for anything, `?` for one character.
fn glob(pattern: &str) -> Option<Regex> {
    let pattern = regex::escape(pattern).replace(r"\*", ".*").replace(r"\?", ".");
    Regex::new(&format!("^{pattern}$")).ok()
}

/// Why a scenario is not played at all.
pub fn left_out(scenario: &Scenario, selection: &Selection) -> Option<Played> {
    if let Some(reason) = &scenario.skip {
        return Some(Played::not(scenario, Verdict::Skipped, reason));
    }
    let claims = selection.claims.as_ref()?;
    if claims.profiles.contains(&scenario.profile) {
        return None;
    }
    let reason = format!("the profile {} is not claimed", scenario.profile.name());
    Some(Played::not(scenario, Verdict::Unsupported, reason))
}

/// Plays scenarios, `jobs` at once; those that need the cluster for themselves come last, one by one.
pub async fn run(
    target: &dyn Target,
    library: &Library,
    scenarios: &[Arc<Scenario>],
    jobs: usize,
    options: &PlayOptions,
    ended: impl Fn(&Played),
) -> Vec<Played> {
    let (beside, alone): (Vec<_>, Vec<_>) =
        scenarios.iter().partition(|scenario| scenario.isolation == Isolation::Namespace);
    let mut all = Vec::new();
    for (group, at_once) in [(beside, jobs.max(1)), (alone, 1)] {
        let mut playing = futures::stream::iter(group)
            .map(|scenario| play(target, library, scenario, options))
            .buffer_unordered(at_once);
        while let Some(played) = playing.next().await {
            ended(&played);
            all.push(played);
        }
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_glob_matches_whole_ids() {
        let matches = |pattern: &str, id: &str| glob(pattern).unwrap().is_match(id);
        assert!(matches("entry/*", "entry/minimal"));
        assert!(!matches("entry", "entry/minimal"));
        assert!(matches("*minimal", "entry/minimal"));
        assert!(!matches("entry.minimal", "entry/minimal"));
    }
}
