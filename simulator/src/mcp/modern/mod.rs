//! The stateless wire of revision 2026-07-28: each POST says all that is needed to answer it.
//!
//! [`era`] tells the requests that are meant for it from those of the legacy revisions, [`headers`] and [`metadata`] judge what
//! each must say about itself, [`post`] answers it, and [`results`] adds what every result says.

mod era;
mod headers;
mod metadata;
mod parameters;
mod post;
mod refusal;
mod results;

pub(super) use era::is_meant;
