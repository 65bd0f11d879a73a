//! Kubernetes objects as JSON: kinds by any of their names, requests whose answers are looked at whole, watches.
//!
//! The suite checks what the API server says word for word, warnings and refusals too. So it sends plain requests
//! through the client's transport and keeps objects as they came.

mod apply;
mod kinds;
mod reference;
mod rest;
mod watch;

pub use apply::{Applied, merge_patch};
pub use kinds::{Kind, Kinds};
pub use reference::{Reference, relocate};
pub use rest::{Answer, ApiError, Objects, Verb, Write};
pub use watch::{Seen, watch};
