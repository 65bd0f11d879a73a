//! A simulated certificate authority and the certificates that it signs.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

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

type Signer = CertifiedIssuer<'static, KeyPair>;

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
        let below = definition.intermediates.len();
        let mut params = authority_params(&format!("{} root", definition.name))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = Signer::self_signed(params, key_pair(definition.key)?)?;
        let mut authority = Self { definition, root, intermediates: Vec::with_capacity(below) };
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
            let issuer: &Issuer<'_, KeyPair> = made.last().unwrap_or(&self.root);
            let signed = Signer::signed_by(params, key_pair(self.definition.key)?, issuer)?;
            made.push(signed);
        }
        self.intermediates = made;
        Ok(())
    }

    /// The root certificate.
    pub(crate) fn root(&self) -> &CertificateDer<'static> {
        self.root.der()
    }

    /// The root certificate as text.
    pub(crate) fn pem(&self) -> String {
        self.root.pem()
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
        self.intermediates.last().unwrap_or(&self.root)
    }

    /// A certificate followed by the intermediates that lead to the root.
    fn chain_of(&self, certificate: CertificateDer<'static>) -> Vec<CertificateDer<'static>> {
        let intermediates = self.intermediates.iter().rev().map(|issuer| issuer.der().clone());
        std::iter::once(certificate).chain(intermediates).collect()
    }
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
