//! The way out: one guarded HTTP client, and MCP sessions with backends on top of it.
//!
//! [`HttpClient`] opens every connection with backends and issuers: the [`guard`] judges names and addresses in its connector. What the
//! administrator has named for the process itself, such as Redis, is a [`Place`], reached by the same [`Way`] without the guard.
//! [`Egress`] opens a [`BackendSession`] per client session and backend; connections are shared, sessions are not. Two
//! transports implement a session, Streamable HTTP, of revisions with sessions and without, as the server turns out to be
//! (`dual`), and the older HTTP+SSE; all send what a backend's configuration
//! adds (credentials, headers, authorities) through one place, `exchange`. A [`RelayedSession`] is a client's own: its
//! handshake is the client's, and what the backend says goes to the client's [`Inbox`]. In other sessions the client is a
//! [`Peer`], which hears notifications and answers requests. Params and results stay raw JSON.
//!
//! Requests of a [`BackendSession`] pass a [`Gate`] first, which stops those to a backend that keeps failing.

mod answers;
mod asking;
mod behind;
mod clock;
mod connect_to;
mod connector;
mod dialer;
mod discover;
mod dual;
mod era;
mod error;
mod events;
mod exchange;
mod failure;
mod gate;
pub mod guard;
mod handshake;
mod http_client;
mod http_sse;
mod inbound;
mod lanes;
mod listen;
mod meanwhile;
mod news;
mod pass_through;
mod pauses;
mod peer;
mod questions;
mod relayed;
mod resolver;
mod response;
mod session;
mod single_flight;
mod sockets;
pub mod sse;
mod standing;
mod stateless;
mod streamable;
mod tls;
mod transport;
mod trust;
mod unjudged;
mod way;

pub use asking::Asking;
pub use clock::{Clock, Pause};
pub use connect_to::{ConnectMap, ConnectTo, ConnectToError};
pub(crate) use dialer::ConnectError;
pub use error::{Cause, EgressError};
pub use failure::Failure;
pub use gate::{Gate, Ticket, Verdict};
pub(crate) use handshake::SPOKEN;
pub(crate) use http_client::timed_out;
pub use http_client::{HttpClient, HttpOptions, Partition, read_body};
pub use lanes::DEFAULT_LANE_WIDTH;
pub use news::{Agreed, ListChanges};
pub use pass_through::{Listened, PassThrough, Passed, PassedStream};
pub use peer::{Declared, Hearing, OnBehalf, Peer, Question, Rounds};
pub use relayed::{Inbox, RelayedSession};
pub use resolver::{DnsResolver, Resolve, ResolveError, ResolverSetupError, SystemLookup};
pub use session::{BackendSession, Egress, Reply};
pub use sockets::{Sockets, SystemSockets};
pub use transport::Until;
pub use trust::{Trust, TrustError};
pub(crate) use unjudged::Place;
pub use way::Way;

/// Messages and events of backends beyond this size are refused.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;
