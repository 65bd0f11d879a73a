//! What the images of a scenario hold.

use serde::Deserialize;

use crate::world::World;
use crate::yaml::{self, DecodeError, Node, NodeValue};

/// What containers of an image run.
#[derive(Clone, Debug)]
pub enum Image {
    /// An MCP server that nobody has here: a world of that one server stands for it.
    Server(World),
    /// A program of others. Anybody can pull the image; where none can be pulled, the machine's own program stands for it.
    Program(ForeignProgram),
}

/// A program of others that scenarios need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignProgram {
    /// The server of Redis.
    RedisServer,
}

impl ForeignProgram {
    /// The name in scenario files, which is that of the executable file.
    pub fn name(self) -> &'static str {
        match self {
            Self::RedisServer => "redis-server",
        }
    }
}

impl Image {
    /// Reads what an image holds from its place in a file: a mapping is a server, a text the name of a program.
    ///
    /// # Errors
    ///
    /// When the server has keys or values that no server has, and when the program is not one that scenarios may use.
    pub(super) fn read(node: &Node) -> Result<Self, DecodeError> {
        match &node.value {
            NodeValue::Text(_) => yaml::decode(node).map(Self::Program),
            _ => World::read_server(node).map(Self::Server),
        }
    }

    /// What is wrong with it, though it could be read.
    pub(super) fn problem(&self) -> Option<String> {
        match self {
            Self::Server(world) => world.problem(),
            Self::Program(_) => None,
        }
    }
}
