//! The stateless wire of revision 2026-07-28: each POST says all that is needed to answer it.
//!
//! [`era`] tells the requests that are meant for it from those of the legacy revisions, [`headers`], [`parameters`] and
//! [`metadata`] judge what each must say about itself, and [`post`] answers it: at once, or as a [`call`] that takes its time on a
//! stream. A call that needs [`inputs`] of the client ends with what it asks, and [`request_state`] is how the client's next
//! request goes on with it; or it goes on by itself as one of the [`tasks`]. [`listen`] opens the streams of [`subscriptions`] and [`task_news`].

mod call;
mod era;
mod headers;
mod inputs;
mod listen;
mod metadata;
mod parameters;
mod post;
mod refusal;
mod request_state;
mod results;
mod subscriptions;
mod task_news;
mod tasks;

pub(super) use era::is_meant;
pub(super) use request_state::StateKey;
pub(crate) use subscriptions::SUBSCRIPTION_ID;
pub(super) use subscriptions::Subscriptions;
pub(super) use tasks::Tasks;
