//! Sessions in Redis.
//!
//! A session is a hash: when it was used last, by the clock of Redis, and sealed what it is. A stream is a hash of its
//! newest messages. One channel carries the signals of all sessions of the gateway to all replicas, because there are few
//! replicas and many sessions. Redis 5 or newer has what this needs.

mod backends;
mod connection;
mod scripts;
mod writer;

use super::keys::Keys;
use super::signal::Letter;
use super::{
    Away, CreateError, Expiry, Handshake, Interest, OUTBOX, Page, Record, SessionStore, Signal, Stored, Vault, Write,
};
use crate::egress::Way;
use bytes::Bytes;
use connection::{Incoming, Link};
use futures::FutureExt;
use futures::future::BoxFuture;
use scripts::Scripts;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use vmcp_config::RedisAddress;
use writer::{Task, WAITING};

/// Messages of a stream that are kept; the oldest are dropped.
const KEPT: usize = 256;
/// Their size when sealed, but for the newest one.
const KEPT_BYTES: usize = 384 * 1024;
/// How long a stream is kept after its end.
const KEPT_FOR: Duration = Duration::from_mins(1);
/// How much longer a session is kept than it lives: whoever finds that it has ended, ends its sessions with backends.
const GRACE: Duration = Duration::from_mins(10);
/// Messages that are read at once.
const PAGE: usize = 32;

/// The field with the replica that serves the client's own stream.
const READER: &str = "reader";
/// The start of the fields with what the client wants to hear of.
const INTERESTS: &str = "interest:";
/// What is sealed: whose a session is.
const OWNER: &str = "owner";
/// What is sealed: what `initialize` agreed on.
const HANDSHAKE: &str = "handshake";
/// What is sealed: an interest.
const INTEREST: &str = "interest";
/// What is sealed: a message of a stream.
const MESSAGE: &str = "message";
/// What is sealed: a signal. It belongs to no session, because the receiver does not know yet whose it is.
const SIGNAL: &str = "signal";

/// Where Redis is, and how it is used.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Where it is.
    pub address: RedisAddress,
    /// How to get there.
    pub way: Way,
    /// The number of the database.
    pub db: u32,
    /// What the names of all keys start with; ends with a colon.
    pub key_prefix: String,
    /// The file with the password, if there is one. It is read again at each connection.
    pub password_file: Option<PathBuf>,
    /// A session that is not used for so long ends.
    pub ttl: Duration,
    /// How many sessions there may be, at all replicas together.
    pub cap: usize,
}

/// A signal of another replica, or the news that signals were missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// About a session.
    Signal(Letter),
    /// The connection was away: anything may have been told meanwhile.
    Missed,
}

/// The sessions of one gateway in Redis.
#[derive(Debug)]
pub struct RedisStore {
    inner: Arc<Inner>,
    tasks: mpsc::Sender<Task>,
}

#[derive(Debug)]
struct Inner {
    link: Link,
    keys: Keys,
    vault: Vault,
    scripts: Scripts,
    /// The name of this replica, new in each process.
    replica: String,
    ttl: Duration,
    cap: usize,
}

impl RedisStore {
    /// Sessions that `options` and `vault` lead to, and what other replicas tell. Connects in the background, again and
    /// again, until the receiver is dropped.
    pub(crate) fn open(options: RedisOptions, vault: Vault) -> (Self, mpsc::Receiver<Heard>) {
        let keys = Keys::new(&options.key_prefix, &vault);
        let replica = Uuid::new_v4().simple().to_string();
        let (ttl, cap) = (options.ttl, options.cap);
        let (link, incoming) = Link::open(options, vec![keys.signals(), keys.replica(&replica)]);
        let inner = Arc::new(Inner { link, keys, vault, scripts: Scripts::default(), replica, ttl, cap });
        let (sender, heard) = mpsc::channel(1024);
        tokio::spawn(hear(Arc::clone(&inner), incoming, sender));
        let (tasks, written) = mpsc::channel(WAITING);
        tokio::spawn(writer::run(Arc::clone(&inner), written));
        (Self { inner, tasks }, heard)
    }
}

/// Opens what other replicas tell.
async fn hear(inner: Arc<Inner>, mut incoming: mpsc::Receiver<Incoming>, heard: mpsc::Sender<Heard>) {
    loop {
        let incoming = tokio::select! {
            incoming = incoming.recv() => incoming,
            // Nobody hears any more: this replica ends, and the others shall see that.
            () = heard.closed() => return,
        };
        let Some(incoming) = incoming else { return };
        let news = match incoming {
            Incoming::Connected => Heard::Missed,
            Incoming::Message(text) => match inner.read_letter(&text) {
                // What another key has sealed is of another gateway, and what this replica has told it knows.
                Some(letter) if letter.from != inner.replica || matches!(letter.signal, Signal::Said(_)) => {
                    Heard::Signal(letter)
                }
                _ => continue,
            },
        };
        if heard.send(news).await.is_err() {
            return;
        }
    }
}

impl Inner {
    fn digest(&self, id: &str) -> String {
        self.vault.digest(id.as_bytes())
    }

    /// How long what belongs to a session is kept.
    fn kept_for(&self) -> Duration {
        self.ttl.saturating_add(GRACE)
    }

    fn seal_handshake(&self, id: &str, handshake: &Handshake) -> Result<String, Away> {
        self.vault.seal_value(HANDSHAKE, id, handshake).map_err(|_| Away)
    }

    fn letter(&self, id: &str, signal: Signal) -> Result<String, Away> {
        let letter = Letter { id: id.to_owned(), from: self.replica.clone(), signal };
        self.vault.seal_value(SIGNAL, "", &letter).map_err(|_| Away)
    }

    fn read_letter(&self, text: &[u8]) -> Option<Letter> {
        self.vault.open_value(SIGNAL, "", std::str::from_utf8(text).ok()?).ok()
    }

    /// Reads the fields of a session. One that another key has sealed is none of ours.
    fn stored(&self, id: &str, fields: &HashMap<String, String>) -> Option<Stored> {
        let owner = self.vault.open_value(OWNER, id, fields.get(OWNER)?).ok()?;
        let handshake = fields.get(HANDSHAKE).map(|sealed| self.vault.open_value(HANDSHAKE, id, sealed));
        let interests = fields.iter().filter(|(name, _)| name.starts_with(INTERESTS));
        let interests =
            interests.filter_map(|(_, sealed)| self.vault.open_value::<Interest>(INTEREST, id, sealed).ok());
        let read_at = fields.get(READER).filter(|reader| **reader != self.replica).cloned();
        let record = Record { owner, handshake: handshake.transpose().ok()? };
        Some(Stored { record, interests: interests.collect(), read_at })
    }
}

impl SessionStore for RedisStore {
    fn create<'a>(&'a self, id: &'a str, record: &'a Record) -> BoxFuture<'a, Result<(), CreateError>> {
        async move {
            let inner = &self.inner;
            let digest = inner.digest(id);
            let owner = inner.vault.seal_value(OWNER, id, &record.owner).map_err(|_| Away)?;
            let handshake = record.handshake.as_ref().map(|handshake| inner.seal_handshake(id, handshake));
            let handshake = handshake.transpose()?.unwrap_or_default();
            let mut create = inner.scripts.create.key(inner.keys.sessions());
            create
                .key(inner.keys.session(&digest))
                .arg(digest)
                .arg(millis(inner.ttl))
                .arg(millis(inner.kept_for()))
                .arg(inner.cap)
                .arg(owner)
                .arg(handshake);
            let has_room = inner.link.ask(async |redis| create.invoke_async::<bool>(redis).await).await?;
            if has_room { Ok(()) } else { Err(CreateError::Full) }
        }
        .boxed()
    }

    fn initialize<'a>(&'a self, id: &'a str, handshake: &'a Handshake) -> BoxFuture<'a, Result<(), CreateError>> {
        async move {
            let inner = &self.inner;
            let mut note = inner.scripts.note.key(inner.keys.session(&inner.digest(id)));
            note.arg(HANDSHAKE).arg(inner.seal_handshake(id, handshake)?);
            let lives = inner.link.ask(async |redis| note.invoke_async::<bool>(redis).await).await?;
            if lives { Ok(()) } else { Err(CreateError::Ended) }
        }
        .boxed()
    }

    fn load<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Stored>, Away>> {
        async move {
            let inner = &self.inner;
            let mut load = inner.scripts.load.key(inner.keys.session(&inner.digest(id)));
            load.arg(millis(inner.ttl));
            let fields = inner.link.ask(async |redis| load.invoke_async(redis).await).await?;
            Ok(inner.stored(id, &fields))
        }
        .boxed()
    }

    fn touch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Away>> {
        async move {
            let inner = &self.inner;
            let digest = inner.digest(id);
            let mut touch = inner.scripts.touch.key(inner.keys.sessions());
            touch
                .key(inner.keys.session(&digest))
                .key(inner.keys.backends(&digest))
                .key(inner.keys.stream(&digest, OUTBOX))
                .arg(digest)
                .arg(millis(inner.ttl))
                .arg(millis(inner.kept_for()));
            inner.link.ask(async |redis| touch.invoke_async(redis).await).await
        }
        .boxed()
    }

    fn expire<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Expiry, Away>> {
        async move {
            let inner = &self.inner;
            let digest = inner.digest(id);
            let mut expire = inner.scripts.expire.key(inner.keys.sessions());
            expire.key(inner.keys.session(&digest)).arg(digest).arg(millis(inner.ttl));
            Ok(match inner.link.ask(async |redis| expire.invoke_async::<u8>(redis).await).await? {
                0 => Expiry::Gone,
                1 => Expiry::Ended,
                _ => Expiry::Used,
            })
        }
        .boxed()
    }

    fn end<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), Away>> {
        async move {
            let inner = &self.inner;
            let digest = inner.digest(id);
            let mut end = inner.scripts.end.key(inner.keys.sessions());
            end.key(inner.keys.session(&digest))
                .key(inner.keys.stream(&digest, OUTBOX))
                .arg(digest)
                .arg(inner.keys.signals())
                .arg(inner.letter(id, Signal::Ended)?);
            inner.link.ask(async |redis| end.invoke_async::<()>(redis).await).await
        }
        .boxed()
    }

    fn read<'a>(&'a self, id: &'a str, stream: u64, from: Option<u64>) -> BoxFuture<'a, Result<Option<Page>, Away>> {
        async move {
            let inner = &self.inner;
            let mut read = inner.scripts.read.key(inner.keys.stream(&inner.digest(id), stream));
            read.arg(from.map_or_else(String::new, |from| from.to_string())).arg(PAGE).arg(stream == OUTBOX);
            let page: Vec<redis::Value> = inner.link.ask(async |redis| read.invoke_async(redis).await).await?;
            inner.page(id, &page)
        }
        .boxed()
    }

    fn write(&self, id: &str, write: Write) -> bool {
        let is_taken = self.tasks.try_send(Task::Write(id.to_owned(), write)).is_ok();
        if !is_taken {
            tracing::warn!("the session storage is away or too slow for too long, something about a session is lost");
        }
        is_taken
    }

    fn noted(&self) -> BoxFuture<'_, ()> {
        async move {
            let (so_far, waiting) = oneshot::channel();
            if self.tasks.send(Task::Tell(so_far)).await.is_ok() {
                // Without a writer nothing will be noted any more.
                let _ = waiting.await;
            }
        }
        .boxed()
    }

    fn is_alive<'a>(&'a self, replica: &'a str) -> BoxFuture<'a, Result<bool, Away>> {
        async move {
            let channel = self.inner.keys.replica(replica);
            let count = async |redis: &mut redis::aio::MultiplexedConnection| {
                redis::cmd("PUBSUB").arg("NUMSUB").arg(channel).query_async::<(String, u64)>(redis).await
            };
            Ok(self.inner.link.ask(count).await?.1 > 0)
        }
        .boxed()
    }

    fn was_reached(&self) -> bool {
        self.inner.link.was_there()
    }
}

impl Inner {
    /// Reads what the script `read` returns.
    fn page(&self, id: &str, values: &[redis::Value]) -> Result<Option<Page>, Away> {
        let number = |value: &redis::Value| redis::from_redis_value_ref::<u64>(value).map_err(|_| Away);
        let text = |value: &redis::Value| redis::from_redis_value_ref::<String>(value).map_err(|_| Away);
        let [_, has_ended, writer, messages @ ..] = values else { return Ok(None) };
        let mut page = Page { has_ended: number(has_ended)? == 1, writer: text(writer)?, messages: Vec::new() };
        for pair in messages.chunks_exact(2) {
            // What another key has sealed is nothing that can be told.
            if let Ok(message) = self.vault.open(MESSAGE, id, &text(&pair[1])?) {
                page.messages.push((number(&pair[0])?, Bytes::from(message)));
            }
        }
        Ok(Some(page))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
