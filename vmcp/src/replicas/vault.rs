//! What makes values unreadable, and names unusable, for whoever reads the store.

use crate::seal::{Binding, LONGEST, OpenError, SealError, Sealer};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Bytes of a digest in a name.
const DIGEST_LEN: usize = 16;

/// The key of a gateway, which all of its replicas have.
pub struct Vault {
    sealer: Arc<Sealer>,
    /// What digests are keyed with.
    pepper: [u8; 32],
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("failed to read {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// What it holds is no key.
    #[error("failed to use the key in {path}")]
    Unusable {
        /// The file.
        path: String,
        /// Why not.
        source: SealError,
    },
}

impl Vault {
    /// The key that a file holds.
    pub fn of_file(path: &Path) -> Result<Self, SecretError> {
        let secret = std::fs::read(path)
            .map_err(|source| SecretError::Unreadable { path: path.display().to_string(), source })?;
        Self::of_secret(&secret).map_err(|source| SecretError::Unusable { path: path.display().to_string(), source })
    }

    /// The key that is made of a secret.
    pub fn of_secret(secret: &[u8]) -> Result<Self, SealError> {
        let sealer = Arc::new(Sealer::of_secret(secret)?);
        let pepper = Sha256::new().chain_update(b"waggle names 1").chain_update(secret).finalize().into();
        Ok(Self { sealer, pepper })
    }

    /// What seals with the key, for what clients keep and bring to any replica.
    pub fn sealer(&self) -> Arc<Sealer> {
        Arc::clone(&self.sealer)
    }

    /// A name for everything of this gateway.
    pub(super) fn realm(&self) -> String {
        self.digest(b"")
    }

    /// A name for a value, which does not tell the value.
    pub(super) fn digest(&self, value: &[u8]) -> String {
        let digest = Sha256::new().chain_update(self.pepper).chain_update(value).finalize();
        URL_SAFE_NO_PAD.encode(&digest[..DIGEST_LEN])
    }

    /// Seals something of a session. `what` it is and whose it is counts when it is opened.
    pub(super) fn seal(&self, what: &'static str, id: &str, text: &[u8]) -> Result<String, SealError> {
        self.sealer.seal(&binding(what, id), text, SystemTime::now() + LONGEST)
    }

    /// Opens something of a session.
    pub(super) fn open(&self, what: &'static str, id: &str, sealed: &str) -> Result<Vec<u8>, OpenError> {
        self.sealer.open(&binding(what, id), sealed, SystemTime::now())
    }

    /// The same for values.
    pub(super) fn seal_value<T: Serialize>(
        &self,
        what: &'static str,
        id: &str,
        value: &T,
    ) -> Result<String, SealError> {
        let text = serde_json::to_vec(value).map_err(|_| SealError::Failed)?;
        self.seal(what, id, &text)
    }

    /// The same for values. What cannot be read is not ours either.
    pub(super) fn open_value<T: DeserializeOwned>(
        &self,
        what: &'static str,
        id: &str,
        sealed: &str,
    ) -> Result<T, OpenError> {
        let text = self.open(what, id, sealed)?;
        serde_json::from_slice(&text).map_err(|_| OpenError::Foreign)
    }
}

fn binding(what: &'static str, id: &str) -> Binding {
    Binding::to("replicas").and(what).and(id)
}

impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Vault").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_value_opens_as_what_it_is_in_its_session_alone() {
        let vault = Vault::of_secret(&[1; 32]).unwrap();
        let sealed = vault.seal_value("owner", "a", &"alice").unwrap();
        assert_eq!(vault.open_value::<String>("owner", "a", &sealed).unwrap(), "alice");
        let again = Vault::of_secret(&[1; 32]).unwrap();
        assert_eq!(again.open_value::<String>("owner", "a", &sealed).unwrap(), "alice");
        let other = Vault::of_secret(&[2; 32]).unwrap();
        for opened in [
            vault.open_value::<String>("owner", "b", &sealed),
            vault.open_value("message", "a", &sealed),
            other.open_value("owner", "a", &sealed),
        ] {
            assert_eq!(opened, Err(OpenError::Foreign));
        }
    }

    #[test]
    fn a_key_comes_from_a_file_with_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let error = Vault::of_file(&path).unwrap_err().to_string();
        assert_eq!(error, format!("failed to read {}", path.display()));
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(Vault::of_file(&path), Err(SecretError::Unusable { source: SealError::ShortSecret, .. })));
        std::fs::write(&path, [5; 32]).unwrap();
        assert_eq!(Vault::of_file(&path).unwrap().digest(b"x"), Vault::of_secret(&[5; 32]).unwrap().digest(b"x"));
    }
}
