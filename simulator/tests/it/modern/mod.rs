//! The stateless wire of revision 2026-07-28.

mod calls;
mod client;
mod era;
mod faults;
mod inputs;
mod lists;
mod requests;
mod subscriptions;
mod tasks;
