//! The controllers of a cluster.

pub(crate) mod events;
