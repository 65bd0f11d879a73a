//! Client certificates on request: what a test shows to servers that ask for one, good or faulty.

use std::time::Duration;

use rcgen::ExtendedKeyUsagePurpose;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::authority::{Leaf, Order, pem};
use super::{CertificateError, Certificates};
use crate::duration;
use crate::world::{Authority, CertificateFault, KeyType, is_subject_name, unknown, valid_for_mistake};

/// A request for a client certificate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificateRequest {
    /// The authority that signs it.
    pub issuer: String,
    /// Its common name.
    pub subject: String,
    /// Further names and addresses of the client.
    #[serde(default)]
    pub names: Vec<String>,
    /// How long it is valid from now on. Absent: about 13 months.
    #[serde(default, deserialize_with = "duration::optional")]
    #[schemars(with = "Option<duration::Written>")]
    pub valid_for: Option<Duration>,
    /// The kind of its key.
    #[serde(default)]
    pub key: KeyType,
    /// What is wrong with it. `wrong-name` is none of these: servers look at no name.
    #[serde(default)]
    pub fault: Option<CertificateFault>,
}

impl ClientCertificateRequest {
    /// A faultless certificate.
    #[must_use]
    pub fn new(issuer: &str, subject: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            names: Vec::new(),
            valid_for: None,
            key: KeyType::default(),
            fault: None,
        }
    }

    /// What is wrong with it, given the authorities that there are.
    fn mistakes(&self, authorities: &[Authority]) -> Vec<String> {
        let mut found = Vec::new();
        let issuer = authorities.iter().find(|authority| authority.name == self.issuer);
        match issuer {
            None => {
                let known: Vec<&str> = authorities.iter().map(|authority| authority.name.as_str()).collect();
                found.push(unknown("authority", &self.issuer, &known));
            }
            Some(issuer) => {
                if self.fault == Some(CertificateFault::MissingIntermediate) && issuer.intermediates.is_empty() {
                    found.push(format!("`{}` has no intermediates that could be missing", issuer.name));
                }
            }
        }
        if self.subject.is_empty() || self.subject.len() > 64 {
            found.push("a subject has 1 to 64 bytes".to_owned());
        }
        if self.fault == Some(CertificateFault::WrongName) {
            found.push("servers look at no name of a client: ask for another `subject` instead".to_owned());
        }
        for name in self.names.iter().filter(|name| !is_subject_name(name)) {
            found.push(format!("`{name}` is neither a host name nor an address"));
        }
        found.extend(valid_for_mistake(self.valid_for, self.fault));
        found
    }
}

/// A certificate that was made on request.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuedCertificate {
    /// The certificate and the intermediates that lead to its root, as PEM.
    pub certificate: String,
    /// Its private key (PKCS #8) as PEM.
    pub key: String,
}

impl std::fmt::Debug for IssuedCertificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("IssuedCertificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum ClientCertificateError {
    /// The request makes no sense.
    #[error("{}", .0.join("; "))]
    Request(Vec<String>),
    /// The certificate could not be made.
    #[error("{0}")]
    Making(Box<dyn std::error::Error + Send + Sync>),
}

impl Certificates {
    /// Makes a client certificate.
    pub(crate) fn client_certificate(
        &self,
        request: &ClientCertificateRequest,
    ) -> Result<IssuedCertificate, ClientCertificateError> {
        let mistakes = request.mistakes(&self.definitions());
        if !mistakes.is_empty() {
            return Err(ClientCertificateError::Request(mistakes));
        }
        let order = Order {
            common_name: request.subject.clone(),
            names: request.names.clone(),
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            key: request.key,
            valid_for: request.valid_for,
            fault: request.fault,
        };
        let making = |error: CertificateError| ClientCertificateError::Making(Box::new(error));
        let Leaf { chain, key } = self.sign(&request.issuer, &order).map_err(making)?;
        let certificate = chain.iter().map(pem).collect();
        Ok(IssuedCertificate { certificate, key: key.serialize_pem() })
    }
}
