//! What a server offers, apart from any wire: its lists, its completions, and the course of a call, a read or a prompt.
//!
//! A [`Run`] is one request on its way to its answer. It does nothing itself: [`Run::next`] tells what comes next, and the wire that
//! carries the request does it.

mod answer;
mod capability;
mod completion;
mod fill;
mod list;
mod run;

pub(super) use answer::{is_resource, resource_not_found};
pub(super) use capability::{Capability, capabilities, is_offered, offered, offers_tasks, server_info};
pub(super) use completion::complete;
pub(super) use list::{Kind, list};
pub(super) use run::{Action, Asked, Caller, Next, Run};

use super::jsonrpc::MethodError;

/// The code of `resources/read` for a URI that the server does not have, in the revisions up to 2025-11-25.
pub(super) const RESOURCE_NOT_FOUND: i64 = -32002;

fn invalid(reason: impl Into<String>) -> MethodError {
    MethodError::new(super::jsonrpc::INVALID_PARAMS, reason)
}
