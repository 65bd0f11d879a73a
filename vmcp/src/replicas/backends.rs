//! One client's sessions with backends, which its replicas share as they share its own.
//!
//! * **One opens.** Whoever needs a session asks the store first: for the one that there is, else for the claim to open it. The
//!   others wait for what comes of the claim, which holds for a bounded time. While the store is away a replica opens a
//!   session of its own.
//! * **One listens.** A backend tells what concerns no request on one stream, so that one replica holds the stream: the first that wants
//!   it. It passes on what it hears. The others stand by, and the next takes over when that one leaves or is gone.
//! * **A lost session** is opened again by the first who finds it lost; a ticket tells one opening from the next.
//! * **One ends it.** When the client's session ends, the first who asks for that sends DELETE. When the backend is configured anew, the last that
//!   used the session does. A replica that ends itself only leaves.
//!
//! A session belongs to the client's session, hence to its owner, and to the backend exactly as configured, credentials
//! included. One that is the client's own, behind a proxy, belongs to the place of the server alone: it goes on with other
//! credentials. What is kept is its id and what the backend offers; it is sealed.

use super::{Away, SessionStore, SharedSession};
use crate::offers::Offers;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How often a replica that stands by looks whether the one that listens is still there.
const STAND_BY: Duration = Duration::from_secs(15);

/// A backend as it is configured, or as far as a session with it does not outlive a change of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendKey {
    /// Its name.
    pub name: String,
    /// Changes with what is configured of it.
    pub identity: u64,
}

/// Tells one opening of a session from the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket(pub(super) String);

/// What another replica needs to go on with a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenedSession {
    /// The id that the backend gave, if it did.
    pub session_id: Option<String>,
    /// The MCP revision that the handshake agreed on.
    pub revision: String,
    /// What the backend offers.
    pub offers: Offers,
}

/// What a store knows of a session.
#[derive(Debug)]
pub enum Entry {
    /// It is open.
    Open(Ticket, OpenedSession),
    /// Another replica has the claim to open it, for so long at most.
    Claimed(Duration),
    /// It is the caller's to open.
    Yours,
    /// There is one that this replica cannot read.
    Unusable,
}

/// Holds the sessions with backends.
pub trait BackendSessions: Send + Sync {
    /// What is known of a session other than the `lost` one, or the claim to open it.
    fn enter<'a>(
        &'a self,
        id: &'a str,
        backend: &'a BackendKey,
        lost: Option<&'a Ticket>,
    ) -> BoxFuture<'a, Result<Entry, Away>>;

    /// Notes what came of a claim, and tells whoever waits. Returns nothing when it is not known to others: there is none, or the
    /// claim did not hold any more.
    fn opened<'a>(
        &'a self,
        id: &'a str,
        backend: &'a BackendKey,
        session: Option<&'a OpenedSession>,
    ) -> BoxFuture<'a, Result<Option<Ticket>, Away>>;

    /// Makes this replica the one that listens, unless another one that is there does. Returns whether it is; nothing when the
    /// session has ended.
    fn listen<'a>(
        &'a self,
        id: &'a str,
        backend: &'a BackendKey,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<Option<bool>, Away>>;

    /// Notes that this replica does not use the session any more, and lets another one listen. Returns whether nobody uses it now.
    fn leave<'a>(
        &'a self,
        id: &'a str,
        backend: &'a BackendKey,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<bool, Away>>;

    /// Whether the session is the caller's to end.
    fn release<'a>(
        &'a self,
        id: &'a str,
        backend: &'a BackendKey,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<bool, Away>>;
}

/// A client's session with one backend, as all replicas see it.
#[derive(Debug)]
pub struct SharedBackend {
    session: Arc<SharedSession>,
    backend: BackendKey,
}

/// What a replica that needs a session has to do.
#[derive(Debug)]
pub enum Entered {
    /// Go on with this one.
    Open(Ticket, OpenedSession),
    /// Open one, and say what came of it.
    Yours,
    /// Open one that the others do not know.
    Alone,
}

impl SharedBackend {
    pub(super) fn new(session: Arc<SharedSession>, backend: BackendKey) -> Self {
        Self { session, backend }
    }

    /// Where this replica starts to count its requests: two that have the same number would be one to the backend.
    pub fn numbers(&self) -> u64 {
        self.session.numbers()
    }

    /// Asks for the session, other than the `lost` one; waits while another replica opens it.
    pub async fn enter(&self, lost: Option<&Ticket>) -> Entered {
        self.settled(lost).await.unwrap_or(Entered::Alone)
    }

    /// The session, if there is one; it is nobody's to open. Waits while another replica asks.
    pub async fn opened_before(&self) -> Result<Option<(Ticket, OpenedSession)>, Away> {
        match self.settled(None).await? {
            Entered::Open(ticket, session) => return Ok(Some((ticket, session))),
            Entered::Yours => drop(self.store().opened(self.session.id(), &self.backend, None).await?),
            Entered::Alone => {}
        }
        Ok(None)
    }

    /// What is known of the session once nobody else has the claim to open it.
    async fn settled(&self, lost: Option<&Ticket>) -> Result<Entered, Away> {
        let mut told = self.session.backends();
        loop {
            told.mark_unchanged();
            match self.store().enter(self.session.id(), &self.backend, lost).await? {
                Entry::Open(ticket, session) => return Ok(Entered::Open(ticket, session)),
                Entry::Yours => return Ok(Entered::Yours),
                Entry::Unusable => return Ok(Entered::Alone),
                // The sender lives as long as the session that is held here.
                Entry::Claimed(rest) => drop(tokio::time::timeout(rest, told.changed()).await),
            }
        }
    }

    /// Says what came of opening the session. Without ticket it is this replica's alone.
    pub async fn opened(&self, session: Option<&OpenedSession>) -> Option<Ticket> {
        self.store().opened(self.session.id(), &self.backend, session).await.unwrap_or_default()
    }

    /// Waits until it is this replica's turn to listen to the backend, and returns whether it ever is: not so when the session
    /// has ended. `others` is called when another replica listens.
    pub async fn turn_to_listen(&self, ticket: &Ticket, others: impl Fn()) -> bool {
        let mut told = self.session.backends();
        loop {
            told.mark_unchanged();
            match self.store().listen(self.session.id(), &self.backend, ticket).await {
                Ok(Some(true)) => return true,
                Ok(None) => return false,
                Ok(Some(false)) | Err(Away) => others(),
            }
            // The sender lives as long as the session that is held here.
            let _ = tokio::time::timeout(STAND_BY, told.changed()).await;
        }
    }

    /// Uses the session no more. Returns whether no other replica does: while the store is away that is not known.
    pub async fn leave(&self, ticket: &Ticket) -> bool {
        self.store().leave(self.session.id(), &self.backend, ticket).await.unwrap_or_default()
    }

    /// Whether this replica is to end the session. While the store is away each one does.
    pub async fn release(&self, ticket: &Ticket) -> bool {
        self.store().release(self.session.id(), &self.backend, ticket).await.unwrap_or(true)
    }

    fn store(&self) -> &dyn SessionStore {
        self.session.store()
    }
}
