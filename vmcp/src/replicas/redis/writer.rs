//! What is noted and told in order, without anybody waiting for it.

use super::connection::{Link, Unanswered};
use super::{INTEREST, INTERESTS, Inner, KEPT, KEPT_BYTES, KEPT_FOR, MESSAGE, READER, millis};
use crate::replicas::{Interest, Signal, Write};
use redis::{ErrorKind, Pipeline, RedisResult, ScriptInvocation, ServerErrorKind};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How much may wait while Redis is away, or until it has taken what came before.
pub(super) const WAITING: usize = 4096;

/// How much is written at once: one round trip each would be too slow for many sessions.
const AT_ONCE: usize = 128;
/// Its size, but for what comes last: Redis has to answer in time.
const BYTES_AT_ONCE: usize = 1024 * 1024;

/// How often the same is tried: it may be what breaks the connections.
const ATTEMPTS: u32 = 3;

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Task {
    /// Writes something about the session of this id.
    Write(String, Write),
    /// Says that it has come so far.
    Tell(oneshot::Sender<()>),
}

/// Writes what comes, in order, until nobody can send any more. What fails because Redis is away is tried again.
pub(super) async fn run(inner: Arc<Inner>, mut tasks: mpsc::Receiver<Task>) {
    let mut writer = Writer { inner: &inner, link: inner.link.clone(), count: 0, are_scripts_loaded: false };
    while let Some((writes, waiting)) = next(&mut tasks).await {
        if !writes.is_empty() && !writer.write(&writes).await {
            return;
        }
        for waiting in waiting {
            // Nobody waits for ever.
            let _ = waiting.send(());
        }
    }
}

struct Writer<'a> {
    inner: &'a Inner,
    link: Link,
    /// How much was written so far.
    count: u64,
    are_scripts_loaded: bool,
}

impl Writer<'_> {
    /// Writes all this, or gives it up. Returns false when nothing can be written any more.
    async fn write(&mut self, writes: &[(String, Write)]) -> bool {
        let mut commands = Vec::with_capacity(writes.len());
        for (id, write) in writes {
            self.count += 1;
            let Some(command) = self.inner.command(id, write, self.count) else {
                tracing::warn!("something about a session could not be sealed");
                continue;
            };
            commands.push(command);
        }
        for _ in 0..ATTEMPTS {
            if !self.link.connected().await {
                return false;
            }
            let Ok(answers) = self.inner.run(&commands, !self.are_scripts_loaded).await else { continue };
            self.are_scripts_loaded = !answers.iter().any(is_script_unknown);
            if self.are_scripts_loaded {
                for error in answers.into_iter().filter_map(Result::err) {
                    tracing::warn!(%error, "the session storage does not take something about a session");
                }
                return true;
            }
        }
        tracing::warn!(lost = commands.len(), "the session storage could not be told about sessions");
        true
    }
}

/// What is written at once, and who waits for that; nothing when nothing comes any more.
async fn next(tasks: &mut mpsc::Receiver<Task>) -> Option<(Vec<(String, Write)>, Vec<oneshot::Sender<()>>)> {
    let (mut writes, mut waiting, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut task = tasks.recv().await?;
    loop {
        match task {
            Task::Write(id, write) => {
                bytes += size(&write);
                writes.push((id, write));
            }
            Task::Tell(sender) => waiting.push(sender),
        }
        if writes.len() >= AT_ONCE || bytes >= BYTES_AT_ONCE {
            break;
        }
        match tasks.try_recv() {
            Ok(next) => task = next,
            Err(_) => break,
        }
    }
    Some((writes, waiting))
}

/// The bytes of the message that is written, if one is.
fn size(write: &Write) -> usize {
    match write {
        Write::Said { message, .. } => message.len(),
        Write::Signal(Signal::Answered(message) | Signal::Meanwhile { message, .. }) => message.len(),
        Write::Signal(_) | Write::StreamEnded(_) | Write::Interest(_) => 0,
    }
}

/// Redis forgets scripts when it starts again, all of them.
fn is_script_unknown(answer: &RedisResult<()>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
}

impl Inner {
    /// Runs scripts in this order.
    async fn run(&self, commands: &[ScriptInvocation<'_>], loads: bool) -> Result<Vec<RedisResult<()>>, Unanswered> {
        let mut pipeline = Pipeline::new();
        if loads {
            for script in [&self.scripts.say, &self.scripts.end_stream, &self.scripts.note] {
                pipeline.load_script(script).ignore();
            }
        }
        for command in commands {
            pipeline.invoke_script(command);
        }
        pipeline.ignore_errors();
        self.link.try_to_ask(async |redis| pipeline.query_async(redis).await).await
    }

    /// What Redis is told of the `count`th thing that this replica writes; nothing when that cannot be sealed.
    fn command(&self, id: &str, write: &Write, count: u64) -> Option<ScriptInvocation<'_>> {
        let stream = |stream| self.keys.stream(&self.digest(id), stream);
        match write {
            Write::Said { stream: number_of_stream, number, message, unless_waiting } => {
                let digest = if *unless_waiting { self.vault.digest(message) } else { String::new() };
                let mut say = self.scripts.say.key(stream(*number_of_stream));
                say.arg(number.map_or_else(String::new, |number| number.to_string()))
                    .arg(self.vault.seal(MESSAGE, id, message).ok()?)
                    .arg(KEPT)
                    .arg(KEPT_BYTES)
                    .arg(millis(self.kept_for()))
                    .arg(&self.replica)
                    .arg(self.keys.signals())
                    .arg(self.letter(id, Signal::Said(*number_of_stream)).ok()?)
                    .arg(digest)
                    .arg(count);
                Some(say)
            }
            Write::StreamEnded(number_of_stream) => {
                let mut end = self.scripts.end_stream.key(stream(*number_of_stream));
                end.arg(&self.replica)
                    .arg(millis(KEPT_FOR))
                    .arg(self.keys.signals())
                    .arg(self.letter(id, Signal::Said(*number_of_stream)).ok()?);
                Some(end)
            }
            Write::Interest(interest) => {
                let sealed = match interest {
                    Interest::Unsubscribed { .. } => String::new(),
                    wanted => self.vault.seal_value(INTEREST, id, wanted).ok()?,
                };
                self.note(id, &self.interest_field(interest), &sealed, Signal::Interest(interest.clone()))
            }
            Write::Signal(Signal::Reading(reads)) => {
                self.note(id, READER, if *reads { &self.replica } else { "" }, Signal::Reading(*reads))
            }
            Write::Signal(signal) => self.note(id, "", "", signal.clone()),
        }
    }

    /// The field with what replicas find of an interest that come to know the session later.
    fn interest_field(&self, interest: &Interest) -> String {
        match interest {
            Interest::Subscribed { uri, .. } | Interest::Unsubscribed { uri } => {
                format!("{INTERESTS}{}", self.vault.digest(uri.as_bytes()))
            }
            Interest::Level(_) => format!("{INTERESTS}level"),
        }
    }

    /// Notes or forgets a field of a session, if one is named, and tells the other replicas.
    fn note(&self, id: &str, field: &str, value: &str, signal: Signal) -> Option<ScriptInvocation<'_>> {
        let mut note = self.scripts.note.key(self.keys.session(&self.digest(id)));
        note.arg(field).arg(value).arg(self.keys.signals()).arg(self.letter(id, signal).ok()?);
        Some(note)
    }
}
