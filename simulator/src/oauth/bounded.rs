//! What is remembered of clients' requests: so much, and then the oldest is forgotten.

use std::collections::{HashMap, VecDeque};

/// A map that forgets its oldest entry when it is full, and says so once.
pub(super) struct Bounded<V> {
    what: &'static str,
    limit: usize,
    entries: HashMap<String, V>,
    /// The keys, oldest first.
    order: VecDeque<String>,
    said: bool,
}

impl<V> Bounded<V> {
    /// An empty map for `limit` entries, which are called `what` in the log.
    pub(super) fn new(what: &'static str, limit: usize) -> Self {
        Self { what, limit, entries: HashMap::new(), order: VecDeque::new(), said: false }
    }

    /// Remembers `value`; one of the same key is replaced and keeps its age.
    pub(super) fn insert(&mut self, key: String, value: V) {
        if self.entries.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
            if !self.said {
                tracing::warn!(limit = self.limit, "an authorization server forgets its oldest {}", self.what);
                self.said = true;
            }
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut map = Bounded::new("things", 2);
        for (key, value) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            map.insert(key.to_owned(), value);
        }
        assert_eq!((map.get("a"), map.get("b"), map.get("c")), (None, Some(&2), Some(&4)));
        assert_eq!(map.order.len(), map.entries.len());
    }
}
