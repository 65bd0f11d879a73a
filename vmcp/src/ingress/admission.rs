//! How long a stream that has no end of its own stands open: as long as its reader would be let in again.

use crate::backend::Caller;
use crate::discovery::Snapshot;
use crate::policy::Policy;
use std::future::pending;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::watch;
use tokio::time::Instant;

/// The right of a caller to go on reading.
pub(super) struct Admission {
    caller: Caller,
    discovered: watch::Receiver<Snapshot>,
    /// The policy that lets the caller in. The one in force is asked before the first wait: it may have changed since the
    /// request was authenticated.
    granted_by: Option<Arc<Policy>>,
    expires_at: Option<Instant>,
}

impl Admission {
    /// That of a caller who was let in, by the policy that `discovered` had at that time.
    pub(super) fn of(discovered: &watch::Receiver<Snapshot>, caller: &Caller) -> Self {
        let token = caller.subject_token.as_ref();
        let left = token.map(|token| token.expires_at().duration_since(SystemTime::now()).unwrap_or_default());
        Self {
            caller: caller.clone(),
            discovered: discovered.clone(),
            granted_by: None,
            expires_at: left.map(|left| Instant::now() + left),
        }
    }

    /// Waits until the caller's token expires, or a policy comes into force that does not let the caller in. Whoever drops the
    /// future loses nothing.
    pub(super) async fn over(&mut self) {
        let expires_at = self.expires_at;
        let expired = async {
            match expires_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = expired => {}
            () = self.withdrawn() => {}
        }
    }

    async fn withdrawn(&mut self) {
        loop {
            let is_other = |now: &Snapshot| !self.granted_by.as_ref().is_some_and(|by| Arc::ptr_eq(by, &now.policy));
            let other = self.discovered.wait_for(is_other).await.map(|now| Arc::clone(&now.policy));
            // Nobody is left who could change it.
            let Ok(policy) = other else { return pending().await };
            if !policy.admits(&self.caller).await {
                return;
            }
            self.granted_by = Some(policy);
        }
    }
}
