//! How many requests may be under way to one backend: one that hangs must not take what the others need.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::{Cause, EgressError};
use crate::backend::Backends;

/// How many, unless the administrator says otherwise.
pub const DEFAULT_LANE_WIDTH: usize = 1_000;

/// The lanes of all backends, by name. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Lanes {
    width: usize,
    by_backend: Arc<Mutex<HashMap<String, Lane>>>,
}

/// The way to one backend.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    width: usize,
    free: Arc<Semaphore>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new(DEFAULT_LANE_WIDTH)
    }
}

impl Lanes {
    /// Lanes for this many requests each.
    pub(super) fn new(width: usize) -> Self {
        Self { width: width.min(Semaphore::MAX_PERMITS), by_backend: Arc::default() }
    }

    /// The lane of a backend.
    pub(super) fn of(&self, backend: &str) -> Lane {
        let new = || Lane { width: self.width, free: Arc::new(Semaphore::new(self.width)) };
        self.lock().entry(backend.to_owned()).or_insert_with(new).clone()
    }

    /// Forgets the lanes of backends that are gone. Requests that run keep theirs.
    pub(super) fn retain(&self, backends: &Backends) {
        self.lock().retain(|name, _| backends.contains_key(name));
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<String, Lane>> {
        self.by_backend.lock()
    }
}

impl Lane {
    /// A place for one request, if there is one: nobody queues for a backend that does not keep up.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, EgressError> {
        self.free.try_acquire().map_err(|_| {
            let message = format!("{} requests to it are under way already, try again later", self.width);
            EgressError::new(Cause::Overloaded, message)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_lane_refuses_and_the_others_do_not() {
        let lanes = Lanes::new(2);
        let (one, same, other) = (lanes.of("one"), lanes.of("one"), lanes.of("other"));
        let first = one.enter().unwrap();
        let _second = same.enter().unwrap();
        let error = one.enter().unwrap_err();
        assert_eq!((error.cause(), error.to_string().contains("2 requests")), (Cause::Overloaded, true), "{error}");
        assert!(other.enter().is_ok());
        drop(first);
        assert!(same.enter().is_ok());
    }
}
