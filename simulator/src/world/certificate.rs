//! Certificate authorities, certificates and TLS settings as a world file describes them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::short_form::NameOr;
use crate::duration;

/// A certificate authority. In a file: its name, or a mapping that says more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "NameOr<WrittenAuthority>")]
pub struct Authority {
    /// Its name; certificates refer to it by this.
    pub name: String,
    /// Its intermediate certificates by name, from the root downwards. The last one signs what the authority issues; servers
    /// send them all along with their own.
    pub intermediates: Vec<String>,
    /// The kind of its keys.
    pub key: KeyType,
}

impl From<&str> for Authority {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), intermediates: Vec::new(), key: KeyType::default() }
    }
}

/// An authority that says more than its name, as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenAuthority {
    /// Its name; certificates refer to it by this.
    name: String,
    /// Its intermediate certificates by name, from the root downwards. The last one signs what the authority issues.
    #[serde(default)]
    intermediates: Vec<String>,
    /// The kind of its keys.
    #[serde(default)]
    key: KeyType,
}

impl From<NameOr<WrittenAuthority>> for Authority {
    fn from(written: NameOr<WrittenAuthority>) -> Self {
        match written {
            NameOr::Name(name) => Self { name, intermediates: Vec::new(), key: KeyType::default() },
            NameOr::Full(WrittenAuthority { name, intermediates, key }) => Self { name, intermediates, key },
        }
    }
}

/// The certificate of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// The authority that signs it; absent: `public`.
    #[serde(default)]
    pub issuer: Option<String>,
    /// What is wrong with it.
    #[serde(default)]
    pub fault: Option<CertificateFault>,
    /// The names and addresses it is valid for, wildcards among them; absent: the host's.
    #[serde(default)]
    pub names: Option<Vec<String>>,
    /// How long it is valid from when it is made; absent: about 13 months.
    #[serde(default, deserialize_with = "duration::optional")]
    #[schemars(with = "Option<duration::Written>")]
    pub valid_for: Option<Duration>,
    /// The kind of its key.
    #[serde(default)]
    pub key: KeyType,
}

/// What can be wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateFault {
    /// Valid for `wrong-name.invalid`, not for the host.
    WrongName,
    /// Its validity ended yesterday.
    Expired,
    /// Its validity begins tomorrow.
    NotYetValid,
    /// Signed by its own key instead of by an authority.
    SelfSigned,
    /// Shown without the intermediate certificates that lead to the root.
    MissingIntermediate,
    /// Signed by another authority of the same name.
    WrongRoot,
}

/// The kind of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// ECDSA on P-256.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519, which browsers do not take.
    Ed25519,
    /// RSA with 2048 bits.
    Rsa,
}

/// How a host speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// The protocol versions that it speaks.
    #[serde(default = "every_version")]
    pub versions: Vec<TlsVersion>,
    /// The application protocols that it offers (ALPN), the most liked first. Empty: it agrees on none.
    #[serde(default = "every_protocol")]
    pub alpn: Vec<String>,
    /// The certificate that it asks of clients. Absent: none.
    #[serde(default)]
    pub client_certificate: Option<ClientCertificate>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { versions: every_version(), alpn: every_protocol(), client_certificate: None }
    }
}

fn every_version() -> Vec<TlsVersion> {
    vec![TlsVersion::V12, TlsVersion::V13]
}

fn every_protocol() -> Vec<String> {
    vec!["h2".to_owned(), "http/1.1".to_owned()]
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// RFC 5246.
    #[serde(rename = "1.2")]
    V12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V13,
}

/// Which certificate clients show (mutual TLS).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    /// The authority that must have signed it.
    pub issuer: String,
    /// Whether a client without one is refused.
    #[serde(default = "yes")]
    pub required: bool,
}

fn yes() -> bool {
    true
}
