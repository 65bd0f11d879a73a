//! The sessions of clients with backends: a hash for each client's session.

use super::{Inner, RedisStore, millis};
use crate::replicas::backends::{BackendKey, BackendSessions, Entry, OpenedSession, Ticket};
use crate::replicas::{Away, SessionStore, Signal};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;
use uuid::Uuid;

/// How long a replica may take to open a session before another one opens it.
const CLAIM: Duration = Duration::from_secs(15);
/// What is sealed: a session with a backend.
const BACKEND: &str = "backend session";

/// What is kept of a session, with what it belongs to.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    backend: Cow<'a, str>,
    identity: u64,
    session: Cow<'a, OpenedSession>,
}

impl Inner {
    /// The name of a client's sessions with backends, and that of a backend in it.
    fn backend(&self, id: &str, backend: &BackendKey) -> (String, String) {
        let BackendKey { name, identity } = backend;
        (self.keys.backends(&self.digest(id)), self.vault.digest(format!("{identity}:{name}").as_bytes()))
    }

    fn seal_backend(&self, id: &str, key: &BackendKey, session: &OpenedSession) -> Result<String, Away> {
        let BackendKey { name, identity } = key;
        let kept = Kept { backend: Cow::Borrowed(name), identity: *identity, session: Cow::Borrowed(session) };
        self.vault.seal_value(BACKEND, id, &kept).map_err(|_| Away)
    }

    fn open_backend(&self, id: &str, key: &BackendKey, sealed: &str) -> Option<OpenedSession> {
        let kept: Kept<'_> = self.vault.open_value(BACKEND, id, sealed).ok()?;
        let is_its = kept.backend == key.name && kept.identity == key.identity;
        is_its.then(|| kept.session.into_owned())
    }
}

impl BackendSessions for RedisStore {
    fn enter<'a>(
        &'a self,
        id: &'a str,
        backend: &'a BackendKey,
        lost: Option<&'a Ticket>,
    ) -> BoxFuture<'a, Result<Entry, Away>> {
        async move {
            let inner = &self.inner;
            let (key, field) = inner.backend(id, backend);
            let mut enter = inner.scripts.enter.key(key);
            enter
                .arg(field)
                .arg(lost.map_or("", |lost| lost.0.as_str()))
                .arg(&inner.replica)
                .arg(millis(CLAIM))
                .arg(millis(inner.kept_for()));
            let known: Vec<String> = inner.link.ask(async |redis| enter.invoke_async(redis).await).await?;
            Ok(match known.as_slice() {
                [] => Entry::Yours,
                [ticket, rest] if ticket.is_empty() => {
                    Entry::Claimed(rest.parse().map_or(CLAIM, Duration::from_millis))
                }
                [ticket, sealed] => inner
                    .open_backend(id, backend, sealed)
                    .map_or(Entry::Unusable, |session| Entry::Open(Ticket(ticket.clone()), session)),
                _ => Entry::Unusable,
            })
        }
        .boxed()
    }

    fn opened<'a>(
        &'a self,
        id: &'a str,
        backend: &'a BackendKey,
        session: Option<&'a OpenedSession>,
    ) -> BoxFuture<'a, Result<Option<Ticket>, Away>> {
        async move {
            let inner = &self.inner;
            let (key, field) = inner.backend(id, backend);
            let sealed = session.map(|session| inner.seal_backend(id, backend, session)).transpose()?;
            let ticket = session.map(|_| Ticket(Uuid::new_v4().simple().to_string()));
            let mut opened = inner.scripts.opened.key(key);
            opened
                .arg(field)
                .arg(&inner.replica)
                .arg(ticket.as_ref().map_or("", |ticket| ticket.0.as_str()))
                .arg(sealed.unwrap_or_default())
                .arg(millis(inner.kept_for()))
                .arg(inner.keys.signals())
                .arg(inner.letter(id, Signal::Backend)?);
            let is_known = inner.link.ask(async |redis| opened.invoke_async::<bool>(redis).await).await?;
            Ok(ticket.filter(|_| is_known))
        }
        .boxed()
    }

    fn listen<'a>(
        &'a self,
        id: &'a str,
        backend: &'a BackendKey,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<Option<bool>, Away>> {
        async move {
            let inner = &self.inner;
            let mut gone = String::new();
            loop {
                let (key, field) = inner.backend(id, backend);
                let mut listen = inner.scripts.listen.key(key);
                listen.arg(field).arg(&ticket.0).arg(&inner.replica).arg(&gone);
                let listening: String = inner.link.ask(async |redis| listen.invoke_async(redis).await).await?;
                if listening.is_empty() {
                    return Ok(None);
                }
                if listening == inner.replica || listening == gone || self.is_alive(&listening).await? {
                    return Ok(Some(listening == inner.replica));
                }
                gone = listening;
            }
        }
        .boxed()
    }

    fn leave<'a>(
        &'a self,
        id: &'a str,
        backend: &'a BackendKey,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<bool, Away>> {
        async move {
            let inner = &self.inner;
            let (key, field) = inner.backend(id, backend);
            let mut leave = inner.scripts.leave.key(key);
            leave
                .arg(field)
                .arg(&ticket.0)
                .arg(&inner.replica)
                .arg(inner.keys.signals())
                .arg(inner.letter(id, Signal::Backend)?);
            inner.link.ask(async |redis| leave.invoke_async(redis).await).await
        }
        .boxed()
    }

    fn release<'a>(
        &'a self,
        id: &'a str,
        backend: &'a BackendKey,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<bool, Away>> {
        async move {
            let inner = &self.inner;
            let (key, field) = inner.backend(id, backend);
            let mut release = inner.scripts.release.key(key);
            release.arg(field).arg(&ticket.0).arg(millis(inner.kept_for()));
            inner.link.ask(async |redis| release.invoke_async(redis).await).await
        }
        .boxed()
    }
}
