//! The last known lists, each of one kind, for exactly one configuration of a backend and one credential.

use super::{ExposedList, ItemList};
use crate::backend::{Backend, Backends, Caller, Principal};
use crate::egress::EgressError;
use crate::naming::Naming;
use crate::offers::Kind;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A list younger than this is not asked for again, unless the backend says that it changed.
pub(super) const FRESH: Duration = Duration::from_secs(30);
/// The same of a list whose backend says how long it may be kept, whatever it says.
const LONGEST_FRESH: Duration = Duration::from_mins(5);
/// How old a list may be that stands in for a backend which fails for a moment.
const LAST_GOOD: Duration = Duration::from_mins(10);
/// How many lists are kept; beyond it those of users go that were not used for the longest time.
const CAPACITY: usize = 10_000;

/// Of what and whose the list is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) backend: String,
    identity: u64,
    credential: Credential,
}

/// What the list of a backend may depend on beside its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Credential {
    /// Nothing: all callers are the same to the backend.
    Shared,
    /// The caller's token and the headers that are passed on, by hash.
    Callers([u8; 32]),
}

impl Key {
    /// The key of the list that `caller` gets from `backend`.
    pub(super) fn new(kind: Kind, backend: &Backend, caller: &Caller) -> Self {
        let (name, credential) = (backend.name.clone(), Credential::of(backend, caller));
        Self { kind, backend: name, identity: backend.identity, credential }
    }

    /// Whether all callers get this list.
    pub(super) fn is_shared(&self) -> bool {
        self.credential == Credential::Shared
    }
}

impl Credential {
    fn of(backend: &Backend, caller: &Caller) -> Self {
        let token = caller.subject_token.as_ref().filter(|_| backend.auth.is_user_scoped());
        if caller.passed.is_empty() {
            return token.map_or(Self::Shared, |token| Self::Callers(*token.digest()));
        }
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        };
        part(token.map_or(&[], |token| token.digest().as_slice()));
        for (name, value) in caller.passed.iter() {
            part(name.as_str().as_bytes());
            part(value.as_bytes());
        }
        Self::Callers(hash.finalize().into())
    }
}

/// One list and what is known about it. Whoever holds `fetching` asks the backend; the others wait for what comes of it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// How the last attempt failed, if it did.
    fetching: tokio::sync::Mutex<Option<EgressError>>,
    /// How many attempts have ended.
    attempts: AtomicU64,
    known: Mutex<Option<Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    list: Arc<ItemList>,
    fetched_at: Instant,
    stale: bool,
    /// Who asked for it.
    principal: Option<Principal>,
    /// What clients see of it by the last naming that was asked for.
    exposed: Option<(Arc<Naming>, Arc<ExposedList>)>,
}

impl Known {
    /// How long it stays fresh from now on.
    fn fresh_for(&self) -> Duration {
        if self.stale {
            return Duration::ZERO;
        }
        let fresh = self.list.ttl().map_or(FRESH, |ttl| ttl.min(LONGEST_FRESH));
        fresh.saturating_sub(self.fetched_at.elapsed())
    }

    /// Whether it may be kept for `caller`: what a backend calls private is never shared between users.
    fn is_for(&self, caller: &Caller) -> bool {
        !self.list.is_private() || self.principal == caller.principal
    }
}

/// A list, and how it was come by.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) list: Arc<ItemList>,
    /// The list that it took the place of: clients may see another one now.
    pub(super) replaced: Option<Arc<ItemList>>,
}

impl Slot {
    /// The last known list, however old.
    pub(super) fn known(&self) -> Option<Arc<ItemList>> {
        self.known.lock().as_ref().map(|known| Arc::clone(&known.list))
    }

    /// The list for `caller`, if there is no reason to ask again.
    pub(super) fn fresh(&self, caller: &Caller) -> Option<Arc<ItemList>> {
        self.known
            .lock()
            .as_ref()
            .filter(|known| !known.fresh_for().is_zero() && known.is_for(caller))
            .map(|known| Arc::clone(&known.list))
    }

    /// How long the list stays fresh from now on.
    pub(super) fn fresh_for(&self) -> Duration {
        let known = self.known.lock();
        known.as_ref().map_or(Duration::ZERO, Known::fresh_for)
    }

    /// The list, if it is young enough to stand in for a backend that fails for a moment.
    pub(super) fn last_good(&self, caller: &Caller) -> Option<Arc<ItemList>> {
        self.known
            .lock()
            .as_ref()
            .filter(|known| known.fetched_at.elapsed() < LAST_GOOD && known.is_for(caller))
            .map(|known| Arc::clone(&known.list))
    }

    /// The fresh list, or what `fetch` gets. Whoever waits for the attempt of another shares its outcome: a backend that hangs
    /// keeps all for one deadline, not each for that of all before it.
    pub(super) async fn load(
        &self,
        caller: &Caller,
        fetch: impl Future<Output = Result<ItemList, EgressError>>,
    ) -> Result<Loaded, EgressError> {
        if let Some(list) = self.fresh(caller) {
            return Ok(Loaded { list, replaced: None });
        }
        let attempts = self.attempts.load(Ordering::Acquire);
        let mut failure = self.fetching.lock().await;
        if let Some(list) = self.fresh(caller) {
            return Ok(Loaded { list, replaced: None });
        }
        if self.attempts.load(Ordering::Acquire) != attempts {
            if let Some(failure) = failure.as_ref() {
                return Err(failure.clone());
            }
            // One that may not be kept at all is still as new as it can be.
            let just_now =
                self.known.lock().as_ref().filter(|known| known.is_for(caller)).map(|known| Arc::clone(&known.list));
            if let Some(list) = just_now {
                return Ok(Loaded { list, replaced: None });
            }
        }
        let fetched = fetch.await;
        *failure = fetched.as_ref().err().cloned();
        self.attempts.fetch_add(1, Ordering::Release);
        let list = Arc::new(fetched?);
        let known = Known {
            list: Arc::clone(&list),
            fetched_at: Instant::now(),
            stale: false,
            principal: caller.principal.clone(),
            exposed: None,
        };
        let before = self.known.lock().replace(known);
        Ok(Loaded { replaced: before.map(|before| before.list), list })
    }

    /// What clients see of `list`, which is that of `backend`, by `naming`.
    pub(super) fn exposed(&self, list: &Arc<ItemList>, backend: &str, naming: &Arc<Naming>) -> Arc<ExposedList> {
        let mut known = self.known.lock();
        let known = known.as_mut().filter(|known| Arc::ptr_eq(&known.list, list));
        let made = known.as_ref().and_then(|known| known.exposed.as_ref());
        if let Some((_, exposed)) = made.filter(|(by, _)| Arc::ptr_eq(by, naming)) {
            return Arc::clone(exposed);
        }
        let exposed = Arc::new(ExposedList::of(list, backend, naming));
        if let Some(known) = known {
            known.exposed = Some((Arc::clone(naming), Arc::clone(&exposed)));
        }
        exposed
    }

    /// Forgets the list: the credential that it was got with is not good any more.
    pub(super) fn forget(&self) {
        self.known.lock().take();
    }

    fn age(&self) -> Duration {
        self.known.lock().as_ref().map_or(Duration::MAX, |known| known.fetched_at.elapsed())
    }
}

/// All lists.
#[derive(Debug, Default)]
pub(super) struct ListCache {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

impl ListCache {
    /// The place of one list.
    pub(super) fn slot(&self, key: Key) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        if slots.len() >= CAPACITY && !slots.contains_key(&key) {
            let oldest = slots
                .iter()
                .filter(|(key, _)| key.credential != Credential::Shared)
                .max_by_key(|(_, slot)| slot.age())
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                slots.remove(&oldest);
            }
        }
        Arc::clone(slots.entry(key).or_default())
    }

    /// Makes lists be asked for again, and returns which ones there are.
    pub(super) fn invalidate(&self, is_stale: impl Fn(&Key) -> bool) -> Vec<Key> {
        let mut stale = Vec::new();
        for (key, slot) in self.slots.lock().iter().filter(|(key, _)| is_stale(key)) {
            if let Some(known) = slot.known.lock().as_mut() {
                known.stale = true;
                stale.push(key.clone());
            }
        }
        stale
    }

    /// Whether whoever got `list` would get the same now, by `naming`, as far as that is known.
    pub(super) fn is_current(&self, key: &Key, list: &ExposedList, naming: &Arc<Naming>) -> bool {
        let slot = self.slots.lock().get(key).cloned();
        let known = slot.as_ref().and_then(|slot| slot.known.lock().as_ref().filter(|known| !known.stale).cloned());
        let (Some(slot), Some(known)) = (slot, known) else { return false };
        slot.exposed(&known.list, &key.backend, naming).same_as(list)
    }

    /// The lists of which clients see something else by `after` than by `before`.
    pub(super) fn renamed(&self, before: &Arc<Naming>, after: &Arc<Naming>) -> Vec<Key> {
        let slots: Vec<_> = self.slots.lock().iter().map(|(key, slot)| (key.clone(), Arc::clone(slot))).collect();
        let is_renamed = |(key, slot): &(Key, Arc<Slot>)| {
            let Some(list) = slot.known() else { return false };
            let seen = slot.exposed(&list, &key.backend, before);
            !slot.exposed(&list, &key.backend, after).same_as(&seen)
        };
        slots.into_iter().filter(is_renamed).map(|(key, _)| key).collect()
    }

    /// Drops the lists of backends that are gone or configured differently.
    pub(super) fn retain(&self, backends: &Backends) {
        self.slots
            .lock()
            .retain(|key, _| backends.get(&key.backend).is_some_and(|backend| backend.identity == key.identity));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::items::Page;
    use super::*;
    use crate::egress::Cause;
    use crate::outgoing::Passthrough;
    use std::sync::atomic::AtomicUsize;

    async fn load(slot: &Slot, result: Result<(), ()>) -> Result<Loaded, EgressError> {
        let failed = |()| EgressError::new(Cause::Timeout, "no answer");
        slot.load(&Caller::anonymous(), async { result.map(|()| ItemList::new(Kind::Tools)).map_err(failed) }).await
    }

    #[test]
    fn a_list_is_shared_where_all_callers_are_the_same_to_the_backend() {
        let backend = Backend::at("http://b.example/mcp");
        assert_eq!(
            Key::new(Kind::Tools, &backend, &Caller::named("alice")),
            Key::new(Kind::Tools, &backend, &Caller::named("bob"))
        );
        assert_eq!(
            Key::new(Kind::Tools, &backend, &Caller::named("alice")),
            Key::new(Kind::Tools, &backend, &Caller::anonymous())
        );
    }

    #[test]
    fn callers_whose_headers_are_passed_on_have_lists_of_their_own() {
        let backend = Backend::at("http://b.example/mcp");
        let passing = |value: &str| {
            let headers = [("x-tenant".parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            let passed = Passthrough::of(&["X-Tenant".to_owned()]).capture(&headers);
            Key::new(Kind::Tools, &backend, &Caller { passed, ..Caller::anonymous() })
        };
        assert_eq!(passing("a"), passing("a"));
        assert_ne!(passing("a"), passing("b"));
        assert_ne!(passing("a"), Key::new(Kind::Tools, &backend, &Caller::anonymous()));
    }

    #[test]
    fn a_changed_backend_has_another_list() {
        let (before, after) = (Backend::at("http://b.example/mcp"), Backend::at("http://c.example/mcp"));
        let cache = ListCache::default();
        let slot = cache.slot(Key::new(Kind::Tools, &before, &Caller::anonymous()));
        assert!(!Arc::ptr_eq(&slot, &cache.slot(Key::new(Kind::Tools, &after, &Caller::anonymous()))));
        cache.retain(&Arc::new([("b".to_owned(), Arc::new(after))].into()));
        assert!(!Arc::ptr_eq(&slot, &cache.slot(Key::new(Kind::Tools, &before, &Caller::anonymous()))));
    }

    #[tokio::test]
    async fn another_naming_changes_the_lists_of_which_it_shows_something_else() {
        let cache = ListCache::default();
        let fetch = async |name: &str, tool: &str| {
            let backend = Backend { name: name.to_owned(), ..Backend::at("http://b.example/mcp") }.with_identity();
            let slot = cache.slot(Key::new(Kind::Tools, &backend, &Caller::anonymous()));
            let result = crate::jsonrpc::raw(&serde_json::json!({"tools": [{"name": tool}]}));
            let mut list = ItemList::new(Kind::Tools);
            list.add(&Page::parse(Kind::Tools, &result).unwrap(), |_| {});
            slot.load(&Caller::anonymous(), async { Ok(list) }).await.unwrap();
            slot
        };
        let (slot, _) = (fetch("a", "echo").await, fetch("b", "other").await);
        let hiding = |tool: &str| {
            let tools = serde_json::json!({"tools": [{"workload": "a", "filter": [tool]}]});
            Arc::new(Naming::of(serde_json::from_value(tools).unwrap()))
        };
        let all = Arc::new(Naming::default());
        let renamed = |before: &Arc<Naming>, after: &Arc<Naming>| {
            cache.renamed(before, after).into_iter().map(|key| key.backend).collect::<Vec<_>>()
        };
        assert_eq!(renamed(&all, &hiding("echo")), [""; 0], "it shows the only tool");
        assert_eq!(renamed(&hiding("echo"), &hiding("none")), ["a"]);
        assert_eq!(renamed(&hiding("none"), &all), ["a"]);
        let list = slot.known().unwrap();
        let exposed = slot.exposed(&list, "a", &all);
        assert!(Arc::ptr_eq(&exposed, &slot.exposed(&list, "a", &all)), "made once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_fresh_for_a_while_good_for_longer_and_known_for_ever() {
        let slot = Slot::default();
        assert!(slot.known().is_none());
        load(&slot, Ok(())).await.unwrap();
        assert!(load(&slot, Err(())).await.is_ok(), "a fresh list is not asked for again");
        tokio::time::advance(FRESH).await;
        assert!(load(&slot, Err(())).await.is_err());
        assert!(slot.fresh(&Caller::anonymous()).is_none() && slot.last_good(&Caller::anonymous()).is_some());
        tokio::time::advance(LAST_GOOD).await;
        assert!(slot.last_good(&Caller::anonymous()).is_none() && slot.known().is_some());
        slot.forget();
        assert!(slot.known().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_says_how_long_and_for_whom_its_list_is_kept() {
        let fetched = async |slot: &Slot, caller: &Caller, hints: &str| {
            let result = serde_json::value::RawValue::from_string(hints.to_owned()).unwrap();
            let mut list = ItemList::new(Kind::Tools);
            list.add(&Page::parse(Kind::Tools, &result).unwrap(), |_| {});
            let mut asked = false;
            slot.load(caller, async {
                asked = true;
                Ok(list)
            })
            .await
            .unwrap();
            asked
        };
        let (alice, bob) = (Caller::named("alice"), Caller::named("bob"));
        let slot = Slot::default();
        let hour = r#"{"ttlMs":3600000,"cacheScope":"private"}"#;
        assert!(fetched(&slot, &alice, hour).await && !fetched(&slot, &alice, hour).await);
        tokio::time::advance(Duration::from_mins(4)).await;
        assert!(!fetched(&slot, &alice, hour).await, "longer than where nothing is said");
        assert!(fetched(&slot, &bob, hour).await, "what is private is not shared");
        assert!(slot.last_good(&alice).is_none() && slot.known().is_some());
        tokio::time::advance(LONGEST_FRESH).await;
        assert!(fetched(&slot, &bob, r#"{"ttlMs":1000,"cacheScope":"public"}"#).await);
        assert!(!fetched(&slot, &alice, "{}").await);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(fetched(&slot, &alice, r#"{"ttlMs":0}"#).await);
        assert!(fetched(&slot, &alice, r#"{"ttlMs":0}"#).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_an_attempt_shares_its_failure() {
        let (slot, asked, caller) = (Slot::default(), AtomicUsize::new(0), Caller::anonymous());
        let load = || {
            slot.load(&caller, async {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(EgressError::new(Cause::Timeout, "no answer"))
            })
        };
        let started = Instant::now();
        let outcomes = futures::future::join_all((0..10).map(|_| load())).await;
        assert!(outcomes.iter().all(Result::is_err));
        assert_eq!((asked.load(Ordering::SeqCst), started.elapsed()), (1, Duration::from_secs(1)));
        assert!(load().await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 2, "who comes later tries again");
    }

    #[tokio::test]
    async fn an_invalidated_list_is_asked_for_again_by_one_of_many() {
        let (cache, backend) = (ListCache::default(), Backend::at("http://b.example/mcp"));
        let slot = cache.slot(Key::new(Kind::Tools, &backend, &Caller::anonymous()));
        load(&slot, Ok(())).await.unwrap();
        assert_eq!(cache.invalidate(|key| key.backend == "b").len(), 1);
        assert!(slot.fresh(&Caller::anonymous()).is_none() && slot.known().is_some());
        let (asked, caller) = (AtomicUsize::new(0), Caller::anonymous());
        let loads = (0..10).map(|_| {
            slot.load(&caller, async {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(ItemList::new(Kind::Tools))
            })
        });
        futures::future::join_all(loads).await;
        assert_eq!(asked.into_inner(), 1);
    }
}
