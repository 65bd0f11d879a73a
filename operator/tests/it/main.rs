//! The operator against an API server in the same process, under paused time: an hour passes in milliseconds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::doc_markdown)]

mod any_spec;
mod chart;
mod cluster;
mod configurations;
mod entries;
mod examples;
mod fields;
mod images;
mod leader;
mod manifests;
mod metrics;
mod migration;
mod namespaces;
mod poisoned;
mod reasons;
mod recreated;
mod remote_proxies;
mod servers;
mod shutdown;
mod start;
mod traces;
mod virtual_servers;
mod wakes;
mod world;
