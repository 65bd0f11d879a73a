//! Tokens whose signature was verified already, by hash, until they expire or the issuer's keys change.

use super::keys::KeySet;
use crate::backend::Caller;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

/// How many tokens are remembered; beyond it the ones that expired go first, then all of them.
const CAPACITY: usize = 10_000;

/// The SHA-256 of a token.
pub(super) type Fingerprint = [u8; 32];

/// The hash by which a token is remembered.
pub(super) fn fingerprint(token: &str) -> Fingerprint {
    Sha256::digest(token.as_bytes()).into()
}

#[derive(Debug)]
struct Entry {
    caller: Caller,
    expires_at: SystemTime,
    keys: Weak<KeySet>,
}

/// The cache. An entry is good for exactly the key set that verified it.
#[derive(Debug, Default)]
pub(super) struct VerifiedTokens {
    entries: Mutex<HashMap<Fingerprint, Entry>>,
}

impl VerifiedTokens {
    /// The caller of a token that `keys` verified and that is alive at `now`.
    pub(super) fn find(&self, token: &Fingerprint, keys: &Arc<KeySet>, now: SystemTime) -> Option<Caller> {
        let entries = self.entries.lock();
        let entry = entries.get(token)?;
        let good = entry.expires_at > now && std::ptr::eq(entry.keys.as_ptr(), Arc::as_ptr(keys));
        good.then(|| entry.caller.clone())
    }

    /// Remembers a verified token until `expires_at`.
    pub(super) fn insert(&self, token: Fingerprint, caller: Caller, expires_at: SystemTime, keys: &Arc<KeySet>) {
        let mut entries = self.entries.lock();
        if entries.len() >= CAPACITY {
            let now = SystemTime::now();
            entries.retain(|_, entry| entry.expires_at > now && std::ptr::eq(entry.keys.as_ptr(), Arc::as_ptr(keys)));
            if entries.len() >= CAPACITY {
                entries.clear();
            }
        }
        entries.insert(token, Entry { caller, expires_at, keys: Arc::downgrade(keys) });
    }
}
