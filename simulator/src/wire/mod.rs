//! HTTP as it arrives and leaves: connections, requests with their facts, and bodies.

mod body;
mod connection;
mod listener;
mod received;
mod socket;

pub(crate) use body::{Body, event_stream, live_event_stream, server_sent_event};
pub(crate) use connection::Connection;
pub(crate) use listener::{Listener, Service};
pub(crate) use received::{Dropped, Outcome, Received, empty_response, json_response, method_not_allowed, page};
