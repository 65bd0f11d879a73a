//! The TLS side of a world: its authorities and the certificates of its hosts.

mod authority;
mod certificates;

pub(crate) use certificates::{CertificateError, Certificates};
