//! Bearer tokens: the administrator's, and service-account tokens signed with ES256.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::User;
use crate::api::state::State;

/// The audience of tokens for the API server itself.
pub(crate) const API_AUDIENCE: &str = "https://kubernetes.default.svc.cluster.local";

/// Signs and checks tokens.
pub(crate) struct TokenAuthority {
    encoding: EncodingKey,
    decoding: DecodingKey,
    admin: String,
}

/// What a service-account token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    sub: String,
    aud: Vec<String>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Binding,
}

/// What the token is bound to: it ends with each of these objects.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Binding {
    namespace: String,
    serviceaccount: Reference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pod: Option<Reference>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reference {
    name: String,
    uid: String,
}

/// What a token is to be issued for.
#[derive(Debug, Clone)]
pub(crate) struct TokenSpec<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) service_account: &'a str,
    pub(crate) service_account_uid: &'a str,
    /// The name and uid of the pod that the token is bound to.
    pub(crate) pod: Option<(&'a str, &'a str)>,
    pub(crate) audiences: Vec<String>,
    pub(crate) lifetime: SignedDuration,
}

impl fmt::Debug for TokenAuthority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenAuthority").finish_non_exhaustive()
    }
}

impl TokenAuthority {
    /// An authority with a fresh key and a fresh administrator's token.
    #[expect(clippy::expect_used, reason = "generating a P-256 key fails only when the machine has no randomness")]
    pub(crate) fn generate() -> Self {
        let key = rcgen::KeyPair::generate().expect("the system gives randomness");
        Self {
            encoding: EncodingKey::from_ec_der(&key.serialize_der()),
            decoding: DecodingKey::from_ec_der(key.public_key_raw()),
            admin: format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()),
        }
    }

    /// The administrator's token.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// Issues a token; the second value is its expiry.
    pub(crate) fn issue(&self, spec: TokenSpec<'_>, now: Timestamp) -> Option<(String, Timestamp)> {
        let expires = now.checked_add(spec.lifetime).ok()?;
        let reference = |name: &str, uid: &str| Reference { name: name.to_owned(), uid: uid.to_owned() };
        let claims = Claims {
            iss: API_AUDIENCE.into(),
            sub: format!("system:serviceaccount:{}:{}", spec.namespace, spec.service_account),
            aud: if spec.audiences.is_empty() { vec![API_AUDIENCE.into()] } else { spec.audiences },
            iat: now.as_second(),
            nbf: now.as_second(),
            exp: expires.as_second(),
            jti: Uuid::new_v4().to_string(),
            kubernetes: Binding {
                namespace: spec.namespace.to_owned(),
                serviceaccount: reference(spec.service_account, spec.service_account_uid),
                pod: spec.pod.map(|(name, uid)| reference(name, uid)),
            },
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.encoding).ok()?;
        Some((token, expires))
    }

    /// The user of a token for one of the audiences, with the audiences that matched; none when it proves nothing.
    pub(crate) fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
        state: &State,
        now: Timestamp,
    ) -> Option<(User, Vec<String>)> {
        if constant_time_eq(token.as_bytes(), self.admin.as_bytes()) {
            return Some((User::admin(), audiences.to_vec()));
        }
        let mut validation = Validation::new(Algorithm::ES256);
        // The server's clock decides about time, not the system's; audiences are compared below.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation).ok()?.claims;
        if now.as_second() >= claims.exp || now.as_second() < claims.nbf {
            return None;
        }
        let matched: Vec<String> = audiences.iter().filter(|audience| claims.aud.contains(audience)).cloned().collect();
        (!matched.is_empty() && claims.is_live(state)).then(|| (claims.user(), matched))
    }
}

impl Claims {
    /// Whether everything that the token is bound to still exists.
    fn is_live(&self, state: &State) -> bool {
        let namespace = &self.kubernetes.namespace;
        let lives = |collection: &str, reference: &Reference| {
            let stored = state.store.object(collection, &format!("{namespace}/{}", reference.name));
            stored.is_some_and(|object| object["metadata"]["uid"] == reference.uid.as_str())
        };
        lives("serviceaccounts", &self.kubernetes.serviceaccount)
            && self.kubernetes.pod.as_ref().is_none_or(|pod| lives("pods", pod))
    }

    fn user(&self) -> User {
        let Binding { namespace, serviceaccount, pod } = &self.kubernetes;
        let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}"), "system:authenticated"];
        let mut user = User::named(&self.sub, &groups);
        user.uid.clone_from(&serviceaccount.uid);
        let mut extra =
            |key: &str, value: String| user.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
        extra("credential-id", format!("JTI={}", self.jti));
        if let Some(pod) = pod {
            extra("pod-name", pod.name.clone());
            extra("pod-uid", pod.uid.clone());
        }
        user
    }
}

/// Compares secrets without telling by time where they differ.
fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
