//! The message that a container leaves at its end, for its status.
//!
//! `terminationMessagePath` stands for a file in the pod's folder, as a mountPath stands for a folder: it is found in the
//! command, the arguments and the environment.

use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Container;
use tokio::io::AsyncReadExt;

use crate::node::logs::Log;

/// How much of the file is read.
const FILE_LIMIT: u64 = 4096;

/// How much of the log stands for a missing message: so many bytes and so many lines at most.
const LOG_LIMIT: usize = 2048;
const LINE_LIMIT: usize = 80;

/// Makes the container's file anew; the path that programs know it by, and the file. None when the container has no path.
pub(super) async fn prepare(pod_folder: &Path, container: &Container) -> io::Result<Option<(String, PathBuf)>> {
    let Some(path) = container.termination_message_path.clone().filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let file = file(pod_folder, container);
    if let Some(folder) = file.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    tokio::fs::write(&file, b"").await?;
    Ok(Some((path, file)))
}

/// The message of a container that ended with `code`.
pub(super) async fn message(pod_folder: &Path, container: &Container, code: i32, log: &Log) -> Option<String> {
    let mut text = Vec::new();
    if let Ok(file) = tokio::fs::File::open(file(pod_folder, container)).await {
        // What cannot be read is as good as nothing written.
        let _ = file.take(FILE_LIMIT).read_to_end(&mut text).await;
    }
    let falls_back = container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
    if text.is_empty() && falls_back && code != 0 {
        text = end_of(log);
    }
    (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
}

fn file(pod_folder: &Path, container: &Container) -> PathBuf {
    pod_folder.join("termination-messages").join(&container.name)
}

/// The last lines of a log.
fn end_of(log: &Log) -> Vec<u8> {
    let (lines, _, _) = log.read(0);
    let first = lines.len().saturating_sub(LINE_LIMIT);
    let text: Vec<u8> = lines[first..].iter().flat_map(|line| line.text.iter().copied()).collect();
    text[text.len().saturating_sub(LOG_LIMIT)..].to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn container(policy: &str) -> Container {
        Container {
            name: "main".to_owned(),
            termination_message_path: Some("/dev/termination-log".to_owned()),
            termination_message_policy: Some(policy.to_owned()),
            ..Container::default()
        }
    }

    #[tokio::test]
    async fn the_file_comes_first_and_the_log_only_on_error() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::default();
        log.fill(&b"one\ntwo\n"[..]).await;
        let (plain, falls_back) = (container("File"), container("FallbackToLogsOnError"));
        let (path, file) = prepare(folder.path(), &plain).await.unwrap().unwrap();
        assert_eq!(path, "/dev/termination-log");
        assert_eq!(message(folder.path(), &plain, 1, &log).await, None);
        assert_eq!(message(folder.path(), &falls_back, 0, &log).await, None);
        assert_eq!(message(folder.path(), &falls_back, 1, &log).await.as_deref(), Some("one\ntwo\n"));
        tokio::fs::write(file, "written").await.unwrap();
        assert_eq!(message(folder.path(), &falls_back, 1, &log).await.as_deref(), Some("written"));
    }

    #[tokio::test]
    async fn a_long_log_is_cut_at_its_beginning() {
        let log = Log::default();
        log.fill("0123456789\n".repeat(500).as_bytes()).await;
        assert_eq!(end_of(&log).len(), LINE_LIMIT * 11);
        let log = Log::default();
        log.fill([b"x".repeat(5000), b"end\n".to_vec()].concat().as_slice()).await;
        let end = end_of(&log);
        assert!(end.len() == LOG_LIMIT && end.ends_with(b"end\n"));
    }
}
