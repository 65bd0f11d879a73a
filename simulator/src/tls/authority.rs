//! A simulated certificate authority and the certificates that it signs.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::world::CertificateFault;

/// Longest lifetime of a server certificate that common TLS clients accept.
const LEAF_DAYS: i64 = 397;
/// Roots live for about ten years.
const ROOT_DAYS: i64 = 3650;

/// A root: its key and self-signed certificate.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate for one host with its key.
pub(crate) struct Leaf {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

impl Authority {
    /// An authority with a new key.
    pub(crate) fn generate(name: &str) -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::OrganizationName, "Simulated world");
        params.distinguished_name.push(DnType::CommonName, format!("{name} root"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        validity(&mut params, -1, ROOT_DAYS);
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// The root certificate.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for `host` and no other name.
    pub(crate) fn sign(&self, host: &str, fault: Option<CertificateFault>) -> Result<Leaf, Error> {
        let name = if fault == Some(CertificateFault::WrongName) { "wrong-name.invalid" } else { host };
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        match fault {
            Some(CertificateFault::Expired) => validity(&mut params, -30, -1),
            Some(CertificateFault::NotYetValid) => validity(&mut params, 2, LEAF_DAYS),
            _ => validity(&mut params, -1, LEAF_DAYS - 2),
        }
        let key = KeyPair::generate()?;
        let certificate = match fault {
            Some(CertificateFault::SelfSigned) => params.self_signed(&key)?,
            _ => params.signed_by(&key, &self.issuer)?,
        };
        Ok(Leaf { certificate, key })
    }
}

/// Validity from and until midnight (UTC) of days counted from today.
fn validity(params: &mut CertificateParams, from: i64, until: i64) {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |offset: i64| {
        let date = today.saturating_add(offset.days());
        date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(from);
    params.not_after = day(until);
}
