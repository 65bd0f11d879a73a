//! Tests of the simulator with a real HTTP client.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod access;
mod authorization_code;
mod certificates;
mod changes;
mod client;
mod client_authentication;
mod client_documents;
mod clock;
mod content;
mod control;
mod demos;
mod discovery;
mod dns;
mod exchange;
mod exchange_rules;
mod faults;
mod identity_assertion;
mod journal;
mod journal_memory;
mod modern;
mod official_authorization_suite;
mod official_suite;
mod program;
mod quirks;
mod registration;
mod resumption;
mod sse;
mod steps;
mod streamable;
mod telemetry;
mod tls_tools;
mod token_status;
mod world_files;
