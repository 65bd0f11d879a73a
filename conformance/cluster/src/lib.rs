#![doc = include_str!("../README.md")]

pub mod access;
pub mod addresses;
pub mod api;
pub mod apply;
pub mod cluster;
pub mod controllers;
pub mod dns;
pub mod faults;
pub mod logs;
pub mod node;
pub mod schema;
pub mod streams;
pub mod surroundings;

pub use api::{ApiOptions, ApiServer, ApiService, ServeError, Served};
