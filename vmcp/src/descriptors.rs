//! How many file descriptors the process may have. A call takes two, one towards its client and one towards its backend, and
//! many systems start programs with no more than 1024.

use crate::egress::DEFAULT_LANE_WIDTH;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below this it is said that there are few: one backend that is fully occupied takes two for each of its calls, and clients
/// keep as many streams and idle connections.
const ENOUGH: u64 = 4 * DEFAULT_LANE_WIDTH as u64;

/// Raises the limit as far as the system allows, and logs when that is not far.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "the limit of file descriptors could not be raised");
    }
    let limit = getrlimit(Resource::Nofile);
    if let Some(limit) = limit.current.filter(|limit| *limit < ENOUGH) {
        tracing::warn!(
            limit,
            enough = ENOUGH,
            "the system allows few file descriptors: each call takes two, and beyond the limit connections are refused; \
             raise the hard limit (ulimit -Hn, LimitNOFILE, or that of the container runtime)"
        );
    }
}
