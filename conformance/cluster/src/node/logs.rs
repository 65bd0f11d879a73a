//! What containers wrote, kept in memory: of each container the running and the previous process, also of pods that
//! have ended.

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

/// How many bytes of one process are kept, the newest.
const CAPACITY: usize = 4 << 20;

/// How many processes of one container are kept.
const GENERATIONS: usize = 2;

/// The longest line; a longer one is cut in several.
const LINE_LIMIT: u64 = 64 << 10;

/// One line, with its newline.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: Timestamp,
    pub(crate) text: Bytes,
}

/// What one process wrote.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Mutex<Lines>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Line>,
    bytes: usize,
    /// How many lines were dropped before the first kept one.
    dropped: usize,
    ended: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { lines: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl Log {
    /// Reads until the writer closes.
    pub(crate) async fn fill(&self, output: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while let Ok(1..) = tokio::io::AsyncReadExt::take(&mut reader, LINE_LIMIT).read_until(b'\n', &mut line).await {
            self.push(std::mem::take(&mut line));
        }
        self.end();
    }

    fn push(&self, text: Vec<u8>) {
        let mut lines = self.lines.lock();
        lines.bytes += text.len();
        lines.kept.push_back(Line { at: Timestamp::now(), text: text.into() });
        while lines.bytes > CAPACITY {
            let Some(oldest) = lines.kept.pop_front() else {
                break;
            };
            lines.bytes -= oldest.text.len();
            lines.dropped += 1;
        }
        drop(lines);
        self.changed.send_replace(());
    }

    /// No more will be written.
    pub(crate) fn end(&self) {
        self.lines.lock().ended = true;
        self.changed.send_replace(());
    }

    /// The lines from a position on, the position after them, and whether the log has ended.
    pub(crate) fn read(&self, from: usize) -> (Vec<Line>, usize, bool) {
        let lines = self.lines.lock();
        let skip = from.saturating_sub(lines.dropped).min(lines.kept.len());
        (lines.kept.iter().skip(skip).cloned().collect(), lines.dropped + lines.kept.len(), lines.ended)
    }

    /// Tells of new lines and of the end.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

/// The logs of all pods of a run. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logs {
    pods: Arc<Mutex<BTreeMap<(String, String), PodLogs>>>,
}

#[derive(Debug, Default)]
struct PodLogs {
    uid: String,
    /// By container, the oldest process first.
    containers: BTreeMap<String, VecDeque<Arc<Log>>>,
}

impl Logs {
    /// A new log for a process of a container. A pod of the same name that ended before is forgotten.
    pub(crate) fn open(&self, namespace: &str, pod: &str, uid: &str, container: &str) -> Arc<Log> {
        let mut pods = self.pods.lock();
        let logs = pods.entry((namespace.to_owned(), pod.to_owned())).or_default();
        if logs.uid != uid {
            *logs = PodLogs { uid: uid.to_owned(), containers: BTreeMap::new() };
        }
        let generations = logs.containers.entry(container.to_owned()).or_default();
        let log = Arc::new(Log::default());
        generations.push_back(Arc::clone(&log));
        while generations.len() > GENERATIONS {
            generations.pop_front();
        }
        log
    }

    /// The log of a container's last process, or of the one before.
    pub(crate) fn find(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<Arc<Log>> {
        let pods = self.pods.lock();
        let generations = pods.get(&(namespace.to_owned(), pod.to_owned()))?.containers.get(container)?;
        generations.iter().rev().nth(usize::from(previous)).cloned()
    }

    /// The container of a pod that has only one.
    pub(crate) fn only_container(&self, namespace: &str, pod: &str) -> Option<String> {
        let pods = self.pods.lock();
        let containers = &pods.get(&(namespace.to_owned(), pod.to_owned()))?.containers;
        let mut names = containers.keys();
        names.next().filter(|_| names.next().is_none()).cloned()
    }

    /// Everything kept of a pod, for people: each line behind the name of its container.
    pub(crate) fn text(&self, namespace: &str, pod: &str) -> String {
        let pods = self.pods.lock();
        let Some(logs) = pods.get(&(namespace.to_owned(), pod.to_owned())) else {
            return String::new();
        };
        let mut text = String::new();
        for (container, generations) in &logs.containers {
            for line in generations.iter().flat_map(|log| log.read(0).0) {
                let line = String::from_utf8_lossy(&line.text);
                text.extend(["[", container, "] ", line.trim_end_matches('\n'), "\n"]);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(log: &Log, from: usize) -> String {
        log.read(from).0.iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect()
    }

    #[tokio::test]
    async fn lines_are_read_from_a_position_on() {
        let log = Log::default();
        log.fill(&b"one\ntwo\nunfinished"[..]).await;
        assert_eq!(text(&log, 0), "one\ntwo\nunfinished");
        assert_eq!(text(&log, 1), "two\nunfinished");
        assert_eq!((log.read(3).1, log.read(3).2), (3, true));
    }

    #[tokio::test]
    async fn the_oldest_lines_are_dropped_when_a_log_is_full() {
        let log = Log::default();
        let line = [b"x".repeat(1 << 10), b"\n".to_vec()].concat();
        log.fill(line.repeat(5 << 10).as_slice()).await;
        let (lines, next, _) = log.read(0);
        assert_eq!(next, 5 << 10);
        assert!(lines.len() < 5 << 10 && lines.len() > 3 << 10);
    }

    #[test]
    fn the_previous_process_is_kept_and_a_new_pod_of_the_same_name_starts_anew() {
        let logs = Logs::default();
        for text in ["first", "second", "third"] {
            logs.open("shop", "web", "1", "c").push(text.into());
        }
        assert_eq!(text(&logs.find("shop", "web", "c", false).unwrap(), 0), "third");
        assert_eq!(text(&logs.find("shop", "web", "c", true).unwrap(), 0), "second");
        assert_eq!(logs.text("shop", "web"), "[c] second\n[c] third\n");
        logs.open("shop", "web", "2", "c");
        assert!(logs.find("shop", "web", "c", true).is_none());
    }
}
