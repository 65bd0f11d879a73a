//! The stateless wire of revision 2026-07-28.

mod client;
mod era;
mod requests;
