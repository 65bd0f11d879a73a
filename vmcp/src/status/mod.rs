//! What the gateway reports about its backends in the status of its `VirtualMCPServer`.
//!
//! [`report`] computes what is to be said, purely; [`writer`] says it to the API server by server-side apply, under a
//! field manager of its own. The gateway owns `discoveredBackends`, `backendCount`, `capabilities` and the condition
//! `BackendsDiscovered`, nothing else. Changes are written at once; the time of the last health check alone is brought
//! up to date at the reporting interval.

pub mod report;
pub mod writer;

pub use operator_api::{BackendStatus, CircuitState};
pub use report::{Observation, Observations};
pub use writer::{Seen, StatusTarget, write_status};
