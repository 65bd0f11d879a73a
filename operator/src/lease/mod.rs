//! Leader election by a Lease: of several replicas one works, and the others stand by.
//!
//! [`candidate`] decides what to do, from what it has seen of the Lease and when it saw it: a plain state machine.
//! [`elector`] reads and writes the Lease for it. A replica takes the Lease of another only after it has not seen it
//! change for its whole duration by its own clock, so that the clocks of two nodes need not agree; a leader stops working
//! when it could not renew for the shorter [`Terms::renew_deadline`], counted from when it *asked* for the last renewal
//! that it knows to have succeeded. Every write names the version that it replaces. Together, two replicas never both
//! lead.
//!
//! Nothing in here knows of the operator. The replicas of a gateway are to elect the writer of its status in the same
//! way, by a Lease `vmcp-<name>-status`.

pub mod candidate;
pub mod elector;

pub use candidate::{Loss, Terms};
pub use elector::{Elector, Lost};
