//! What a client wants to hear of: changes of the lists that it was served, news of resources, log messages.

use super::cache::Key;
use super::{ExposedList, Level};
use crate::jsonrpc::{ErrorObject, code};
use crate::offers::Kind;
use crate::replicas::Interest;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// How many resources a client may be subscribed to.
const MAX_SUBSCRIPTIONS: usize = 1_000;

/// One client's interests.
#[derive(Debug, Default)]
pub struct Interests {
    served: Mutex<HashMap<Kind, HashMap<Key, Arc<ExposedList>>>>,
    /// By URI.
    subscriptions: Mutex<HashMap<String, Subscription>>,
    level: Mutex<Option<Level>>,
}

#[derive(Debug)]
struct Subscription {
    backend: String,
    /// Whether the backend has agreed.
    agreed: bool,
}

impl Interests {
    /// Notes which lists the client was served.
    pub(super) fn serve(&self, kind: Kind, lists: Vec<(Key, Arc<ExposedList>)>) {
        self.served.lock().insert(kind, lists.into_iter().collect());
    }

    /// Whether the client knows what there is of `kind`.
    pub(super) fn has_listed(&self, kind: Kind) -> bool {
        self.served.lock().contains_key(&kind)
    }

    /// The list of this key that the client was served.
    pub(super) fn was_served(&self, key: &Key) -> Option<Arc<ExposedList>> {
        self.served.lock().get(&key.kind)?.get(key).cloned()
    }

    /// The keys of the lists of `backend` that the client was served.
    pub(super) fn served_by(&self, backend: &str, kinds: &[Kind]) -> Vec<Key> {
        let served = self.served.lock();
        let lists = kinds.iter().filter_map(|kind| served.get(kind)).flat_map(HashMap::keys);
        lists.filter(|key| key.backend == backend).cloned().collect()
    }

    /// Notes that the client wants the news of a resource of `backend`, which has not agreed yet.
    pub(super) fn subscribe(&self, uri: &str, backend: &str) -> Result<(), ErrorObject> {
        let mut subscriptions = self.subscriptions.lock();
        if subscriptions.len() >= MAX_SUBSCRIPTIONS && !subscriptions.contains_key(uri) {
            let message = format!("this session has {MAX_SUBSCRIPTIONS} subscriptions, end one of them");
            return Err(ErrorObject::new(code::OVERLOADED, message));
        }
        if subscriptions.get(uri).is_none_or(|known| known.backend != backend) {
            subscriptions.insert(uri.to_owned(), Subscription { backend: backend.to_owned(), agreed: false });
        }
        Ok(())
    }

    /// Notes whether the backend of a resource has agreed to tell its news.
    pub fn subscribed(&self, uri: &str, agreed: bool) {
        let mut subscriptions = self.subscriptions.lock();
        if agreed {
            if let Some(subscription) = subscriptions.get_mut(uri) {
                subscription.agreed = true;
            }
        } else if subscriptions.get(uri).is_some_and(|subscription| !subscription.agreed) {
            subscriptions.remove(uri);
        }
    }

    /// Notes that the client does not want the news of a resource any more, and returns whose it is.
    pub(super) fn unsubscribe(&self, uri: &str) -> Option<String> {
        self.subscriptions.lock().remove(uri).map(|subscription| subscription.backend)
    }

    /// The backend that has agreed to tell the news of a resource.
    pub fn subscribed_to(&self, uri: &str) -> Option<String> {
        let subscriptions = self.subscriptions.lock();
        subscriptions.get(uri).filter(|found| found.agreed).map(|found| found.backend.clone())
    }

    /// Takes what the client has said at another replica.
    pub fn hear(&self, interest: &Interest) {
        match interest {
            Interest::Subscribed { uri, backend } => {
                let subscription = Subscription { backend: backend.clone(), agreed: true };
                self.subscriptions.lock().insert(uri.clone(), subscription);
            }
            Interest::Unsubscribed { uri } => drop(self.unsubscribe(uri)),
            Interest::Level(level) => self.set_level(*level),
        }
    }

    /// The resources of `backend` whose news it has agreed to tell.
    pub(super) fn subscribed_at(&self, backend: &str) -> BTreeSet<String> {
        let subscriptions = self.subscriptions.lock();
        let of_backend = subscriptions.iter().filter(|(_, found)| found.agreed && found.backend == backend);
        of_backend.map(|(uri, _)| uri.clone()).collect()
    }

    /// Whether the client wants to hear this news of `backend`: of a resource that it is subscribed to, or of a part of
    /// one (MCP 2025-11-25, resources, subscriptions).
    pub fn is_subscribed(&self, uri: &str, backend: &str) -> bool {
        let subscriptions = self.subscriptions.lock();
        subscriptions.iter().any(|(whole, found)| found.backend == backend && uri.starts_with(whole.as_str()))
    }

    /// From now on the client wants log messages of this level and above.
    pub(super) fn set_level(&self, level: Level) {
        *self.level.lock() = Some(level);
    }

    /// The same, without losing those of a lower level that were wanted before.
    pub fn want_level(&self, level: Level) {
        let mut wanted = self.level.lock();
        *wanted = Some(wanted.map_or(level, |wanted| wanted.min(level)));
    }

    /// The lowest level that the client wants, if it has said so.
    pub fn level(&self) -> Option<Level> {
        *self.level.lock()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_subscription_hears_its_resource_and_its_parts_from_its_backend() {
        let interests = Interests::default();
        interests.subscribe("file:///a", "b").unwrap();
        assert!(interests.is_subscribed("file:///a", "b") && interests.is_subscribed("file:///a/part", "b"));
        assert!(!interests.is_subscribed("file:///a", "c") && !interests.is_subscribed("file:///", "b"));
        assert!(interests.subscribed_at("b").is_empty(), "the backend has not agreed");
        interests.subscribed("file:///a", true);
        interests.subscribed("file:///a", false);
        assert_eq!(
            interests.subscribed_at("b"),
            ["file:///a".to_owned()].into(),
            "a second attempt that fails takes nothing away"
        );
        interests.subscribe("file:///a", "c").unwrap();
        assert!(interests.subscribed_at("b").is_empty(), "the resource is another backend's now");
        assert_eq!(interests.unsubscribe("file:///a").unwrap(), "c");
        assert!(!interests.is_subscribed("file:///a", "b"));
    }

    #[test]
    fn subscriptions_are_bounded() {
        let interests = Interests::default();
        for number in 0..MAX_SUBSCRIPTIONS {
            interests.subscribe(&number.to_string(), "b").unwrap();
        }
        assert!(interests.subscribe("0", "b").is_ok());
        assert_eq!(interests.subscribe("x", "b").unwrap_err().code, code::OVERLOADED);
    }
}
