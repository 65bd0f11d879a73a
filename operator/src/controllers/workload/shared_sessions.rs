//! What pods need to share their sessions: the key that all of them seal with, in a Secret that is made once, and the password of
//! the storage. Both are files of a volume.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt;
use operator_api::{SecretKeyReference, SharedSessionStorage};
use serde_json::{Value, json};
use vmcp_config::{SessionProvider, SessionStorage};

use super::Owner;
use crate::{
    controllers::{Context, secrets},
    runtime::{ObjectKey, apply::ApplyError, contents::Keys, observed::Observed},
};

/// The name of the volume.
const VOLUME: &str = "session-storage";
/// Where it is in the pod.
const FOLDER: &str = "/etc/vmcp-session-storage";
/// The key in the Secret with the key that pods seal with.
const SEAL_KEY: &str = "key";
/// Random bytes of that key.
pub const SEAL_KEY_BYTES: usize = 32;
/// The file with the key that pods seal with.
const SEAL_KEY_FILE: &str = "seal-key";
/// The file with the password of the storage.
const PASSWORD_FILE: &str = "redis-password";

/// What the pods of one object need to share their sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSessions {
    /// The Secret with the key that they seal with.
    pub secret: String,
    /// Its uid, once there is one.
    pub seal_key: Option<String>,
    /// The Secret and the key with the password of the storage.
    pub password: Option<(String, String)>,
}

/// The name of the Secret with the key that the pods behind the Service `service` seal with.
fn secret_name(service: &str) -> String {
    format!("{service}-seal-key")
}

/// The uid of that Secret in the namespace of the object `key`, if it was made for this object, whose uid is `owner`.
pub fn seal_key(observed: &Observed, key: &ObjectKey, service: &str, owner: &str) -> Option<String> {
    let secret = observed.secrets.get(&key.sibling(secret_name(service)))?;
    let is_ours = secret.owner_references().iter().any(|reference| reference.uid == owner);
    secret.uid().filter(|_| is_ours)
}

/// Where sessions are kept, without the password, which pods read from its Secret.
pub fn configuration(storage: &SharedSessionStorage) -> SessionStorage {
    SessionStorage {
        provider: storage.provider,
        address: storage.address.clone(),
        db: storage.db,
        key_prefix: storage.key_prefix.clone(),
    }
}

/// Where the password of `storage` is, if that takes one.
pub fn password(storage: Option<&SharedSessionStorage>) -> Option<&SecretKeyReference> {
    storage?.password_ref.as_ref().filter(|_| storage.is_some_and(|storage| storage.provider == SessionProvider::Redis))
}

/// What is wrong with the password of `storage`; `known` are the Secrets that exist.
pub fn password_problems(storage: Option<&SharedSessionStorage>, known: &BTreeMap<String, Arc<Keys>>) -> Vec<String> {
    const PATH: &str = "spec.sessionStorage.passwordRef";
    let Some(password) = password(storage) else { return Vec::new() };
    let missing = secrets::problems(password, PATH);
    if !missing.is_empty() {
        return missing;
    }
    let problem = secrets::problem(&password.name, &password.key, known);
    problem.map(|problem| format!("{PATH}: {problem}")).into_iter().collect()
}

impl SharedSessions {
    /// What the pods behind the Service `service` need for `storage`, where `seal_key` is the uid of the Secret that was made for them.
    pub fn of(service: &str, storage: Option<&SharedSessionStorage>, seal_key: Option<String>) -> Self {
        let password = password(storage).map(|password| (password.name.clone(), password.key.clone()));
        Self { secret: secret_name(service), seal_key, password }
    }

    /// The Secret with the key `key`. It is made once: pods that have the key and pods that get another do not understand each
    /// other.
    pub fn secret(&self, owner: &Owner, key: [u8; SEAL_KEY_BYTES]) -> Secret {
        Secret {
            // The metadata are the operator's own.
            metadata: serde_json::from_value(owner.metadata(&self.secret)).unwrap_or_default(),
            data: Some(BTreeMap::from([(SEAL_KEY.to_owned(), ByteString(key.to_vec()))])),
            immutable: Some(true),
            ..Secret::default()
        }
    }

    /// What pods share, where they share sessions, with the key, which is made for `owner` when it is not there.
    pub async fn with_seal_key(
        shared: Option<&Self>,
        context: &Context,
        owner: &Owner,
    ) -> Result<Option<Self>, ApplyError> {
        let Some(mut shared) = shared.cloned() else { return Ok(None) };
        if shared.seal_key.is_none() {
            shared.seal_key = context.applier.secret(&shared.secret(owner, rand::random())).await?.uid;
        }
        Ok(Some(shared))
    }

    /// What tells pods with this key from pods with another.
    pub fn version(&self) -> &str {
        self.seal_key.as_deref().unwrap_or_default()
    }

    /// The arguments of the program.
    pub fn arguments(&self) -> impl Iterator<Item = String> {
        let password = self.password.as_ref().map(|_| format!("--redis-password-file={FOLDER}/{PASSWORD_FILE}"));
        [format!("--seal-key-file={FOLDER}/{SEAL_KEY_FILE}")].into_iter().chain(password)
    }

    /// The volume with the files.
    pub fn volume(&self) -> Value {
        let source = |secret: &str, key: &str, path: &str| json!({"secret": {"name": secret, "items": [{"key": key, "path": path}]}});
        let key = source(&self.secret, SEAL_KEY, SEAL_KEY_FILE);
        let password = self.password.as_ref().map(|(secret, key)| source(secret, key, PASSWORD_FILE));
        let sources: Vec<_> = [key].into_iter().chain(password).collect();
        json!({"name": VOLUME, "projected": {"sources": sources}})
    }

    /// The mount of the volume.
    pub fn mount(&self) -> Value {
        json!({"name": VOLUME, "mountPath": FOLDER, "readOnly": true})
    }
}
