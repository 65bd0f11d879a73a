//! Integration tests of the embedded cluster.
#![allow(clippy::unwrap_used, clippy::panic)]

mod api_access;
mod api_escalation;
mod api_serve;
mod api_support;
mod controllers_disruption;
mod controllers_jobs;
mod controllers_stateful_sets;
mod controllers_support;
mod example;
mod faults;
mod gate;
mod golden;
mod kubectl;
mod node_controllers;
mod node_lifecycle;
mod node_pods;
mod node_program;
mod node_services;
mod node_streams;
mod node_support;
mod node_workloads;
#[path = "../shared/refusal.rs"]
mod refusal;
mod surroundings;
