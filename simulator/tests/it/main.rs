//! Tests of the simulator with a real HTTP client.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod access;
mod certificates;
mod changes;
mod client;
mod client_authentication;
mod clock;
mod content;
mod control;
mod discovery;
mod exchange;
mod faults;
mod journal;
mod modern;
mod program;
mod resumption;
mod sse;
mod steps;
mod streamable;
mod tls_tools;
mod world_files;
