//! Reading a world file, and saying where it is wrong.

use serde_saphyr::Error as YamlError;
use thiserror::Error;

use super::World;

/// One mistake in a world file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line, counted from one; zero when the reader cannot tell.
    pub line: u64,
    /// Column, counted from one; zero when the reader cannot tell.
    pub column: u64,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A world file that cannot be used. It prints as `file:line:column: message` with an excerpt, for each mistake.
#[derive(Debug, Error)]
#[error("{}", self.render())]
pub struct WorldFileError {
    name: String,
    text: String,
    mistakes: Vec<Mistake>,
}

impl WorldFileError {
    /// The mistakes, in the order of the file.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    fn render(&self) -> String {
        let blocks: Vec<String> = self.mistakes.iter().map(|mistake| self.render_mistake(mistake)).collect();
        blocks.join("\n")
    }

    fn render_mistake(&self, mistake: &Mistake) -> String {
        let Mistake { line, column, message } = mistake;
        let excerpt = line.checked_sub(1).and_then(|index| self.text.lines().nth(usize::try_from(index).ok()?));
        let Some(excerpt) = excerpt else {
            return format!("{}: {message}", self.name);
        };
        let gutter = line.to_string();
        let indent = " ".repeat(gutter.len());
        let caret = " ".repeat(usize::try_from(column.saturating_sub(1)).unwrap_or_default());
        format!("{}:{line}:{column}: {message}\n {indent} |\n {gutter} | {excerpt}\n {indent} | {caret}^", self.name)
    }
}

impl World {
    /// Reads a world from the text of the file `name`, and refuses it with all that is wrong about it.
    pub fn from_yaml(name: &str, text: &str) -> Result<Self, WorldFileError> {
        let refuse = |mistakes| WorldFileError { name: name.to_owned(), text: text.to_owned(), mistakes };
        let world: Self = serde_saphyr::from_str(text).map_err(|error| refuse(vec![Mistake::from(&error)]))?;
        let mut mistakes: Vec<Mistake> = world.problems().into_iter().map(Mistake::from).collect();
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        if mistakes.is_empty() { Ok(world) } else { Err(refuse(mistakes)) }
    }
}

impl From<super::Problem> for Mistake {
    fn from(problem: super::Problem) -> Self {
        let (line, column) = problem.position.unwrap_or_default();
        Self { line, column, message: format!("{}: {}", problem.path, problem.message) }
    }
}

impl From<&YamlError> for Mistake {
    /// Says what the YAML reader found, and names the nearest key for one that does not exist.
    fn from(error: &YamlError) -> Self {
        let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
        Self { line, column, message: sentence(error.without_snippet()) }
    }
}

fn sentence(error: &YamlError) -> String {
    match error {
        YamlError::SerdeUnknownField { field, expected, .. } => unexpected("key", field, expected),
        YamlError::SerdeUnknownVariant { variant, expected, .. } => unexpected("value", variant, expected),
        YamlError::SerdeMissingField { field, .. } => format!("the key `{field}` is missing here"),
        other => {
            // The reader appends the place, which stands at the start of our line already.
            let text = other.to_string();
            let end = text.rfind(" at line ").unwrap_or(text.len());
            text[..end].to_owned()
        }
    }
}

fn unexpected(what: &str, found: &str, expected: &[&str]) -> String {
    let nearest = expected
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&found.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().max(found.len()) / 2);
    let known = expected.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    match nearest {
        Some((_, candidate)) => {
            format!("unknown {what} `{found}`: did you mean `{candidate}`? Known here: {known}")
        }
        None if expected.is_empty() => format!("unknown {what} `{found}`: none is known here"),
        None => format!("unknown {what} `{found}`: expected one of {known}"),
    }
}
