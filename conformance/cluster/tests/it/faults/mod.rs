//! Faults on demand: that each does what it says, and nothing once it has ended.

mod control;
mod controllers;
mod pods;
mod requests;
mod watches;
