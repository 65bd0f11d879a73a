//! Who owns a name or a URI: the backend with the strongest claim, by the lists of all that could have one.

use super::{Catalog, ClientView, ItemList, template};
use crate::backend::{Backend, Caller};
use crate::egress::EgressError;
use crate::jsonrpc::ErrorObject;
use crate::offers::Kind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A reason why something may be a backend's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    /// Whose it may be.
    pub(super) backend: &'a Arc<Backend>,
    /// The list that shows whether it is.
    pub(super) kind: Kind,
    /// What is looked for in the list.
    pub(super) key: &'a str,
    /// How it is looked for.
    pub(super) found: Found,
}

/// A claim that holds.
#[derive(Debug)]
pub(super) struct Held<'a> {
    /// The claim.
    pub(super) claim: Claim<'a>,
    /// The list that shows it.
    pub(super) list: Arc<ItemList>,
}

/// What in a list shows that a claim holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// An item of that key.
    Item,
    /// A template of which the key can be made.
    Template,
}

/// What becomes of weaker claims that hold too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rivals {
    /// Nothing: the strongest claim decides, and the lists behind weaker ones need not be known.
    Lose,
    /// They count as much.
    Count,
}

/// Lists by the name of the backend, those of one kind.
type Lists<'a> = BTreeMap<&'a str, Result<Arc<ItemList>, EgressError>>;

impl<'c> Claim<'c> {
    fn holds_by(&self, lists: &Lists<'_>) -> bool {
        self.held_by(lists).is_some()
    }

    /// The claim with the list that shows that it holds.
    fn held_by(&self, lists: &Lists<'_>) -> Option<Held<'c>> {
        let Some(Ok(list)) = lists.get(self.backend.name.as_str()) else { return None };
        let holds = match self.found {
            Found::Item => list.has(self.key),
            Found::Template => list.iter().any(|item| template::matches(&item.name, self.key)),
        };
        holds.then(|| Held { claim: *self, list: Arc::clone(list) })
    }
}

impl Catalog {
    /// The claims that hold, in their order. `claims` stand in the order of their strength, those on lists of one kind together.
    ///
    /// Known lists decide. A list that is unknown is asked for, once, all of a kind at the same time; where another backend has
    /// what is looked for, nobody waits for one that is known to be down. When no claim holds by known lists,
    /// those that are not fresh are asked for again. That nothing was found is an error where a list was missing.
    pub(super) async fn holding<'c>(
        &self,
        view: &ClientView,
        caller: &Caller,
        claims: &[Claim<'c>],
        rivals: Rivals,
    ) -> Result<Vec<Held<'c>>, ErrorObject> {
        for known_is_enough in [true, false] {
            let mut failure = None;
            for claims in claims.chunk_by(|one, next| one.kind == next.kind) {
                let lists = self.lists_for(view, caller, claims, rivals, known_is_enough).await;
                let holding: Vec<_> = claims.iter().filter_map(|claim| claim.held_by(&lists)).collect();
                if !holding.is_empty() {
                    return Ok(holding);
                }
                let mut failures = claims.iter().filter_map(|claim| {
                    let name = claim.backend.name.as_str();
                    lists.get(name)?.as_ref().err().map(|error| self.unavailable(name, error))
                });
                failure = failure.or_else(|| failures.next());
            }
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
        Ok(Vec::new())
    }

    /// The lists that decide about `claims`, all of one kind.
    async fn lists_for<'c>(
        &self,
        view: &ClientView,
        caller: &Caller,
        claims: &[Claim<'c>],
        rivals: Rivals,
        known_is_enough: bool,
    ) -> Lists<'c> {
        let mut lists = Lists::new();
        let mut unknown = BTreeMap::new();
        for claim in claims {
            let name = claim.backend.name.as_str();
            if !lists.contains_key(name) && !unknown.contains_key(name) {
                match self.known(claim.kind, claim.backend, caller).filter(|_| known_is_enough) {
                    Some(list) => drop(lists.insert(name, Ok(list))),
                    None => drop(unknown.insert(name, claim)),
                }
            }
            if rivals == Rivals::Lose && claim.holds_by(&lists) {
                break;
            }
        }
        let (down, up): (Vec<_>, Vec<_>) = unknown.into_values().partition(|claim| self.health.is_down(claim.backend));
        lists.extend(self.load_all(view, caller, up).await);
        if !claims.iter().any(|claim| claim.holds_by(&lists)) {
            lists.extend(self.load_all(view, caller, down).await);
        }
        lists
    }

    async fn load_all<'c>(&self, view: &ClientView, caller: &Caller, claims: Vec<&Claim<'c>>) -> Lists<'c> {
        let loads = claims.into_iter().map(|claim| async move {
            (claim.backend.name.as_str(), self.loaded(claim.kind, view, claim.backend, caller).await)
        });
        futures::future::join_all(loads).await.into_iter().collect()
    }
}
