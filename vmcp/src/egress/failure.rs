//! How one attempt at a request within a session failed, whatever the transport.

use super::error::EgressError;

/// Tells whether the request may be sent again.
#[derive(Debug)]
pub enum Failure {
    /// The backend does not know the session any more: the request was not executed.
    SessionLost(EgressError),
    /// Anything else: nobody knows whether it was.
    Other(EgressError),
}

impl Failure {
    /// What the caller is told when there is no further attempt.
    pub(super) fn into_error(self) -> EgressError {
        match self {
            Self::SessionLost(error) | Self::Other(error) => error,
        }
    }
}

impl From<EgressError> for Failure {
    fn from(error: EgressError) -> Self {
        Self::Other(error)
    }
}
