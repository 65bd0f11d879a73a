//! Sealed text: what somebody else keeps for the gateway, who can neither read it, change it, nor use it elsewhere.
//!
//! A seal is authenticated encryption (AES-256-GCM-SIV, RFC 8452). What it is bound to, such as its purpose and whose it is,
//! is not written into it: whoever opens it says the same again, or finds it foreign. It ends at a time of its own.

use crate::backend::Principal;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::time::{Duration, SystemTime};

/// How long something can be opened whose end is somebody else's to know: long enough for anything.
pub const LONGEST: Duration = Duration::from_hours(365 * 24);
/// The length of a key, and the shortest secret that one is derived from, in bytes.
const KEY_LEN: usize = 32;
/// The first byte of everything sealed: the format.
const FORMAT: u8 = 1;
/// Keeps keys of sealing apart from whatever else is derived of the same secret.
const SALT: &[u8] = b"waggle seal 1";

/// Seals and opens with one key.
pub struct Sealer {
    key: RandomizedNonceKey,
}

/// Why there is no key, or nothing could be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A secret that could be guessed.
    #[error("the secret of sealing must have at least {KEY_LEN} bytes")]
    ShortSecret,
    /// The cryptographic library refused, as it does without a source of randomness.
    #[error("the cryptographic library failed")]
    Failed,
}

/// Why something sealed cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was changed, sealed with another key, or bound to something else.
    #[error("it was not sealed here for this use")]
    Foreign,
    /// It was sealed here for this use, and its time is over.
    #[error("it has expired")]
    Expired,
}

impl From<Unspecified> for SealError {
    fn from(Unspecified: Unspecified) -> Self {
        Self::Failed
    }
}

/// What a seal is bound to: the order and the bounds of the parts count.
#[derive(Debug, Clone)]
pub struct Binding(Vec<u8>);

impl Binding {
    /// A binding to one purpose, to be narrowed.
    pub fn to(purpose: &'static str) -> Self {
        Self(vec![FORMAT]).and(purpose)
    }

    /// The same, bound to this too.
    #[must_use]
    pub fn and(mut self, part: impl AsRef<[u8]>) -> Self {
        let part = part.as_ref();
        self.0.extend((part.len() as u64).to_be_bytes());
        self.0.extend(part);
        self
    }

    /// The same, bound to one user, or to nobody who has a name.
    #[must_use]
    pub fn and_principal(self, principal: Option<&Principal>) -> Self {
        match principal {
            Some(Principal { issuer, subject }) => self.and("principal").and(issuer).and(subject),
            None => self.and("anonymous"),
        }
    }
}

impl Sealer {
    /// A sealer with a key of its own: what it seals nobody else opens, and nobody after the end of the process.
    pub fn random() -> Result<Self, SealError> {
        let mut key = [0; KEY_LEN];
        rand::fill(&mut key)?;
        Self::with_key(&key)
    }

    /// A sealer whose key is derived from `secret`: whoever has the same opens what it seals.
    pub fn of_secret(secret: &[u8]) -> Result<Self, SealError> {
        if secret.len() < KEY_LEN {
            return Err(SealError::ShortSecret);
        }
        let mut key = [0; KEY_LEN];
        Salt::new(HKDF_SHA256, SALT).extract(secret).expand(&[b"key"], HKDF_SHA256)?.fill(&mut key)?;
        Self::with_key(&key)
    }

    fn with_key(key: &[u8; KEY_LEN]) -> Result<Self, SealError> {
        Ok(Self { key: RandomizedNonceKey::new(&AES_256_GCM_SIV, key)? })
    }

    /// Seals `text` until `expires_at`, in whole seconds. The result is of letters, digits, `-` and `_`.
    pub fn seal(&self, binding: &Binding, text: &[u8], expires_at: SystemTime) -> Result<String, SealError> {
        let mut body = since_epoch(expires_at).to_be_bytes().to_vec();
        body.extend(text);
        let nonce = self.key.seal_in_place_append_tag(Aad::from(&binding.0), &mut body)?;
        let sealed = [[FORMAT].as_slice(), nonce.as_ref(), &body].concat();
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what was sealed with the same binding, at the time `now`.
    pub fn open(&self, binding: &Binding, sealed: &str, now: SystemTime) -> Result<Vec<u8>, OpenError> {
        let mut sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| OpenError::Foreign)?;
        let Some((&mut FORMAT, rest)) = sealed.split_first_mut() else { return Err(OpenError::Foreign) };
        let (nonce, body) = rest.split_first_chunk_mut::<NONCE_LEN>().ok_or(OpenError::Foreign)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(&binding.0), body).map_err(|_| OpenError::Foreign)?;
        let (expires_at, text) = opened.split_first_chunk().ok_or(OpenError::Foreign)?;
        if since_epoch(now) >= u64::from_be_bytes(*expires_at) {
            return Err(OpenError::Expired);
        }
        Ok(text.to_vec())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sealer").finish_non_exhaustive()
    }
}

/// Seconds; a time before 1970 counts as its start.
fn since_epoch(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn later(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + seconds)
    }

    fn alice() -> Principal {
        Principal { issuer: "https://idp.example.com".to_owned(), subject: "alice".to_owned() }
    }

    #[test]
    fn what_is_sealed_opens_for_the_same_use_until_it_expires() {
        let key = Sealer::random().unwrap();
        let binding = Binding::to("state").and_principal(Some(&alice())).and("backend");
        let sealed = key.seal(&binding, b"text", later(60)).unwrap();
        assert!(sealed.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{sealed}");
        assert_eq!(key.open(&binding, &sealed, later(59)).unwrap(), b"text");
        assert_eq!(key.open(&binding, &sealed, later(60)), Err(OpenError::Expired));
        let empty = key.seal(&binding, b"", later(60)).unwrap();
        assert_eq!(key.open(&binding, &empty, later(0)).unwrap(), b"");
    }

    #[test]
    fn another_use_finds_it_foreign() {
        let key = Sealer::random().unwrap();
        let bound = || Binding::to("state").and_principal(Some(&alice())).and("ab").and("c");
        let sealed = key.seal(&bound(), b"text", later(60)).unwrap();
        let bob = Principal { subject: "bob".to_owned(), ..alice() };
        for other in [
            Binding::to("cursor").and_principal(Some(&alice())).and("ab").and("c"),
            Binding::to("state").and_principal(Some(&bob)).and("ab").and("c"),
            Binding::to("state").and_principal(None).and("ab").and("c"),
            Binding::to("state").and_principal(Some(&alice())).and("a").and("bc"),
            Binding::to("state").and_principal(Some(&alice())).and("ab"),
            bound().and(""),
        ] {
            assert_eq!(key.open(&other, &sealed, later(0)), Err(OpenError::Foreign), "{other:?}");
        }
        assert_eq!(Sealer::random().unwrap().open(&bound(), &sealed, later(0)), Err(OpenError::Foreign));
    }

    #[test]
    fn no_change_of_it_goes_unseen() {
        let (key, binding) = (Sealer::random().unwrap(), Binding::to("state"));
        let sealed = key.seal(&binding, b"text", later(60)).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(key.open(&binding, &changed, later(0)), Err(OpenError::Foreign), "{place}");
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..place]);
            assert_eq!(key.open(&binding, &cut, later(0)), Err(OpenError::Foreign), "{place}");
        }
        for text in ["", "!", "AQ", &format!("{sealed}="), &format!("{sealed}A")] {
            assert_eq!(key.open(&binding, text, later(0)), Err(OpenError::Foreign), "{text}");
        }
    }

    #[test]
    fn a_given_secret_makes_the_same_key_everywhere() {
        let (secret, binding) = ([7; 32], Binding::to("state"));
        let sealed = Sealer::of_secret(&secret).unwrap().seal(&binding, b"text", later(60)).unwrap();
        assert_eq!(Sealer::of_secret(&secret).unwrap().open(&binding, &sealed, later(0)).unwrap(), b"text");
        assert_eq!(Sealer::of_secret(&[8; 32]).unwrap().open(&binding, &sealed, later(0)), Err(OpenError::Foreign));
        assert_eq!(Sealer::of_secret(&[7; 31]).unwrap_err(), SealError::ShortSecret);
    }
}
