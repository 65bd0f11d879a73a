//! A running world, wherever it runs.

use std::net::SocketAddr;

use serde_json::Value;
use simulator::control::Authority;
use simulator::{Journal, Name, TokenRequest};

use super::{Change, ControlError, RemoteWorld};
use crate::causes::chain;

/// A running world. Clones are handles of the same world.
#[derive(Clone, Debug)]
pub enum WorldHandle {
    /// In this process.
    Here(simulator::WorldHandle),
    /// In a simulator that is reached by its control API.
    There(RemoteWorld),
}

/// What a world cannot do.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The world refuses it.
    #[error("{0}")]
    Refused(String),
    /// The simulator elsewhere refuses it, or does not answer.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl From<simulator::WorldHandle> for WorldHandle {
    fn from(world: simulator::WorldHandle) -> Self {
        Self::Here(world)
    }
}

impl WorldHandle {
    /// Its host names, and where they lead as seen from the simulator.
    pub fn names(&self) -> Vec<Name> {
        match self {
            Self::Here(world) => world.names(),
            Self::There(world) => world.names(),
        }
    }

    /// Where its name server listens; `None` for a world elsewhere, which has none.
    pub fn name_server(&self) -> Option<SocketAddr> {
        match self {
            Self::Here(world) => world.name_server(),
            Self::There(_) => None,
        }
    }

    /// The names for which its name server has scripted answers now.
    pub fn scripted_names(&self) -> Vec<String> {
        match self {
            Self::Here(world) => world.scripted_names(),
            Self::There(_) => Vec::new(),
        }
    }

    /// Its authorities with their root certificates as they are now, `public` first.
    pub fn authorities(&self) -> Vec<Authority> {
        match self {
            Self::Here(world) => {
                let certificate = |name: &String| world.ca_pem(name).unwrap_or_default();
                let authority = |name| Authority { certificate: certificate(&name), name };
                world.authorities().into_iter().map(authority).collect()
            }
            Self::There(world) => world.authorities(),
        }
    }

    /// The root certificate of the authority that pods trust.
    pub fn public_authority(&self) -> String {
        self.authorities().into_iter().next().map(|authority| authority.certificate).unwrap_or_default()
    }

    /// Where this process reaches a server of the world; `None` when there is no such server, or the way is the target's to
    /// know.
    pub fn address(&self, host: &str, port: u16) -> Option<SocketAddr> {
        match self {
            Self::Here(world) => world.names().into_iter().find(|name| name.host == host)?.ports.get(&port).copied(),
            Self::There(_) => None,
        }
    }

    /// A token for a user of one of the world's authorization servers.
    ///
    /// # Errors
    ///
    /// When there is no such issuer or user, or the request is none.
    pub async fn token(&self, request: Value) -> Result<String, WorldError> {
        match self {
            Self::Here(world) => {
                let request: TokenRequest = serde_json::from_value(request)
                    .map_err(|error| WorldError::Refused(format!("a token cannot be issued: {error}")))?;
                world.token(&request).map_err(|error| WorldError::Refused(error.to_string()))
            }
            Self::There(world) => Ok(world.token(&request).await?),
        }
    }

    /// What arrived, as far as is known here; [`catch_up`](Self::catch_up) makes that all of it.
    pub fn journal(&self) -> &Journal {
        match self {
            Self::Here(world) => world.journal(),
            Self::There(world) => world.journal(),
        }
    }

    /// Waits until the journal has all that had arrived before this was called. Answers the number that the next entry had then.
    ///
    /// # Errors
    ///
    /// When a simulator elsewhere does not answer.
    pub async fn catch_up(&self) -> Result<u64, WorldError> {
        match self {
            Self::Here(world) => Ok(world.journal().position()),
            Self::There(world) => Ok(world.catch_up().await?),
        }
    }

    /// Changes the world. When this returns, the next request sees the change.
    ///
    /// # Errors
    ///
    /// When the change does not fit the world; then nothing is changed.
    pub async fn update(&self, change: &Change) -> Result<(), WorldError> {
        match self {
            Self::Here(world) => {
                let changed = world.update(change.description.clone()).await;
                changed.map_err(|error| WorldError::Refused(chain(&error)))
            }
            Self::There(world) => Ok(world.update(&change.written).await?),
        }
    }

    /// Ends the world.
    ///
    /// # Errors
    ///
    /// When a simulator elsewhere does not answer.
    pub async fn remove(self) -> Result<(), WorldError> {
        match self {
            Self::Here(world) => {
                world.remove().await;
                Ok(())
            }
            Self::There(world) => Ok(world.remove().await?),
        }
    }
}
