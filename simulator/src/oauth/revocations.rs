//! Tokens that are good no more before they expire.

use std::collections::VecDeque;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::bounded::Bounded;
use super::memory::Authorization;

/// Tokens and authorizations that were revoked one by one.
const MOST_REVOKED: usize = 10_000;
/// Revocations of all tokens of a subject or client.
const MOST_RULES: usize = 1_000;

/// What was revoked.
pub(super) struct Revocations {
    /// Token identifiers (`jti`) and authorizations (`sid`).
    single: Bounded<()>,
    rules: VecDeque<Rule>,
    /// How many tokens there have been. Every `jti` begins with its number, so that a rule ends what was issued before it.
    issued: u64,
}

/// Ends the tokens of a subject, of a client, or of a subject at a client, up to a number.
struct Rule {
    subject: Option<String>,
    client: Option<String>,
    last: u64,
}

impl Default for Revocations {
    fn default() -> Self {
        Self { single: Bounded::new("revoked tokens", MOST_REVOKED), rules: VecDeque::new(), issued: 0 }
    }
}

impl Revocations {
    /// The `jti` of the next token.
    pub(super) fn next_token_id(&mut self) -> String {
        self.issued += 1;
        format!("{}-{}", self.issued, Uuid::new_v4())
    }

    /// How many tokens there have been.
    pub(super) fn position(&self) -> u64 {
        self.issued
    }

    /// Ends one token by its `jti`, or one authorization by its `sid`.
    pub(super) fn revoke(&mut self, id: &str) {
        self.single.insert(id.to_owned(), ());
    }

    /// Ends all tokens of a subject, a client or everybody that were issued until now.
    pub(super) fn revoke_all(&mut self, subject: Option<String>, client: Option<String>) {
        if self.rules.len() == MOST_RULES {
            self.rules.pop_front();
        }
        self.rules.push_back(Rule { subject, client, last: self.issued });
    }

    /// Whether the token with these claims is good no more.
    pub(super) fn cover(&self, claims: &Map<String, Value>) -> bool {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = text("jti");
        let number = id.split_once('-').and_then(|(number, _)| number.parse().ok());
        self.single.contains(id)
            || self.single.contains(text("sid"))
            || number.is_some_and(|number| self.rules_cover(text("sub"), text("client_id"), number))
    }

    /// Whether the authorization is good no more.
    pub(super) fn cover_authorization(&self, authorization: &Authorization) -> bool {
        let Authorization { id, client, subject, position, .. } = authorization;
        self.single.contains(id) || self.rules_cover(subject, client, *position)
    }

    fn rules_cover(&self, subject: &str, client: &str, number: u64) -> bool {
        let fits = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        self.rules.iter().any(|rule| number <= rule.last && fits(&rule.subject, subject) && fits(&rule.client, client))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_ends_what_was_issued_before_it() {
        let mut revocations = Revocations::default();
        let token = |revocations: &mut Revocations, subject: &str| {
            json!({"sub": subject, "client_id": "gateway", "jti": revocations.next_token_id()})
                .as_object()
                .unwrap()
                .clone()
        };
        let (alice, bob) = (token(&mut revocations, "alice"), token(&mut revocations, "bob"));
        revocations.revoke_all(Some("alice".to_owned()), None);
        let later = token(&mut revocations, "alice");
        assert_eq!([&alice, &bob, &later].map(|claims| revocations.cover(claims)), [true, false, false]);
        revocations.revoke(bob["jti"].as_str().unwrap());
        assert!(revocations.cover(&bob));
        revocations.revoke_all(None, Some("other".to_owned()));
        assert!(!revocations.cover(&later));
        revocations.revoke_all(None, None);
        assert!(revocations.cover(&later));
    }
}
