//! The programs of others that a target runs: one place that starts them, or prints what it would start.

use std::fmt;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::target::TargetError;

/// How many lines of what a program wrote to stderr an error shows.
const SHOWN_LINES: usize = 3;

/// A command line, and what the program reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    pub(super) program: &'static str,
    pub(super) arguments: Vec<String>,
    pub(super) stdin: Option<&'static str>,
}

impl Invocation {
    pub(super) fn new<'a>(program: &'static str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self { program, arguments: arguments.into_iter().map(str::to_owned).collect(), stdin: None }
    }

    /// Starts the program, waits for its end and returns what it wrote to stdout. Dropped, it kills the program.
    ///
    /// # Errors
    ///
    /// When the program cannot be started or ends without success: a sentence with its last words.
    pub(super) async fn run(&self) -> Result<String, TargetError> {
        let failed = |reason: String| TargetError::Tool { command: self.title(), reason };
        let mut child = Command::new(self.program)
            .args(&self.arguments)
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("{} cannot be started: {error}; is it on the PATH?", self.program)))?;
        let stdin = child.stdin.take();
        let feeding = async {
            if let (Some(mut stdin), Some(text)) = (stdin, self.stdin) {
                // A program that ends before it has read everything says why by its exit code.
                let _ = stdin.write_all(text.as_bytes()).await;
            }
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), feeding);
        let output = output.map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(format!("{}{}", output.status, last_words(&String::from_utf8_lossy(&output.stderr)))))
    }

    /// The program and its subcommand: what a reader recognises.
    fn title(&self) -> String {
        let words = self.arguments.iter().map(String::as_str).take_while(|word| !word.starts_with('-')).take(2);
        std::iter::once(self.program).chain(words).collect::<Vec<_>>().join(" ")
    }
}

/// As a shell reads it.
impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        for argument in &self.arguments {
            let is_plain = argument.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c));
            if is_plain && !argument.is_empty() {
                write!(f, " {argument}")?;
            } else {
                write!(f, " '{}'", argument.replace('\'', r"'\''"))?;
            }
        }
        match self.stdin {
            Some(text) => write!(f, " <<'END'\n{}\nEND", text.trim_end()),
            None => Ok(()),
        }
    }
}

/// The end of what a program wrote, as a part of a sentence.
fn last_words(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    if shown.is_empty() { String::new() } else { format!(": {}", shown.join(" / ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_a_shell_takes_it() {
        let plain = Invocation::new("helm", ["install", "a", "--set", "x=it's"]);
        assert_eq!(plain.to_string(), r"helm install a --set 'x=it'\''s'");
        assert_eq!(plain.title(), "helm install a");
        let fed = Invocation { stdin: Some("kind: Cluster\n"), ..Invocation::new("kind", ["create", "--config", "-"]) };
        assert_eq!(fed.to_string(), "kind create --config - <<'END'\nkind: Cluster\nEND");
    }

    #[test]
    fn an_error_shows_the_last_lines() {
        assert_eq!(last_words("a\nb\n\nc\nd\n"), ": b / c / d");
        assert_eq!(last_words(""), "");
    }
}
