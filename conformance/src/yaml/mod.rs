//! YAML with places: a tree that remembers where each value stands, and a serde deserializer over it.
//!
//! The scenario language needs to point into a file long after it was parsed (an expression that fails at run
//! time still names its line), and it needs to look at a step before it knows the step's type. So a file
//! becomes a [`Node`] first, and typed values are decoded from nodes.

mod decode;
mod node;

pub use decode::{DecodeError, Located, Placed, decode};
pub use node::{Key, Node, NodeValue, documents, parse};
