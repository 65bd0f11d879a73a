//! The TLS side of a world: its authorities and the certificates of its hosts.

mod authority;
mod certificates;
mod client;

pub(crate) use certificates::{CertificateError, Certificates};
pub use client::{ClientCertificateError, ClientCertificateRequest, IssuedCertificate};
