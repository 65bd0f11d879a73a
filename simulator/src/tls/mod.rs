//! The TLS side of a world: its authorities and the certificates of its hosts.

mod authority;
mod certificates;
mod client;
mod config_map;

pub use authority::AuthorityRoot;
pub(crate) use authority::{Authority, Order};
pub(crate) use certificates::{CertificateError, Certificates};
pub use client::{ClientCertificateError, ClientCertificateRequest, IssuedCertificate};
pub use config_map::{ConfigMap, ConfigMapError};
