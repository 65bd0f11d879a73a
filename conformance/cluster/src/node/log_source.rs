//! The node's logs as the API server gives them out.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};

use super::logs::{Line, Log, Logs};
use crate::logs::{LogError, LogOptions, LogSource, LogStream};

impl LogSource for Logs {
    fn logs<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        container: Option<&'a str>,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<LogStream, LogError>> {
        let found = match container {
            Some(container) => self.find(namespace, pod, container, options.previous),
            None => {
                self.only_container(namespace, pod).and_then(|name| self.find(namespace, pod, &name, options.previous))
            }
        };
        let container = container.unwrap_or("(default)");
        let missing = || {
            LogError::NotAvailable(if options.previous {
                format!("previous terminated container {container:?} in pod {pod:?} not found")
            } else {
                format!("container {container:?} in pod {pod:?} is waiting to start: ContainerCreating")
            })
        };
        let result = found.ok_or_else(missing).map(|log| stream(&log, &options));
        Box::pin(std::future::ready(result))
    }
}

/// Chunks of a log, one per line.
fn stream(log: &Arc<Log>, options: &LogOptions) -> BoxStream<'static, Bytes> {
    let (mut lines, next, _) = log.read(0);
    if let Some(since) = options.since {
        lines.retain(|line| line.at >= since);
    }
    if let Some(tail) = options.tail_lines {
        lines.drain(..lines.len().saturating_sub(tail));
    }
    let now = stream::iter(lines);
    let all = if options.follow { now.chain(follow(Arc::clone(log), next)).boxed() } else { now.boxed() };
    let timestamps = options.timestamps;
    let text = all.map(move |line| render(&line, timestamps));
    match options.limit_bytes {
        None => text.boxed(),
        Some(limit) => text
            .scan(limit, |left, chunk| {
                let part = chunk.slice(..chunk.len().min(*left));
                *left -= part.len();
                std::future::ready((!part.is_empty()).then_some(part))
            })
            .boxed(),
    }
}

/// The lines from a position on, until the log ends.
fn follow(log: Arc<Log>, from: usize) -> impl futures::Stream<Item = Line> + Send {
    let changed = log.subscribe();
    stream::unfold((log, changed, from, false), |(log, mut changed, from, ended)| async move {
        if ended {
            return None;
        }
        loop {
            changed.mark_unchanged();
            let (lines, next, ended) = log.read(from);
            if !lines.is_empty() || ended {
                return Some((stream::iter(lines), (log, changed, next, ended)));
            }
            changed.changed().await.ok()?;
        }
    })
    .flatten()
}

fn render(line: &Line, timestamps: bool) -> Bytes {
    if timestamps {
        let mut text = format!("{:.9} ", line.at).into_bytes();
        text.extend_from_slice(&line.text);
        return text.into();
    }
    line.text.clone()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn collect(logs: &Logs, options: LogOptions) -> Result<String, LogError> {
        let stream = logs.logs("shop", "web", None, options).await?;
        let chunks: Vec<Bytes> = stream.collect().await;
        Ok(String::from_utf8(chunks.concat()).unwrap())
    }

    #[tokio::test]
    async fn options_choose_a_part_of_the_log() {
        let logs = Logs::default();
        logs.open("shop", "web", "1", "c").fill(&b"old\n"[..]).await;
        logs.open("shop", "web", "1", "c").fill(&b"one\ntwo\nthree\n"[..]).await;
        let options = LogOptions::default();
        for (options, expected) in [
            (options.clone(), "one\ntwo\nthree\n"),
            (LogOptions { tail_lines: Some(1), ..options.clone() }, "three\n"),
            (LogOptions { limit_bytes: Some(5), ..options.clone() }, "one\nt"),
            (LogOptions { previous: true, ..options.clone() }, "old\n"),
            (LogOptions { follow: true, ..options.clone() }, "one\ntwo\nthree\n"),
        ] {
            assert_eq!(collect(&logs, options).await.unwrap(), expected);
        }
        let stamped = collect(&logs, LogOptions { timestamps: true, tail_lines: Some(1), ..options }).await.unwrap();
        assert!(stamped.ends_with("Z three\n"), "{stamped}");
    }

    #[tokio::test]
    async fn a_follower_gets_lines_as_they_are_written() {
        let logs = Logs::default();
        let log = logs.open("shop", "web", "1", "c");
        let options = LogOptions { follow: true, ..LogOptions::default() };
        let mut stream = logs.logs("shop", "web", Some("c"), options).await.unwrap();
        let (mut writer, reader) = tokio::io::duplex(64);
        let filling = tokio::spawn(async move { log.fill(reader).await });
        tokio::io::AsyncWriteExt::write_all(&mut writer, b"hello\n").await.unwrap();
        assert_eq!(stream.next().await.unwrap(), "hello\n");
        drop(writer);
        assert!(stream.next().await.is_none());
        filling.await.unwrap();
    }

    #[tokio::test]
    async fn a_container_that_has_not_started_has_no_log() {
        let error = collect(&Logs::default(), LogOptions::default()).await.unwrap_err();
        assert!(matches!(error, LogError::NotAvailable(_)));
    }
}
