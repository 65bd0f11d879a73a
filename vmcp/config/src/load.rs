//! Reading the configuration from a file or a text.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::UserMessageFormatter;

use crate::{
    Config, Violation,
    keys::{SCHEMA, unknown_to},
    position::{Document, Position},
    types::wrong_types,
};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is read, and these things are wrong with it.
    #[error("{}", lines(origin, problems))]
    Invalid {
        /// Name of the file or text.
        origin: String,
        /// Everything that is wrong, in the order of the text.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key, such as `incomingAuth.oidc.issuer`; empty when the text as a whole is meant.
    pub path: String,
    /// Line and column, both from 1, where that is known.
    pub position: Option<Position>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.position {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

fn lines(origin: &str, problems: &[Problem]) -> String {
    let lines: Vec<_> = problems
        .iter()
        .map(|problem| {
            let separator = if problem.position.is_some() { "" } else { " " };
            format!("{origin}:{separator}{problem}")
        })
        .collect();
    lines.join("\n")
}

/// A kind of configuration file.
pub(crate) trait Checked: DeserializeOwned {
    /// The schema of this kind.
    fn schema() -> &'static Value;

    /// Every rule that the configuration breaks.
    fn violations(&self) -> Vec<Violation>;

    /// Every feature that this release does not serve, in a sentence that starts with the key.
    fn unserved(&self) -> Vec<String>;

    /// Paths of the files that the configuration names.
    fn files(&mut self) -> Vec<&mut String>;
}

impl Checked for Config {
    fn schema() -> &'static Value {
        &SCHEMA
    }

    fn violations(&self) -> Vec<Violation> {
        self.problems()
    }

    fn unserved(&self) -> Vec<String> {
        self.unsupported()
    }

    fn files(&mut self) -> Vec<&mut String> {
        let oidc = self.incoming_auth.as_mut().and_then(|auth| auth.oidc.as_mut());
        let provider = oidc.and_then(|oidc| oidc.ca_bundle_path.as_mut());
        let backends = self.backends.iter_mut().flatten().filter_map(|backend| backend.ca_bundle_path.as_mut());
        provider.into_iter().chain(backends).collect()
    }
}

/// Reads and checks the configuration file at `path`.
pub fn load(path: impl AsRef<Path>) -> Result<Config, ConfigError> {
    read(path.as_ref())
}

/// Reads and checks the configuration `text`; `origin` names it in messages.
pub fn parse(text: &str, origin: &str) -> Result<Config, ConfigError> {
    check(text, origin, Demand::Correct)
}

/// Checks `text`, which was read from the file at `path`: it must be right, and ask for nothing that this release does not
/// serve.
pub fn parse_file(text: &str, path: impl AsRef<Path>) -> Result<Config, ConfigError> {
    located(text, path.as_ref(), Demand::Served)
}

/// Tells everything that keeps a gateway from serving the configuration file at `path`: also the features that this release
/// does not have.
pub fn validate(path: impl AsRef<Path>) -> Result<(), ConfigError> {
    served::<Config>(path.as_ref())
}

/// What is asked of a configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// It breaks no rule.
    Correct,
    /// It also asks for nothing that this release does not serve.
    Served,
}

/// Reads and checks a configuration file of any kind.
pub(crate) fn read<T: Checked>(path: &Path) -> Result<T, ConfigError> {
    located(&text_of(path)?, path, Demand::Correct)
}

/// Checks the text of the file at `path`. Relative paths of files that it names are of its own folder.
pub(crate) fn located<T: Checked>(text: &str, path: &Path, demand: Demand) -> Result<T, ConfigError> {
    let mut config: T = check(text, &path.display().to_string(), demand)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for file in config.files() {
        *file = folder.join(&*file).to_string_lossy().into_owned();
    }
    Ok(config)
}

/// Tells everything that keeps a configuration file of any kind from being served.
pub(crate) fn served<T: Checked>(path: &Path) -> Result<(), ConfigError> {
    check::<T>(&text_of(path)?, &path.display().to_string(), Demand::Served).map(drop)
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

/// Reads and checks a configuration text of any kind.
pub(crate) fn check<T: Checked>(text: &str, origin: &str, demand: Demand) -> Result<T, ConfigError> {
    let invalid = |problems| ConfigError::Invalid { origin: origin.to_owned(), problems };
    let document = Document::read(text).map_err(|error| invalid(vec![syntax(&error)]))?;
    let mut problems: Vec<_> = unknown_to(T::schema(), &document.value)
        .into_iter()
        .map(|key| Problem { position: document.position(&key.path), message: key.message(), path: key.path })
        .collect();
    let placed = |violation: Violation| Problem {
        position: document.position(violation.path()),
        message: violation.to_string(),
        path: violation.path().to_owned(),
    };
    match serde_saphyr::from_str::<T>(text) {
        Ok(config) => {
            problems.extend(config.violations().into_iter().map(placed));
            if demand == Demand::Served {
                problems.extend(config.unserved().into_iter().map(|message| Problem {
                    path: String::new(),
                    position: message.split_whitespace().next().and_then(|key| document.position(key)),
                    message,
                }));
            }
            if problems.is_empty() {
                return Ok(config);
            }
        }
        Err(error) => match wrong_types(T::schema(), &document.value) {
            none if none.is_empty() => problems.push(syntax(&error)),
            wrong => problems.extend(wrong.into_iter().map(placed)),
        },
    }
    problems.sort_by_key(|problem| problem.position);
    Err(invalid(problems))
}

/// What the parser found, in one line.
fn syntax(error: &serde_saphyr::Error) -> Problem {
    let position = error.location().map(|location| (location.line(), location.column()));
    let text = error.without_snippet().render_with_formatter(&UserMessageFormatter);
    let message = text.lines().next().unwrap_or_default();
    // The parser repeats the position at the end of its message.
    let message = position
        .and_then(|(line, column)| message.strip_suffix(&format!(" at line {line}, column {column}")))
        .unwrap_or(message);
    Problem { path: String::new(), position, message: message.to_owned() }
}
