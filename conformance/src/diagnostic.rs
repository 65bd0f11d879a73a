//! What is wrong in a file, and where: `file:line:column` with the line and a caret.

use std::fmt;
use std::sync::Arc;

/// A place in a file, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// A text file that was read, with the name under which errors speak of it.
#[derive(Debug)]
pub struct Source {
    /// The path as users know it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A shared source.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// A line of the text, counted from 1.
    pub fn line(&self, line: u32) -> Option<&str> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.text.lines().nth(index)
    }

    /// Says `message` about a place in this file.
    pub fn diagnostic(&self, at: Position, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            file: self.name.clone(),
            at: Some(at),
            message: message.into(),
            excerpt: self.line(at.line).map(str::to_owned),
        }
    }
}

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's name.
    pub file: String,
    /// The place, when it is known.
    pub at: Option<Position>,
    /// What is wrong, what was expected and what to do.
    pub message: String,
    /// The line of the file.
    pub excerpt: Option<String>,
}

impl Diagnostic {
    /// Says `message` about a file as a whole.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { file: file.into(), at: None, message: message.into(), excerpt: None }
    }
}

impl std::error::Error for Diagnostic {}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.at else {
            return write!(formatter, "{}: {}", self.file, self.message);
        };
        write!(formatter, "{}:{at}: {}", self.file, self.message)?;
        if let Some(excerpt) = &self.excerpt {
            let number = at.line.to_string();
            let margin = " ".repeat(number.len());
            let caret = " ".repeat(usize::try_from(at.column.saturating_sub(1)).unwrap_or(0));
            write!(formatter, "\n{margin} |\n{number} | {excerpt}\n{margin} | {caret}^")?;
        }
        Ok(())
    }
}

/// The candidate that is nearest to a misspelled word, if any is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().max(word.len()) / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// ` (did you mean …?)`, or nothing when no candidate is near.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|candidate| format!(" (did you mean `{candidate}`?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_the_line_with_a_caret() {
        let source = Source::new("a.yaml", "one: 1\ntwo: x\n");
        let diagnostic = source.diagnostic(Position { line: 2, column: 6 }, "not a number");
        assert_eq!(diagnostic.to_string(), "a.yaml:2:6: not a number\n  |\n2 | two: x\n  |      ^");
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        assert_eq!(nearest("untill", ["until", "expect"]), Some("until"));
        assert_eq!(nearest("zebra", ["until", "expect"]), None);
    }
}
