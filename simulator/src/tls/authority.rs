//! A simulated certificate authority and the certificates that it signs.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::world::{self, CertificateFault, KeyType};

const DAY: Duration = Duration::from_hours(24);
/// Longest lifetime of a server certificate that common TLS clients accept, less the day by which it is backdated and one to spare.
const LEAF_LIFE: Duration = Duration::from_hours(24 * 395);
/// Roots and intermediates live for about ten years.
const AUTHORITY_LIFE: Duration = Duration::from_hours(24 * 3650);
/// What is valid for a short time begins so long ago, for clocks that differ.
const BACKDATED: Duration = Duration::from_mins(1);
/// The longest common name (X.520, ub-common-name).
const LONGEST_COMMON_NAME: usize = 64;

/// A root, and the intermediates below it.
pub(crate) struct Authority {
    definition: world::Authority,
    root: Signer,
    /// From the root downwards.
    intermediates: Vec<Signer>,
}

/// A certificate with the key by which it signs others.
struct Signer {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// The root of an authority with its key, kept from one run to the next so that clients go on trusting it.
#[derive(Clone)]
pub struct AuthorityRoot {
    /// The authority's name.
    pub authority: String,
    /// The root certificate in PEM.
    pub certificate: String,
    /// Its private key (PKCS #8) in PEM.
    pub key: String,
}

impl AuthorityRoot {
    /// A new root for this authority.
    pub fn generate(definition: &world::Authority) -> Result<Self, Error> {
        let root = root(definition)?;
        Ok(Self {
            authority: definition.name.clone(),
            certificate: pem(&root.certificate),
            key: root.issuer.key().serialize_pem(),
        })
    }
}

impl std::fmt::Debug for AuthorityRoot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AuthorityRoot").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// A certificate to be signed.
pub(crate) struct Order {
    pub(crate) common_name: String,
    /// Host names, wildcards and addresses.
    pub(crate) names: Vec<String>,
    pub(crate) usage: ExtendedKeyUsagePurpose,
    pub(crate) key: KeyType,
    /// `None`: as long as common clients accept.
    pub(crate) valid_for: Option<Duration>,
    pub(crate) fault: Option<CertificateFault>,
}

/// A certificate with its key.
pub(crate) struct Leaf {
    /// The certificate, and the intermediates that lead from it to the root, which is left out.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: KeyPair,
}

impl Authority {
    /// An authority with new keys.
    pub(crate) fn generate(definition: world::Authority) -> Result<Self, Error> {
        let root = root(&definition)?;
        Self::below(definition, root)
    }

    /// An authority with a root that was kept, and new intermediates.
    pub(crate) fn from_root(definition: world::Authority, kept: &AuthorityRoot) -> Result<Self, Error> {
        let certificate =
            CertificateDer::from_pem_slice(kept.certificate.as_bytes()).map_err(|_| Error::CouldNotParseCertificate)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, KeyPair::from_pem(&kept.key)?)?;
        Self::below(definition, Signer { certificate, issuer })
    }

    fn below(definition: world::Authority, root: Signer) -> Result<Self, Error> {
        let mut authority = Self { definition, root, intermediates: Vec::new() };
        authority.renew_intermediates()?;
        Ok(authority)
    }

    /// What the world says of it.
    pub(crate) fn definition(&self) -> &world::Authority {
        &self.definition
    }

    /// Gives all intermediates new keys, under the same root.
    pub(crate) fn renew_intermediates(&mut self) -> Result<(), Error> {
        let mut made: Vec<Signer> = Vec::new();
        for (index, name) in self.definition.intermediates.iter().enumerate() {
            let below = self.definition.intermediates.len() - index - 1;
            let mut params = authority_params(name)?;
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(u8::try_from(below).unwrap_or(u8::MAX)));
            params.use_authority_key_identifier_extension = true;
            let key = key_pair(self.definition.key)?;
            let certificate = params.signed_by(&key, &made.last().unwrap_or(&self.root).issuer)?.into();
            made.push(Signer { certificate, issuer: Issuer::new(params, key) });
        }
        self.intermediates = made;
        Ok(())
    }

    /// The root certificate.
    pub(crate) fn root(&self) -> &CertificateDer<'static> {
        &self.root.certificate
    }

    /// The root certificate as text.
    pub(crate) fn pem(&self) -> String {
        pem(&self.root.certificate)
    }

    /// Makes a key and signs its certificate, or makes it faulty as ordered.
    pub(crate) fn sign(&self, order: &Order) -> Result<Leaf, Error> {
        let mut params = CertificateParams::new(order.names.as_slice())?;
        params.distinguished_name = DistinguishedName::new();
        if order.common_name.len() <= LONGEST_COMMON_NAME {
            params.distinguished_name.push(DnType::CommonName, &*order.common_name);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![order.usage.clone()];
        params.use_authority_key_identifier_extension = true;
        let now = now();
        let (from, until) = match (order.fault, order.valid_for) {
            (Some(CertificateFault::Expired), _) => (now.saturating_sub(30 * DAY), now.saturating_sub(DAY)),
            (Some(CertificateFault::NotYetValid), _) => (now + DAY, now + LEAF_LIFE),
            (_, Some(valid_for)) => (now.saturating_sub(BACKDATED), now + valid_for),
            (_, None) => (now.saturating_sub(DAY), now + LEAF_LIFE),
        };
        validity(&mut params, from, until);
        let key = key_pair(order.key)?;
        let chain = match order.fault {
            Some(CertificateFault::SelfSigned) => vec![params.self_signed(&key)?.into()],
            Some(CertificateFault::WrongRoot) => {
                let other = Self::generate(self.definition.clone())?;
                other.chain_of(params.signed_by(&key, other.signer())?.into())
            }
            Some(CertificateFault::MissingIntermediate) => vec![params.signed_by(&key, self.signer())?.into()],
            _ => self.chain_of(params.signed_by(&key, self.signer())?.into()),
        };
        Ok(Leaf { chain, key })
    }

    /// Who signs what is issued.
    fn signer(&self) -> &Issuer<'static, KeyPair> {
        &self.intermediates.last().unwrap_or(&self.root).issuer
    }

    /// A certificate followed by the intermediates that lead to the root.
    fn chain_of(&self, certificate: CertificateDer<'static>) -> Vec<CertificateDer<'static>> {
        let intermediates = self.intermediates.iter().rev().map(|signer| signer.certificate.clone());
        std::iter::once(certificate).chain(intermediates).collect()
    }
}

fn root(definition: &world::Authority) -> Result<Signer, Error> {
    let mut params = authority_params(&format!("{} root", definition.name))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = key_pair(definition.key)?;
    let certificate = params.self_signed(&key)?.into();
    Ok(Signer { certificate, issuer: Issuer::new(params, key) })
}

/// A certificate as RFC 7468 writes it.
pub(super) fn pem(certificate: &CertificateDer<'_>) -> String {
    let encoded = STANDARD.encode(certificate);
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn authority_params(common_name: &str) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Simulated world");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let now = now();
    validity(&mut params, now.saturating_sub(DAY), now + AUTHORITY_LIFE);
    Ok(params)
}

fn key_pair(kind: KeyType) -> Result<KeyPair, Error> {
    KeyPair::generate_for(match kind {
        KeyType::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        KeyType::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        KeyType::Ed25519 => &rcgen::PKCS_ED25519,
        KeyType::Rsa => &rcgen::PKCS_RSA_SHA256,
    })
}

/// The time since 1970.
fn now() -> Duration {
    Duration::try_from(Timestamp::now().as_duration()).unwrap_or_default()
}

/// Validity between two times since 1970, in whole seconds.
fn validity(params: &mut CertificateParams, from: Duration, until: Duration) {
    let at = |since: Duration| date_time_ymd(1970, 1, 1) + Duration::from_secs(since.as_secs());
    params.not_before = at(from);
    params.not_after = at(until);
}
