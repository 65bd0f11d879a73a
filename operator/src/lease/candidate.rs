//! The decision: what a candidate does, given what it has seen of the Lease and the time that it is.

use std::{fmt, time::Duration};

use tokio::time::Instant;

/// The times of an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long a candidate must not have seen the Lease change before it takes it from its holder.
    pub duration: Duration,
    /// How long a leader works on after it asked for its last successful renewal. What `duration` is longer is the time
    /// that it has to end, and covers clocks that do not run equally fast.
    pub renew_deadline: Duration,
    /// The time between two attempts to acquire or to renew.
    pub retry: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// A version of the Lease, as far as an election looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its `resourceVersion`.
    pub version: String,
    /// Who holds it; `None` when it was released.
    pub holder: Option<String>,
    /// How long it lasts, as its holder says.
    pub duration: Duration,
    /// How often it has changed hands.
    pub transitions: i32,
}

/// A write that makes a candidate the holder, or keeps it the holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The version that it replaces; `None` when the Lease is to be created.
    pub replaces: Option<String>,
    /// How often the Lease has changed hands, this time included.
    pub transitions: i32,
    /// Whether the Lease is acquired by this, rather than renewed.
    pub acquires: bool,
}

/// What a candidate does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Look again after [`Terms::retry`].
    Wait,
    /// Write the Lease.
    Claim(Claim),
    /// Stop working: it leads no more.
    Lost(Loss),
}

/// Why a leader leads no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// It could not renew for this long.
    NotRenewed(Duration),
    /// Another took the Lease.
    Taken(String),
    /// Somebody released the Lease in its name.
    Released,
    /// Somebody deleted the Lease.
    Deleted,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRenewed(time) => write!(f, "it could not be renewed for {time:?}"),
            Self::Taken(holder) => write!(f, "{holder} holds it now"),
            Self::Released => f.write_str("its holder was cleared"),
            Self::Deleted => f.write_str("it was deleted"),
        }
    }
}

/// One who wants to lead.
#[derive(Debug, Clone)]
pub struct Candidate {
    identity: String,
    terms: Terms,
    /// The last version that it saw, and since when it has seen no other.
    seen: Option<(Record, Instant)>,
    /// Whether the Lease existed when it last looked; `None` when it has not looked yet.
    exists: Option<bool>,
    /// While it leads: when it asked for its last successful claim.
    renewed: Option<Instant>,
}

impl Candidate {
    /// A candidate that has not looked yet. No two candidates that live at the same time may share an identity.
    pub fn new(identity: impl Into<String>, terms: Terms) -> Self {
        Self { identity: identity.into(), terms, seen: None, exists: None, renewed: None }
    }

    /// Its name in the Lease.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Its times.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Takes in what the API server answered at `now`: the Lease, or that there is none.
    pub fn observe(&mut self, lease: Option<Record>, now: Instant) {
        self.exists = Some(lease.is_some());
        let Some(record) = lease else { return };
        match &self.seen {
            Some((seen, _)) if seen.version == record.version => {}
            _ => self.seen = Some((record, now)),
        }
    }

    /// Takes in that a claim, asked for at `asked`, had succeeded by `now`, with the Lease that it made.
    ///
    /// An answer that comes after the renewal deadline makes nobody a leader: others may have waited long enough.
    pub fn claimed(&mut self, record: Record, asked: Instant, now: Instant) {
        self.exists = Some(true);
        self.seen = Some((record, now));
        if self.renewed.is_some() || now < asked + self.terms.renew_deadline {
            self.renewed = Some(asked);
        }
    }

    /// Whether it may work at `now`.
    pub fn leads(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| now < deadline)
    }

    /// When it must have stopped working unless it renews before; `None` while it does not lead.
    pub fn deadline(&self) -> Option<Instant> {
        self.renewed.map(|renewed| renewed + self.terms.renew_deadline)
    }

    /// What to do at `now`.
    pub fn next(&self, now: Instant) -> Step {
        match self.renewed {
            Some(renewed) => self.next_as_leader(renewed, now),
            None => self.next_as_standby(now),
        }
    }

    fn next_as_leader(&self, renewed: Instant, now: Instant) -> Step {
        if !self.leads(now) {
            return Step::Lost(Loss::NotRenewed(now - renewed));
        }
        match &self.seen {
            Some((record, _)) if self.exists == Some(true) => match record.holder.as_deref() {
                Some(holder) if holder == self.identity => {
                    Step::Claim(Claim { acquires: false, ..claim(record, record.transitions) })
                }
                Some(holder) => Step::Lost(Loss::Taken(holder.to_owned())),
                None => Step::Lost(Loss::Released),
            },
            _ => Step::Lost(Loss::Deleted),
        }
    }

    fn next_as_standby(&self, now: Instant) -> Step {
        let Some(exists) = self.exists else { return Step::Wait };
        let Some((record, since)) = &self.seen else {
            return Step::Claim(Claim { replaces: None, transitions: 0, acquires: true });
        };
        let over = now >= *since + self.terms.duration.max(record.duration);
        match record.holder.as_deref() {
            // Whoever held a Lease that was deleted may not know yet.
            Some(holder) if holder != self.identity && !over => Step::Wait,
            _ if !exists => Step::Claim(Claim { replaces: None, transitions: 0, acquires: true }),
            Some(holder) if holder == self.identity => Step::Claim(claim(record, record.transitions)),
            _ => Step::Claim(claim(record, record.transitions.saturating_add(1))),
        }
    }
}

/// A claim that makes a new holder of what `record` says.
fn claim(record: &Record, transitions: i32) -> Claim {
    Claim { replaces: Some(record.version.clone()), transitions, acquires: true }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
