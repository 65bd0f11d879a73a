//! How many requests without a session may be under way: a bound for each user, and one for all together.

use crate::backend::Principal;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Requests that one user may have under way; as many as one session.
const OF_USER: usize = 256;

/// The requests that are under way.
#[derive(Debug, Clone)]
pub struct Requests {
    cap: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    of_users: HashMap<Principal, usize>,
}

/// Why a request may not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Crowded {
    /// The user's own bound.
    #[error("this user has {OF_USER} requests under way, wait for one of them")]
    User,
    /// The bound for all.
    #[error("the server has no room for another request, try again later")]
    All,
}

/// A request that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    requests: Requests,
    user: Option<Principal>,
}

impl Requests {
    /// At most `cap` requests at once.
    pub fn new(cap: usize) -> Self {
        Self { cap, open: Arc::default() }
    }

    /// Notes that a request of `user` is under way; those of clients without a name have the bound for all alone.
    pub(super) fn begin(&self, user: Option<&Principal>) -> Result<Place, Crowded> {
        let mut open = self.open.lock();
        if open.all >= self.cap {
            return Err(Crowded::All);
        }
        if let Some(user) = user {
            let count = open.of_users.entry(user.clone()).or_default();
            if *count >= OF_USER {
                return Err(Crowded::User);
            }
            *count += 1;
        }
        open.all += 1;
        Ok(Place { requests: self.clone(), user: user.cloned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.requests.open.lock();
        open.all -= 1;
        let Some(user) = &self.user else { return };
        if let Some(count) = open.of_users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                open.of_users.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn users_and_everybody_together_are_bounded() {
        let user = |subject: &str| Principal { issuer: "i".to_owned(), subject: subject.to_owned() };
        let requests = Requests::new(OF_USER + 2);
        let mut places: Vec<_> = (0..OF_USER).map(|_| requests.begin(Some(&user("alice"))).unwrap()).collect();
        assert_eq!(requests.begin(Some(&user("alice"))).unwrap_err(), Crowded::User);
        let _bob = requests.begin(Some(&user("bob"))).unwrap();
        let nobody = requests.begin(None).unwrap();
        assert_eq!(requests.begin(None).unwrap_err(), Crowded::All);
        drop(nobody);
        assert!(requests.begin(None).is_ok());
        places.pop();
        assert!(requests.begin(Some(&user("alice"))).is_ok());
        places.clear();
        assert_eq!(requests.open.lock().of_users.len(), 1);
    }
}
