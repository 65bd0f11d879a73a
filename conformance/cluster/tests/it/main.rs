//! Integration tests of the embedded cluster.
#![allow(clippy::unwrap_used, clippy::panic)]

mod node_controllers;
mod node_support;
mod node_workloads;
