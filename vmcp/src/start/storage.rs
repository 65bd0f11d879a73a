//! Where the sessions of a gateway or a proxy are kept, and what it seals with.

use super::{StartError, session_limits, unjudged_way};
use crate::cli::Serving;
use crate::ingress::Sessions;
use crate::replicas::{Heard, RedisOptions, RedisStore, Vault};
use crate::seal::Sealer;
use std::sync::Arc;
use tokio::sync::mpsc;
use vmcp_config::{DEFAULT_KEY_PREFIX, SessionProvider, SessionStorage};

/// The clients' sessions, and what other replicas tell of them, if there can be any.
pub(crate) struct Storage {
    pub(crate) sessions: Sessions,
    pub(crate) heard: Option<mpsc::Receiver<Heard>>,
    /// Seals what clients keep. With a key of its own, other replicas cannot open it.
    pub(crate) sealer: Arc<Sealer>,
}

impl Storage {
    /// What a configuration and flags ask for. A store is connected with in the background.
    pub(crate) fn of(configured: Option<&SessionStorage>, serving: &Serving) -> Result<Self, StartError> {
        let limits = session_limits(serving);
        let vault = serving.seal_key_file.as_deref().map(Vault::of_file).transpose()?;
        let sealer = match &vault {
            Some(vault) => vault.sealer(),
            None => Arc::new(Sealer::random()?),
        };
        let Some(redis) = configured.filter(|storage| storage.provider == SessionProvider::Redis) else {
            return Ok(Self { sessions: Sessions::new(limits), heard: None, sealer });
        };
        if let Some(path) = &serving.redis_password_file {
            // Later it is read for each connection; a wrong path is said at once.
            std::fs::read_to_string(path)
                .map_err(|source| StartError::Password { path: path.display().to_string(), source })?;
        }
        let address = redis.redis_address();
        let options = RedisOptions {
            address: address
                .map_err(|problem| StartError::Unsupported(vec![format!("sessionStorage.address: {problem}")]))?,
            way: unjudged_way(serving)?,
            db: u32::try_from(redis.db).unwrap_or_default(),
            key_prefix: redis.key_prefix.clone().unwrap_or_else(|| DEFAULT_KEY_PREFIX.to_owned()),
            password_file: serving.redis_password_file.clone(),
            ttl: limits.ttl,
            cap: limits.cap,
        };
        let (store, heard) = RedisStore::open(options, vault.ok_or(StartError::NoSealKey)?);
        Ok(Self { sessions: Sessions::shared(limits, Arc::new(store)), heard: Some(heard), sealer })
    }
}
