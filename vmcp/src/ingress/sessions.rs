//! All client sessions: their ids, limits, and who may use them.
//!
//! A session lives in this process. With a [`SessionStore`] it may live in other replicas too: then the store says
//! whether it lives at all, and what one replica has of it may be less than what another has.

use super::session::Session;
use crate::backend::Caller;
use crate::replicas::{Away, CreateError, Expiry, Handshake, Heard, Record, SessionStore, Signal, Stored};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use rand::Rng;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Random bytes of a session id.
const ID_BYTES: usize = 24;
/// How many idle sessions are ended at once: a backend that takes its time must not keep the others.
const ENDING: usize = 64;

/// Bounds on sessions.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// A session that is not used for so long ends.
    pub ttl: Duration,
    /// How many sessions there may be.
    pub cap: usize,
}

impl SessionLimits {
    /// How often is looked for sessions that have been idle for too long.
    pub(crate) fn reaping(&self) -> Duration {
        (self.ttl / 10).clamp(Duration::from_millis(10), Duration::from_mins(1))
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { ttl: Duration::from_mins(30), cap: 10_000 }
    }
}

/// All sessions of this process.
#[derive(Debug)]
pub struct Sessions {
    limits: SessionLimits,
    live: Mutex<HashMap<String, Arc<Session>>>,
    /// Where other replicas find them.
    store: Option<Arc<dyn SessionStore>>,
}

/// There are as many sessions as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server has no room for another session, try again later")]
pub struct FullError;

/// A session that a caller may use.
#[derive(Debug)]
pub(super) enum Found {
    /// It lives here, or is not initialized.
    Here(Arc<Session>),
    /// It was initialized at another replica, and this one has yet to make something of that.
    Elsewhere(Arc<Session>, Handshake),
}

impl Found {
    fn of(session: Arc<Session>, record: Record) -> Self {
        match record.handshake {
            Some(handshake) => Self::Elsewhere(session, handshake),
            None => Self::Here(session),
        }
    }
}

impl Sessions {
    /// No sessions yet, in the memory of this process.
    pub fn new(limits: SessionLimits) -> Self {
        Self { limits, live: Mutex::default(), store: None }
    }

    /// The same, which other replicas find in `store`.
    pub fn shared(limits: SessionLimits, store: Arc<dyn SessionStore>) -> Self {
        Self { store: Some(store), ..Self::new(limits) }
    }

    /// Whether the store was reached, where there is one: later it may come and go, and whoever needs no session is served.
    pub(super) fn were_reached(&self) -> bool {
        self.store.as_ref().is_none_or(|store| store.was_reached())
    }

    /// Starts a session that belongs to `caller`. Other replicas do not know it before it is [`noted`](Self::note).
    pub fn create(&self, caller: &Caller) -> Result<Arc<Session>, FullError> {
        let mut bytes = [0_u8; ID_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        let id = URL_SAFE_NO_PAD.encode(bytes);
        let session = Arc::new(Session::new(id.clone(), caller.principal.clone(), self.store.as_ref()));
        let mut live = self.live.lock();
        if live.len() >= self.limits.cap {
            return Err(FullError);
        }
        live.insert(id, Arc::clone(&session));
        Ok(session)
    }

    /// Lets other replicas find a session, and what was agreed on in it.
    pub(super) async fn note(&self, session: &Session, handshake: Option<Handshake>) -> Result<(), CreateError> {
        let Some(store) = &self.store else { return Ok(()) };
        match handshake {
            Some(handshake) if session.is_noted() => store.initialize(&session.id, &handshake).await,
            handshake => {
                store.create(&session.id, &Record { owner: session.owner.clone(), handshake }).await?;
                session.set_noted();
                Ok(())
            }
        }
    }

    /// The session of this id, if it lives and belongs to `caller`. To anyone else it does not exist, and does not count as
    /// used.
    pub(super) async fn find(&self, id: &str, caller: &Caller) -> Result<Option<Found>, Away> {
        let here = self.live.lock().get(id).cloned();
        if here.as_ref().is_some_and(|session| session.owner != caller.principal) {
            return Ok(None);
        }
        let Some(store) = &self.store else {
            return Ok(here.map(|session| {
                session.touch();
                Found::Here(session)
            }));
        };
        if let Some(session) = here {
            if !store.touch(id).await? {
                self.forget(&session);
                return Ok(None);
            }
            session.touch();
            if session.upstream().is_some() {
                return Ok(Some(Found::Here(session)));
            }
            // It may have been initialized at another replica.
            return Ok(store.load(id).await?.map(|stored| Found::of(session, stored.record)));
        }
        let Some(Stored { record, .. }) =
            store.load(id).await?.filter(|stored| stored.record.owner == caller.principal)
        else {
            return Ok(None);
        };
        if !store.touch(id).await? {
            return Ok(None);
        }
        let session = Arc::new(Session::new(id.to_owned(), record.owner.clone(), Some(store)));
        session.set_noted();
        // Another request may have been faster.
        let session = Arc::clone(self.live.lock().entry(id.to_owned()).or_insert(session));
        Ok(Some(Found::of(session, record)))
    }

    /// What other replicas have noted of a session, if it lives.
    pub(super) async fn stored(&self, session: &Session) -> Result<Option<Stored>, Away> {
        match &self.store {
            Some(store) => store.load(&session.id).await,
            None => Ok(None),
        }
    }

    /// Ends a session, at all replicas.
    pub async fn end(&self, session: &Session) {
        self.live.lock().remove(&session.id);
        if let Some(store) = &self.store
            && let Err(error) = store.end(&session.id).await
        {
            tracing::warn!(%error, "a session ended at this replica only");
        }
        session.end().await;
    }

    /// Lets go of a session that has ended at another replica.
    fn forget(&self, session: &Arc<Session>) {
        self.live.lock().remove(&session.id);
        let session = Arc::clone(session);
        tokio::spawn(async move { session.end().await });
    }

    /// Acts on what other replicas tell, as long as they do.
    pub(crate) async fn hear(&self, mut heard: mpsc::Receiver<Heard>) {
        while let Some(heard) = heard.recv().await {
            match heard {
                Heard::Missed => self.all().iter().for_each(|session| session.look()),
                Heard::Signal(letter) => {
                    let Some(session) = self.live.lock().get(&letter.id).cloned() else { continue };
                    if letter.signal == Signal::Ended { self.forget(&session) } else { session.hear(&letter) }
                }
            }
        }
    }

    /// All sessions at this moment.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.live.lock().values().cloned().collect()
    }

    /// Ends sessions that were idle for too long, for ever, and looks which of what is known of other replicas still holds.
    pub async fn reap(&self) {
        let period = self.limits.reaping();
        let mut ticks = tokio::time::interval(period);
        loop {
            ticks.tick().await;
            let (idle, used): (Vec<_>, Vec<_>) =
                self.all().into_iter().partition(|session| session.is_idle_everywhere(self.limits.ttl));
            stream::iter(idle).for_each_concurrent(ENDING, |session| self.expire(session)).await;
            let Some(store) = &self.store else { continue };
            // What goes on here, such as a long call, keeps a session alive everywhere. What goes on elsewhere is not
            // told back: the replicas would keep each other's sessions for ever.
            let used = used.into_iter().filter(|session| !session.is_idle(period));
            let touch = async |session: Arc<Session>| {
                // While the store is away nothing expires in it either. Its end at another replica may not have been heard.
                if session.is_noted() && store.touch(&session.id).await == Ok(false) {
                    self.forget(&session);
                }
            };
            stream::iter(used).for_each_concurrent(ENDING, touch).await;
            let look = async |session: Arc<Session>| session.look_at_reader().await;
            stream::iter(self.all()).for_each_concurrent(ENDING, look).await;
        }
    }

    /// Ends a session that was idle here for too long, unless it was used at another replica.
    async fn expire(&self, session: Arc<Session>) {
        // It may have been used while others ended, which takes as long as their backends do.
        if !session.is_idle_everywhere(self.limits.ttl) {
            return;
        }
        if let Some(store) = &self.store {
            match store.expire(&session.id).await {
                Ok(Expiry::Used) => return session.is_used_elsewhere(),
                Ok(Expiry::Ended | Expiry::Gone) => {}
                Err(Away) => return,
            }
        }
        tracing::debug!("ends an idle session");
        self.live.lock().remove(&session.id);
        session.end().await;
    }

    /// Ends all sessions, and with them the sessions at backends. Those that other replicas find go on there.
    pub async fn end_all(&self) {
        let sessions: Vec<_> = self.live.lock().drain().map(|(_, session)| session).collect();
        let end = async |session: &Session| match &self.store {
            Some(_) => session.leave().await,
            None => session.end().await,
        };
        futures::future::join_all(sessions.iter().map(|session| end(session))).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::egress::Reply;
    use crate::ingress::session::{BusyError, STOP_TIMEOUT};
    use crate::ingress::{Call, Unanswered, UpstreamSession};
    use crate::jsonrpc::Id;
    use bytes::Bytes;
    use futures::FutureExt;
    use futures::future::{BoxFuture, pending, ready};
    use tokio::time::Instant;

    /// A session with a backend that takes its time to end it.
    #[derive(Debug)]
    struct Slow;

    impl UpstreamSession for Slow {
        fn answer<'a>(
            &'a self,
            _: &'a Caller,
            _: &'a Call,
            _: mpsc::Sender<Bytes>,
        ) -> BoxFuture<'a, Result<Reply, Unanswered>> {
            pending().boxed()
        }

        fn take<'a>(&'a self, _: &'a Caller, _: Bytes) -> BoxFuture<'a, Result<(), Unanswered>> {
            ready(Ok(())).boxed()
        }

        fn close(&self) -> BoxFuture<'_, ()> {
            tokio::time::sleep(Duration::from_secs(5)).boxed()
        }
    }

    #[tokio::test]
    async fn to_anyone_else_a_session_does_not_exist() {
        let sessions = Sessions::new(SessionLimits::default());
        let id = sessions.create(&Caller::named("alice")).unwrap().id.clone();
        let mut same_name_elsewhere = Caller::named("alice");
        same_name_elsewhere.principal.as_mut().unwrap().issuer = "https://other.example".to_owned();
        for (caller, exists) in [
            (Caller::named("alice"), true),
            (Caller::named("bob"), false),
            (Caller::anonymous(), false),
            (same_name_elsewhere, false),
        ] {
            assert_eq!(sessions.find(&id, &caller).await.unwrap().is_some(), exists, "{caller:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_lives_while_it_is_used_or_works() {
        let limits = SessionLimits { ttl: Duration::from_mins(30), cap: 10 };
        let sessions = Sessions::new(limits);
        let caller = Caller::anonymous();
        let (used, working, idle) =
            (sessions.create(&caller).unwrap(), sessions.create(&caller).unwrap(), sessions.create(&caller).unwrap());
        let in_flight = working.begin(&Id::from(1)).unwrap();
        tokio::select! {
            () = sessions.reap() => {}
            () = async {
                for _ in 0..4 {
                    tokio::time::sleep(Duration::from_mins(10)).await;
                    used.touch();
                }
            } => {}
        }
        assert!(!used.ended.is_cancelled() && !working.ended.is_cancelled() && idle.ended.is_cancelled());
        drop(in_flight);
        assert!(sessions.find(&working.id, &caller).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_used_before_its_turn_to_end_comes_lives_on() {
        let limits = SessionLimits { ttl: Duration::from_mins(30), cap: ENDING + 1 };
        let sessions = Sessions::new(limits);
        let idle = || {
            let session = sessions.create(&Caller::anonymous()).unwrap();
            session.attach(Arc::new(Slow)).unwrap();
            session
        };
        let idle: Vec<_> = (0..=ENDING).map(|_| idle()).collect();
        tokio::select! {
            () = sessions.reap() => {}
            () = async {
                tokio::time::sleep(limits.ttl + Duration::from_secs(1)).await;
                let last = idle.iter().find(|session| !session.ended.is_cancelled()).unwrap();
                last.touch();
                tokio::time::sleep(Duration::from_mins(1)).await;
                assert!(!last.ended.is_cancelled() && sessions.all().len() == 1);
            } => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_after_its_requests_and_takes_no_more() {
        let sessions = Sessions::new(SessionLimits::default());
        let session = sessions.create(&Caller::anonymous()).unwrap();
        let in_flight = session.begin(&Id::from(1)).unwrap();
        let mut end = std::pin::pin!(sessions.end(&session));
        let mut again = std::pin::pin!(sessions.end(&session));
        assert!(futures::poll!(&mut end).is_pending(), "a request is under way");
        assert!(futures::poll!(&mut again).is_pending(), "whoever else ends it waits too");
        assert!(in_flight.cancelled.is_cancelled());
        assert_eq!(session.begin(&Id::from(2)).err(), Some(BusyError::Ended));
        drop(in_flight);
        assert!(futures::poll!(&mut end).is_ready() && futures::poll!(&mut again).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_stop_keeps_its_session_for_a_bounded_time() {
        let sessions = Sessions::new(SessionLimits { ttl: Duration::from_mins(30), cap: 10 });
        let session = sessions.create(&Caller::anonymous()).unwrap();
        let _stuck = session.begin(&Id::from(1)).unwrap();
        let started = Instant::now();
        sessions.end(&session).await;
        assert_eq!(started.elapsed(), STOP_TIMEOUT);
        assert!(sessions.all().is_empty());
    }

    #[test]
    fn requests_under_way_are_told_apart_and_bounded() {
        let sessions = Sessions::new(SessionLimits::default());
        let session = sessions.create(&Caller::anonymous()).unwrap();
        let first = session.begin(&Id::from(0)).unwrap();
        assert_eq!(session.begin(&Id::from(0)).err(), Some(BusyError::IdInUse));
        let others: Vec<_> = (1..256).map(|id| session.begin(&Id::from(id)).unwrap()).collect();
        assert_eq!(session.begin(&Id::from(999)).err(), Some(BusyError::TooMany));
        session.cancel(&Id::from(0));
        assert!(first.cancelled.is_cancelled() && others.iter().all(|other| !other.cancelled.is_cancelled()));
        drop(first);
        assert!(session.begin(&Id::from(0)).is_ok());
    }
}
