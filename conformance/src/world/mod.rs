//! The simulated world, as scenarios declare, change and read it: in this process, or in a simulator elsewhere.

mod control;
mod handle;
mod remote;

use std::ops::Deref;

use serde_json::{Value, json};
use simulator::WorldChange;

pub use control::{ControlClient, ControlError};
pub use handle::{WorldError, WorldHandle};
pub use remote::RemoteWorld;

use crate::yaml::{self, DecodeError, Node};

/// A world as a scenario declares it: understood, and as it was written, for a simulator elsewhere.
#[derive(Clone, Debug)]
pub struct World {
    description: simulator::World,
    written: Value,
}

impl World {
    /// Reads a world from its place in a file.
    ///
    /// # Errors
    ///
    /// When it has keys or values that no world has.
    pub fn read(node: &Node) -> Result<Self, DecodeError> {
        Ok(Self { description: yaml::decode(node)?, written: node.to_json() })
    }

    /// Reads a world of one server from the server's place in a file.
    ///
    /// # Errors
    ///
    /// When the server has keys or values that no server has.
    pub fn read_server(node: &Node) -> Result<Self, DecodeError> {
        Self::read(&Node::from_json(&json!({"servers": [node.to_json()]}), node.at))
    }

    /// What is wrong with it, though it could be read.
    pub fn problem(&self) -> Option<String> {
        let problem = self.description.problems().into_iter().next()?;
        Some(format!("{}: {}", problem.path, problem.message))
    }

    /// The description, for a simulator of this process.
    pub fn into_description(self) -> simulator::World {
        self.description
    }

    /// As it was written.
    pub fn written(&self) -> &Value {
        &self.written
    }
}

impl Deref for World {
    type Target = simulator::World;

    fn deref(&self) -> &simulator::World {
        &self.description
    }
}

/// A change of a world: understood, and as it was written.
#[derive(Clone, Debug)]
pub struct Change {
    description: WorldChange,
    written: Value,
}

impl Change {
    /// Reads a change from its place in a file.
    ///
    /// # Errors
    ///
    /// When there is no such change.
    pub fn read(node: &Node) -> Result<Self, DecodeError> {
        Ok(Self { description: yaml::decode(node)?, written: node.to_json() })
    }

    /// What is changed.
    pub fn description(&self) -> &WorldChange {
        &self.description
    }
}

/// The root certificates of a world, by authority, as expressions see them.
pub fn authorities(world: Option<&WorldHandle>) -> serde_json::Map<String, Value> {
    let authorities = world.map(WorldHandle::authorities).unwrap_or_default();
    authorities.into_iter().map(|authority| (authority.name, authority.certificate.into())).collect()
}
