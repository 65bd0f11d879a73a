//! Reading a world file, and saying all that is wrong with it.
//!
//! A file becomes a tree that knows its places ([`tree`]). Included files are joined to it ([`sources`]) and templates are
//! replaced by what they stand for ([`template`]). Typed values are read from the tree ([`decode`]) past each mistake
//! ([`collect`]); what does not fit together is found last, and shown where its path leads ([`place`]).

mod collect;
mod decode;
mod place;
mod sentence;
mod sources;
mod template;
mod tree;

use std::path::Path;

use schemars::SchemaGenerator;
use serde::de::DeserializeOwned;
use thiserror::Error;

use self::collect::Finding;
use self::sources::{Source, Sources};
use self::tree::Node;
use super::World;

/// How much of a long line an excerpt shows on each side of the mistake.
const EXCERPT: usize = 100;

/// One mistake in a world file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: String,
    /// Line, counted from one; zero when the reader cannot tell.
    pub line: u64,
    /// Column, counted from one; zero when the reader cannot tell.
    pub column: u64,
    /// What is wrong, and what would be right.
    pub message: String,
    /// What stands there.
    excerpt: Option<Excerpt>,
}

/// Part of a line, and how far into it the mistake is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    text: String,
    caret: usize,
}

/// A world file that cannot be used. It prints as `file:line:column: message` with an excerpt, for each mistake.
#[derive(Debug, Error)]
#[error("{}", render(.0))]
pub struct WorldFileError(Vec<Mistake>);

/// Why there is no world.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("failed to read {file}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error(transparent)]
    Mistaken(#[from] WorldFileError),
}

impl WorldFileError {
    /// The mistakes, in the order of the file.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }

    fn new(sources: &[Source], mut findings: Vec<Finding>) -> Self {
        findings.sort();
        findings.dedup();
        Self(findings.into_iter().map(|finding| Mistake::new(sources, finding)).collect())
    }
}

impl World {
    /// Reads a world from the text of the file `name`, and refuses it with all that is wrong about it. It includes no other.
    pub fn from_yaml(name: &str, text: &str) -> Result<Self, WorldFileError> {
        let mut sources = Sources::default();
        let root = sources.text(name, text);
        read_world(sources, root)
    }

    /// Reads a world from a file and those that it includes, and refuses it with all that is wrong about them.
    pub fn from_file(path: &Path) -> Result<Self, ReadError> {
        let mut sources = Sources::default();
        let root =
            sources.file(path).map_err(|source| ReadError::Unreadable { file: path.display().to_string(), source })?;
        Ok(read_world(sources, root)?)
    }
}

/// Reads something else than a world, from a text called `name`, as a world is read.
pub(crate) fn read_value<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, WorldFileError> {
    let mut sources = Sources::default();
    let value = sources.text(name, text).and_then(|mut root| {
        let (value, findings) = collect::read(&mut root);
        sources.findings.extend(findings);
        value
    });
    match value {
        Some(value) if sources.findings.is_empty() => Ok(value),
        _ => Err(WorldFileError::new(&sources.all, sources.findings)),
    }
}

fn read_world(sources: Sources, root: Option<Node>) -> Result<World, WorldFileError> {
    let Sources { all, mut findings } = sources;
    let Some(mut root) = root else { return Err(WorldFileError::new(&all, findings)) };
    template::expand(&mut root, &mut findings);
    root.count_items();
    let (world, mistakes) = collect::read::<World>(&mut root);
    findings.extend(mistakes);
    let Some(world) = world else { return Err(WorldFileError::new(&all, findings)) };
    // What names something that is missing is not told when it may be missing because of a mistake.
    if findings.is_empty() || place::only_servers_lack_something(&root) {
        findings.extend(world.problems().iter().filter_map(|problem| place::finding(&root, problem)));
    }
    if findings.is_empty() { Ok(world) } else { Err(WorldFileError::new(&all, findings)) }
}

/// The schema of templates.
pub(super) fn template_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<template::Template>()
}

impl Mistake {
    fn new(sources: &[Source], (place, message): Finding) -> Self {
        let source = sources.get(place.file);
        let line = usize::try_from(place.line).ok().and_then(|line| line.checked_sub(1));
        let excerpt = source.zip(line).and_then(|(source, line)| {
            let column = usize::try_from(place.column).ok()?.saturating_sub(1);
            Some(Excerpt::new(source.text.lines().nth(line)?, column))
        });
        let file = source.map_or_else(String::new, |source| source.name.clone());
        Self { file, line: place.line, column: place.column, message, excerpt }
    }
}

impl Excerpt {
    fn new(line: &str, column: usize) -> Self {
        let start = column.saturating_sub(EXCERPT);
        Self { text: line.chars().skip(start).take(2 * EXCERPT).collect(), caret: column - start }
    }
}

fn render(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, column, message, excerpt } = self;
        let Some(Excerpt { text, caret }) = excerpt else {
            return write!(formatter, "{file}: {message}");
        };
        let gutter = line.to_string();
        let indent = " ".repeat(gutter.len());
        let caret = " ".repeat(*caret);
        write!(formatter, "{file}:{line}:{column}: {message}\n {indent} |\n {gutter} | {text}\n {indent} | {caret}^")
    }
}
