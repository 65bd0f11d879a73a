//! The operator: reconciles the `toolhive.stacklok.dev` kinds.
//!
//! Watches feed [`runtime`]'s caches and put the objects that a change concerns into a queue. A worker takes an object
//! and runs its controller ([`controllers`]): *resolve* reads what the object refers to from the caches, *validate*
//! turns that into types that cannot be wrong, *build* returns the objects that should exist, and *status* says what was
//! found. Only the runtime's `apply` writes, and only what differs.
//!
//! Of several replicas the one that holds a Lease works ([`lease`]); the others keep their caches and stand by.
//!
//! [`manifests`] prints what installing the operator takes.

#![allow(clippy::doc_markdown, reason = "the names of kinds are words here")]

pub mod api_calls;
mod causes;
pub mod cli;
pub mod controllers;
pub mod health;
pub mod lease;
mod logs;
pub mod manifests;
pub mod metrics;
pub mod migration;
pub mod remote_url;
pub mod run;
pub mod runtime;
mod traces;

/// The name of the operator: its field manager, its ServiceAccount and its Deployment.
pub const NAME: &str = "toolhive-operator";
