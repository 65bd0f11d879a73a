//! A world in a simulator elsewhere, with a copy of its journal here.
//!
//! The copy follows the journal, so that steps wait for entries as for those of a world in this process. It lags
//! behind by the way between; who must know all asks the simulator how far it is, and waits for the copy to come there.

use parking_lot::RwLock;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use simulator::control::{Authority, WorldState};
use simulator::{Journal, JournalLimits, Name};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{ControlClient, ControlError, World};

/// How long the copy of a journal may take to come to where the journal is.
const LAG: Duration = Duration::from_secs(10);
/// How long after a broken connection the journal is asked for again.
const PAUSE: Duration = Duration::from_millis(200);

/// A world elsewhere. Clones are handles of the same world.
#[derive(Clone, Debug)]
pub struct RemoteWorld {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    control: ControlClient,
    name: String,
    state: RwLock<WorldState>,
    journal: Journal,
    _following: AbortOnDropHandle<()>,
}

impl RemoteWorld {
    /// Waits until a simulator answers. The caller bounds the wait.
    pub async fn ready(control: &ControlClient) {
        while let Err(error) = control.ask().await {
            tracing::debug!(%error, "the simulator does not answer yet");
            sleep(PAUSE).await;
        }
    }

    /// Brings a world to life under a name that no other there has.
    ///
    /// # Errors
    ///
    /// When the simulator refuses the world or does not answer.
    pub async fn start(control: ControlClient, name: &str, world: &World) -> Result<Self, ControlError> {
        let state = control.make(name, world.written()).await?;
        let journal = Journal::new(JournalLimits::default());
        let following = tokio::spawn(follow(control.clone(), name.to_owned(), journal.clone()));
        let shared = Shared {
            control,
            name: name.to_owned(),
            state: RwLock::new(state),
            journal,
            _following: AbortOnDropHandle::new(following),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Its name in the simulator.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    pub(super) fn names(&self) -> Vec<Name> {
        self.known(|state| state.names.clone())
    }

    pub(super) fn authorities(&self) -> Vec<Authority> {
        self.known(|state| state.authorities.clone())
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    pub(super) async fn token(&self, request: &Value) -> Result<String, ControlError> {
        self.shared.control.token(&self.shared.name, request).await
    }

    pub(super) async fn catch_up(&self) -> Result<u64, ControlError> {
        let position = self.shared.control.state(&self.shared.name).await?.position;
        if timeout(LAG, self.shared.journal.reaches(position)).await.is_err() {
            tracing::warn!(world = self.shared.name, "the journal lags behind by more than {LAG:?}");
        }
        Ok(position)
    }

    pub(super) async fn update(&self, change: &Value) -> Result<(), ControlError> {
        let state = self.shared.control.change(&self.shared.name, change).await?;
        *self.shared.state.write() = state;
        Ok(())
    }

    pub(super) async fn remove(self) -> Result<(), ControlError> {
        self.shared.control.remove(&self.shared.name).await
    }

    fn known<T>(&self, part: impl FnOnce(&WorldState) -> T) -> T {
        part(&self.shared.state.read())
    }
}

/// Copies entries as they come, until the world is gone.
async fn follow(control: ControlClient, name: String, journal: Journal) {
    loop {
        match control.follow(&name, journal.position()).await {
            Ok(mut entries) => {
                while let Some(Ok(entry)) = entries.next().await {
                    journal.take_over(entry);
                }
            }
            Err(error) if error.is_unknown() => return,
            Err(error) => tracing::debug!(%error, "the journal cannot be followed"),
        }
        sleep(PAUSE).await;
    }
}
