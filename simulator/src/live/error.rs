//! Why a world cannot be, or cannot be changed like that.

use std::net::SocketAddr;

use thiserror::Error;

use crate::addresses::why_not;
use crate::oauth::IssuerError;
use crate::tls::CertificateError;
use crate::world::Problem;

/// A world or a change of it that is refused.
#[derive(Debug, Error)]
pub enum WorldError {
    /// Something in its description does not fit together.
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
    /// All addresses of the pool are taken.
    #[error("all addresses for worlds are taken: remove a world, or give the simulator a larger block")]
    NoAddress,
    /// A port cannot be opened.
    #[error("failed to listen on {address}: {}", why_not(.reason))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        reason: std::io::Error,
    },
    /// A change names something that the world does not have.
    #[error("{0}")]
    Unknown(String),
    /// A key or a certificate cannot be made.
    #[error("{what}")]
    Making {
        /// What was being made.
        what: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl WorldError {
    pub(super) fn issuer(error: IssuerError) -> Self {
        Self::Making { what: "failed to set up an authorization server", source: Box::new(error) }
    }
}

impl From<CertificateError> for WorldError {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::UnknownAuthority(_) => Self::Unknown(error.to_string()),
            other => Self::Making { what: "failed to set up a certificate authority", source: Box::new(other) },
        }
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
