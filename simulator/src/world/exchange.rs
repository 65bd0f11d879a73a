//! What an authorization server does with requests for token exchange, as a world file scripts it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::duration;

/// A rule of token exchange. It acts on requests that are good as such: whose client and tokens are accepted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangeRule {
    /// The requests that it fits. Absent: all.
    #[serde(default)]
    pub when: Exchange,
    /// What they get.
    pub answer: ExchangeAnswer,
}

/// Which requests for token exchange: all that is said must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exchange {
    /// The client's identifier.
    #[serde(default)]
    pub client: Option<String>,
    /// `sub` of the subject token.
    #[serde(default)]
    pub subject: Option<String>,
    /// `sub` of the actor token.
    #[serde(default)]
    pub actor: Option<String>,
    /// One of the audiences and resources that are asked for.
    #[serde(default)]
    pub audience: Option<String>,
    /// One of the scopes that are asked for.
    #[serde(default)]
    pub scope: Option<String>,
    /// The whole `requested_token_type`.
    #[serde(default)]
    pub requested_token_type: Option<String>,
}

/// What a request for token exchange gets: an error, or a token that differs from the usual one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangeAnswer {
    /// This error code instead of a token, e.g. `invalid_target`.
    #[serde(default)]
    pub error: Option<String>,
    /// `error_description`.
    #[serde(default)]
    pub description: Option<String>,
    /// The status of the error, 400 to 599. Absent: 401 for `invalid_client`, else 400.
    #[serde(default)]
    pub status: Option<u16>,
    /// The scopes that are granted, separated by spaces, whatever was asked for.
    #[serde(default)]
    pub scope: Option<String>,
    /// How long the token lives.
    #[serde(default, deserialize_with = "duration::optional")]
    #[schemars(with = "Option<duration::Written>")]
    pub lifetime: Option<Duration>,
    /// Claims of the token; they win over the usual ones.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// Changes of the answer by a merge patch (RFC 7396), e.g. `{token_type: N_A, expires_in: null}`.
    #[serde(default)]
    pub merge: Map<String, Value>,
}

impl ExchangeRule {
    /// What contradicts itself: the key below the rule, and a sentence.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let answer = &self.answer;
        let succeeds = answer.scope.is_some()
            || answer.lifetime.is_some()
            || !answer.claims.is_empty()
            || !answer.merge.is_empty();
        if answer.error.is_some() {
            if succeeds {
                return Some(("answer", "an error has no token: leave out either `error` or the others".to_owned()));
            }
            if let Some(status) = answer.status.filter(|status| !(400..600).contains(status)) {
                return Some(("answer.status", format!("{status} is not the status of an error: expected 400 to 599")));
            }
        } else if answer.description.is_some() || answer.status.is_some() {
            return Some(("answer", "`description` and `status` belong to an `error`".to_owned()));
        } else if !succeeds {
            return Some((
                "answer",
                "the rule changes nothing: expected `error`, `scope`, `lifetime`, `claims` or `merge`".to_owned(),
            ));
        }
        None
    }
}
