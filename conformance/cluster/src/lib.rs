//! A Kubernetes for tests, in one process and without anything installed.
//!
//! Three parts, each usable without the next:
//!
//! * the **API server** ([`ApiServer`]): discovery, create, read, update, patch, delete, watch, server-side apply,
//!   custom resources, RBAC and service-account tokens, in memory. It serves a [`kube::Client`] without a socket, so that
//!   a controller's test under paused time runs an hour of requeues in milliseconds, and TLS on a port;
//! * the **controllers** ([`controllers`]): garbage collection, namespaces, service accounts, deployments,
//!   stateful sets, jobs, disruption budgets, endpoints;
//! * the **node** ([`node`]): runs a pod's containers as local processes.
//!
//! [`Cluster`](cluster::Cluster) is all three together.

pub mod access;
pub mod addresses;
pub mod api;
pub mod apply;
pub mod cluster;
pub mod controllers;
pub mod dns;
pub mod logs;
pub mod node;
pub mod schema;
pub mod streams;

pub use api::{ApiOptions, ApiServer, ApiService, ServeError, Served};
