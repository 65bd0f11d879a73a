//! Files that commands write.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;

/// Names of the world as part of a file's name.
pub(super) fn file_name(name: &str) -> String {
    name.replace(|letter: char| !letter.is_alphanumeric() && !".-_".contains(letter), "-")
}

/// A file that only its owner can read.
pub(super) fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .with_context(|| format!("failed to write {}", file.display()))
}
