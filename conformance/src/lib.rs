//! Scenarios that say what an implementation must do, and the runner that finds out whether it does.
//!
//! The suite knows an implementation only by the Kubernetes API and by HTTP. What it sends and expects is written
//! in scenario files; this crate reads them, plays them against a target and reports what holds.

pub mod catalogue;
mod causes;
pub mod diagnostic;
pub mod expression;
pub mod language;
pub mod mcp;
pub mod objects;
pub mod play;
pub mod report;
pub mod suite;
pub mod target;
pub mod world;
pub mod yaml;
