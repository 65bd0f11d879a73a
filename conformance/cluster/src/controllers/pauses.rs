//! Pausing and resuming controllers by name.
//!
//! A paused controller is not polled: what it was about to do waits, as in a process that was stopped by a signal. Its
//! watches are cursors into the API server's history and lose nothing meanwhile; when it resumes it goes on from where
//! it stood, or lists again if the history was compacted.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// No controller of this name runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no controller is called {name:?}; {}", known(names))]
pub struct UnknownController {
    /// The name that was given.
    pub name: String,
    /// The names of the controllers that run, sorted.
    pub names: Vec<&'static str>,
}

fn known(names: &[&str]) -> String {
    if names.is_empty() { "none run here".to_owned() } else { format!("those that run are {}", names.join(", ")) }
}

/// The running controllers by name, each of which can be paused; clones concern the same controllers.
///
/// The names are those of kube-controller-manager's `--controllers`, `kube-scheduler`, and `unserved-kinds`, which tells of
/// kinds that none of them acts on.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    switches: Arc<Mutex<Switches>>,
}

type Switches = BTreeMap<&'static str, Arc<Mutex<Switch>>>;

/// Whether one controller may be polled. The lock is held while it is.
#[derive(Debug, Default)]
struct Switch {
    paused: bool,
    waker: Option<Waker>,
}

impl Switch {
    fn resume(&mut self) {
        self.paused = false;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Pauses {
    /// Pauses a controller; when this returns it does nothing any more. Pausing a paused one changes nothing.
    pub fn pause(&self, name: &str) -> Result<(), UnknownController> {
        self.find(name)?.lock().paused = true;
        Ok(())
    }

    /// Resumes a controller, which then catches up. Resuming a running one changes nothing.
    pub fn resume(&self, name: &str) -> Result<(), UnknownController> {
        self.find(name)?.lock().resume();
        Ok(())
    }

    /// Resumes all that are paused.
    pub fn resume_all(&self) {
        for switch in self.switches.lock().values() {
            switch.lock().resume();
        }
    }

    /// The controllers that run, sorted by name, and whether each is paused.
    pub fn controllers(&self) -> Vec<(&'static str, bool)> {
        self.switches.lock().iter().map(|(name, switch)| (*name, switch.lock().paused)).collect()
    }

    fn find(&self, name: &str) -> Result<Arc<Mutex<Switch>>, UnknownController> {
        let switches = self.switches.lock();
        switches
            .get(name)
            .cloned()
            .ok_or_else(|| UnknownController { name: name.to_owned(), names: switches.keys().copied().collect() })
    }

    /// Runs a controller so that it can be paused by this name, which must be its own.
    pub(super) fn governed<F: Future<Output = ()>>(
        &self,
        name: &'static str,
        controller: F,
    ) -> impl Future<Output = ()> + use<F> {
        let switch = Arc::<Mutex<Switch>>::default();
        self.switches.lock().insert(name, Arc::clone(&switch));
        async move {
            let mut controller = pin!(controller);
            std::future::poll_fn(|context| {
                let mut switch = switch.lock();
                if switch.paused {
                    switch.waker = Some(context.waker().clone());
                    return Poll::Pending;
                }
                // Still locked: whoever pauses waits for the end of the step that is under way.
                controller.as_mut().poll(context)
            })
            .await;
        }
    }
}
