//! The files of a world: the one that is named, and those that it includes.

use std::path::{Path, PathBuf};

use super::collect::Finding;
use super::sentence;
use super::tree::{Content, Node, Place};

/// A file that was read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
    /// Where it is; none for a text that came without a file.
    path: Option<PathBuf>,
}

/// The files that were read so far, and what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) all: Vec<Source>,
    pub(super) findings: Vec<Finding>,
}

impl Sources {
    /// The tree of a text that is in no file.
    pub(super) fn text(&mut self, name: &str, text: &str) -> Option<Node> {
        let source = Source { name: name.to_owned(), text: text.to_owned(), path: None };
        self.tree(source, &mut Vec::new())
    }

    /// The tree of a file, with what it includes in its place.
    pub(super) fn file(&mut self, path: &Path) -> std::io::Result<Option<Node>> {
        let source = open(path)?;
        Ok(self.tree(source, &mut Vec::new()))
    }

    fn tree(&mut self, source: Source, including: &mut Vec<usize>) -> Option<Node> {
        let file = self.all.len();
        let parsed = if is_empty(&source.text) { Ok(Node::empty(file)) } else { Node::parse(file, &source.text) };
        let in_a_file = source.path.is_some();
        self.all.push(source);
        let mut root = match parsed {
            Ok(root) => root,
            Err(error) => {
                let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
                self.findings.push((Place { file, line, column }, sentence::syntax(error.without_snippet())));
                return None;
            }
        };
        let Some(include) = root.take("include") else { return Some(root) };
        if !in_a_file {
            let message = "there are no files to include here: a world that is given as text says everything itself";
            self.findings.push((include.place, message.to_owned()));
            return Some(root);
        }
        including.push(file);
        let mut whole = Node::empty(file);
        whole.place = root.place;
        for node in self.named(include.value) {
            if let Some(included) = self.included(&node, including) {
                self.join(&mut whole, included);
            }
        }
        including.pop();
        self.join(&mut whole, root);
        Some(whole)
    }

    /// The files of an `include`: one, or a list.
    fn named(&mut self, node: Node) -> Vec<Node> {
        let named = match node.content {
            Content::List(items) => items,
            _ => vec![node],
        };
        let (texts, others): (Vec<_>, Vec<_>) =
            named.into_iter().partition(|node| matches!(node.content, Content::Text(_)));
        self.findings.extend(
            others.iter().map(|node| (node.place, format!("{}, where the name of a file was expected", node.kind()))),
        );
        texts
    }

    fn included(&mut self, node: &Node, including: &mut Vec<usize>) -> Option<Node> {
        let Content::Text(name) = &node.content else { return None };
        let path = Path::new(&self.all[*including.last()?].name).parent()?.join(name);
        let source = match open(&path) {
            Ok(source) => source,
            Err(error) => {
                self.findings.push((node.place, format!("failed to read {}: {error}", path.display())));
                return None;
            }
        };
        if including.iter().any(|file| self.all[*file].path == source.path) {
            self.findings.push((node.place, format!("{} includes itself by this", source.name)));
            return None;
        }
        // Two files may include a third: it is read once.
        let known = self.all.iter().any(|known| known.path == source.path);
        if known { None } else { self.tree(source, including) }
    }

    /// Adds a file's content to that of the files before it: lists grow, other keys are replaced.
    fn join(&mut self, whole: &mut Node, part: Node) {
        let (Content::Map(whole), Content::Map(part)) = (&mut whole.content, part.content) else {
            self.findings.push((part.place, "expected a mapping: the keys of a world".to_owned()));
            return;
        };
        for entry in part {
            let Some(known) = whole.iter_mut().find(|known| known.key == entry.key) else {
                whole.push(entry);
                continue;
            };
            match (&mut known.value.content, &entry.value.content) {
                (Content::List(items), Content::List(more)) => items.extend_from_slice(more),
                _ => *known = entry,
            }
        }
    }
}

/// Reads a file, under the name by which people call it.
fn open(path: &Path) -> std::io::Result<Source> {
    let text = std::fs::read_to_string(path)?;
    Ok(Source { name: path.display().to_string(), text, path: Some(path.canonicalize()?) })
}

/// Whether there is nothing but comments.
fn is_empty(text: &str) -> bool {
    text.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty())
}
