//! Integration tests of the suite itself.
#![allow(clippy::unwrap_used, clippy::panic)]

mod catalogue;
mod imports;
mod kind;
mod language;
mod printed;
mod report;
mod stateless;
mod targets;
mod verdicts;
mod without_nodes;
mod worlds;
