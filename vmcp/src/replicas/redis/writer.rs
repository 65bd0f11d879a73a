//! What is noted and told in order, without anybody waiting for it.

use super::connection::Unanswered;
use super::{INTEREST, INTERESTS, Inner, KEPT, KEPT_BYTES, KEPT_FOR, MESSAGE, READER, millis};
use crate::replicas::{Away, Interest, Signal, Write};
use redis::AsyncCommands;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How much may wait while Redis is away.
pub(super) const WAITING: usize = 4096;

/// How many connections may break with one and the same thing: it may be what breaks them.
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
    let mut link = inner.link.clone();
    let mut count = 0;
    while let Some(task) = tasks.recv().await {
        let (id, write) = match task {
            Task::Write(id, write) => (id, write),
            Task::Tell(waiting) => {
                // Nobody waits for ever.
                let _ = waiting.send(());
                continue;
            }
        };
        count += 1;
        for attempt in 1.. {
            if !link.connected().await {
                return;
            }
            match inner.write(&id, &write, count).await {
                Ok(()) => break,
                Err(Unanswered::Broken) if attempt < ATTEMPTS => {}
                Err(_) => {
                    tracing::warn!("something about a session could not be noted");
                    break;
                }
            }
        }
    }
}

impl Inner {
    /// Writes what is the `count`th thing that this replica writes.
    async fn write(&self, id: &str, write: &Write, count: u64) -> Result<(), Unanswered> {
        match write {
            Write::Said { stream, number, message, unless_waiting } => {
                let digest = if *unless_waiting { self.vault.digest(message) } else { String::new() };
                let sealed = self.vault.seal(MESSAGE, id, message).map_err(|_| Unanswered::Refused)?;
                let mut say = self.scripts.say.key(self.keys.stream(&self.digest(id), *stream));
                say.arg(number.map_or_else(String::new, |number| number.to_string()))
                    .arg(sealed)
                    .arg(KEPT)
                    .arg(KEPT_BYTES)
                    .arg(millis(self.kept_for()))
                    .arg(&self.replica)
                    .arg(self.keys.signals())
                    .arg(self.letter(id, Signal::Said(*stream)).map_err(|Away| Unanswered::Refused)?)
                    .arg(digest)
                    .arg(count);
                self.link.try_to_ask(async |redis| say.invoke_async::<()>(redis).await).await
            }
            Write::StreamEnded(stream) => {
                let mut end = self.scripts.end_stream.key(self.keys.stream(&self.digest(id), *stream));
                end.arg(&self.replica)
                    .arg(millis(KEPT_FOR))
                    .arg(self.keys.signals())
                    .arg(self.letter(id, Signal::Said(*stream)).map_err(|Away| Unanswered::Refused)?);
                self.link.try_to_ask(async |redis| end.invoke_async::<()>(redis).await).await
            }
            Write::Interest(interest) => {
                self.note_interest(id, interest).await?;
                self.tell(id, Signal::Interest(interest.clone())).await
            }
            Write::Signal(signal) => {
                if let Signal::Reading(reads) = signal {
                    self.note(id, READER, if *reads { &self.replica } else { "" }).await?;
                }
                self.tell(id, signal.clone()).await
            }
        }
    }

    async fn tell(&self, id: &str, signal: Signal) -> Result<(), Unanswered> {
        let (channel, letter) = (self.keys.signals(), self.letter(id, signal).map_err(|Away| Unanswered::Refused)?);
        self.link.try_to_ask(async |redis| redis.publish::<_, _, ()>(channel, letter).await).await
    }

    /// Notes what replicas find that come to know the session later.
    async fn note_interest(&self, id: &str, interest: &Interest) -> Result<(), Unanswered> {
        let sealed = match interest {
            Interest::Unsubscribed { .. } => String::new(),
            wanted => self.vault.seal_value(INTEREST, id, wanted).map_err(|_| Unanswered::Refused)?,
        };
        let field = match interest {
            Interest::Subscribed { uri, .. } | Interest::Unsubscribed { uri } => {
                format!("{INTERESTS}{}", self.vault.digest(uri.as_bytes()))
            }
            Interest::Level(_) => format!("{INTERESTS}level"),
        };
        self.note(id, &field, &sealed).await
    }

    async fn note(&self, id: &str, field: &str, value: &str) -> Result<(), Unanswered> {
        let mut note = self.scripts.note.key(self.keys.session(&self.digest(id)));
        note.arg(field).arg(value);
        self.link.try_to_ask(async |redis| note.invoke_async::<()>(redis).await).await
    }
}
