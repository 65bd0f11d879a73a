//! What does not fit together about authorities, certificates and TLS settings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::Problem;
use crate::world::{Authority, Certificate, CertificateFault, PUBLIC_AUTHORITY, ServerUrl, Tls};

/// Roots do not live longer.
const LONGEST: Duration = Duration::from_hours(24 * 3650);

/// What a server says of TLS at its URL.
pub(super) struct Said<'a> {
    /// The server, e.g. `servers[2]`.
    pub(super) path: String,
    pub(super) url: ServerUrl,
    pub(super) certificate: Option<&'a Certificate>,
    pub(super) tls: Option<&'a Tls>,
}

/// What is wrong with the authorities of a world.
pub(super) fn authorities_problems(authorities: &[Authority]) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for (index, authority) in authorities.iter().enumerate() {
        let path = format!("authorities[{index}]");
        found.extend(authority_problems(&path, authority));
        if *authority == Authority::from(PUBLIC_AUTHORITY) {
            found.push(problem(path, format!("`{PUBLIC_AUTHORITY}` exists in every world: leave it out")));
        } else if !names.insert(authority.name.as_str()) {
            found.push(problem(path, format!("the authority `{}` is named twice", authority.name)));
        }
    }
    found
}

/// What is wrong with what the servers of a world say of TLS.
pub(super) fn hosts_problems(hosts: &[Said<'_>], authorities: &[Authority]) -> Vec<Problem> {
    let mut found = Vec::new();
    let (mut certificates, mut settings) = (BTreeMap::new(), BTreeMap::new());
    for Said { path, url, certificate, tls } in hosts {
        let host = url.host();
        let shared = |what| format!("`{host}` has {what} already: servers of one host share it");
        let plain = || format!("{url} does not speak TLS and shows no certificate: use https:// or leave it out");
        if let Some(certificate) = certificate {
            let path = format!("{path}.certificate");
            if !url.is_tls() {
                found.push(problem(path.clone(), plain()));
            }
            found.extend(certificate_problems(&path, certificate, authorities));
            if *certificates.entry(host).or_insert(*certificate) != *certificate {
                found.push(problem(path, shared("another certificate")));
            }
        }
        if let Some(tls) = tls {
            let path = format!("{path}.tls");
            if !url.is_tls() {
                found.push(problem(path.clone(), plain()));
            }
            found.extend(tls_problems(&path, tls, authorities));
            if *settings.entry(host).or_insert(*tls) != *tls {
                found.push(problem(path, shared("other TLS settings")));
            }
        }
    }
    found
}

/// What is wrong with an authority by itself.
pub(crate) fn authority_problems(path: &str, authority: &Authority) -> Vec<Problem> {
    let mut found = Vec::new();
    if authority.name.is_empty() {
        found.push(problem(path.to_owned(), "an authority needs a name".to_owned()));
    }
    let mut known = BTreeSet::new();
    for (index, name) in authority.intermediates.iter().enumerate() {
        let path = format!("{path}.intermediates[{index}]");
        if name.is_empty() {
            found.push(problem(path, "an intermediate certificate needs a name".to_owned()));
        } else if !known.insert(name) {
            found.push(problem(path, format!("the intermediate `{name}` is named twice")));
        }
    }
    found
}

/// What is wrong with a certificate, given the authorities that there are.
pub(crate) fn certificate_problems(path: &str, certificate: &Certificate, authorities: &[Authority]) -> Vec<Problem> {
    let name = certificate.issuer.as_ref().map_or(PUBLIC_AUTHORITY, |issuer| issuer.as_str());
    let public = Authority::from(PUBLIC_AUTHORITY);
    let issuer = match find_authority(path, name, authorities) {
        Ok(issuer) => issuer.unwrap_or(&public),
        Err(problem) => return vec![problem],
    };
    let mut found = Vec::new();
    let Certificate { fault, names, valid_for, .. } = certificate;
    if *fault == Some(CertificateFault::MissingIntermediate) && issuer.intermediates.is_empty() {
        let message = format!("`{name}` has no intermediates: give it some under `authorities`");
        found.push(problem(format!("{path}.fault"), message));
    }
    if *fault == Some(CertificateFault::WrongName) && names.is_some() {
        let message = "the fault `wrong-name` decides the name: leave out one of the two".to_owned();
        found.push(problem(format!("{path}.names"), message));
    }
    for (index, name) in names.iter().flatten().enumerate().filter(|(_, name)| !is_subject_name(name)) {
        let message = format!("`{name}` is neither a host name, a wildcard such as *.example.com, nor an address");
        found.push(problem(format!("{path}.names[{index}]"), message));
    }
    found.extend(valid_for_mistake(*valid_for, *fault).map(|message| problem(format!("{path}.validFor"), message)));
    found
}

/// What is wrong with TLS settings, given the authorities that there are.
pub(crate) fn tls_problems(path: &str, tls: &Tls, authorities: &[Authority]) -> Vec<Problem> {
    let mut found = Vec::new();
    if tls.versions.is_empty() {
        let message = "a host speaks `1.2`, `1.3` or both: leave the key out for both".to_owned();
        found.push(problem(format!("{path}.versions"), message));
    }
    for (index, _) in tls.alpn.iter().enumerate().filter(|(_, name)| !(1..=255).contains(&name.len())) {
        let message = "the name of an application protocol has 1 to 255 bytes".to_owned();
        found.push(problem(format!("{path}.alpn[{index}]"), message));
    }
    if let Some(wanted) = &tls.client_certificate {
        found.extend(find_authority(&format!("{path}.clientCertificate"), &wanted.issuer, authorities).err());
    }
    found
}

/// The authority of that name; `None` when it is `public` and described nowhere.
fn find_authority<'a>(path: &str, name: &str, authorities: &'a [Authority]) -> Result<Option<&'a Authority>, Problem> {
    let found = authorities.iter().find(|authority| authority.name == name);
    if found.is_some() || name == PUBLIC_AUTHORITY {
        return Ok(found);
    }
    let message = format!("there is no authority `{name}`: list it under `authorities`");
    Err(problem(format!("{path}.issuer"), message))
}

/// What is wrong with how long a certificate is to be valid.
pub(crate) fn valid_for_mistake(valid_for: Option<Duration>, fault: Option<CertificateFault>) -> Option<String> {
    let valid_for = valid_for?;
    if valid_for < Duration::from_secs(1) {
        return Some("a certificate must be valid for at least a second".to_owned());
    }
    if valid_for > LONGEST {
        return Some("a certificate can be valid for ten years at most".to_owned());
    }
    matches!(fault, Some(CertificateFault::Expired | CertificateFault::NotYetValid))
        .then(|| "the fault decides when the certificate is valid: leave out one of the two".to_owned())
}

/// Whether a certificate can be valid for `name`: an address, or a host name that may begin with a wildcard label.
pub(crate) fn is_subject_name(name: &str) -> bool {
    let host = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.parse::<IpAddr>().is_ok() || (host.len() <= 253 && host.split('.').all(is_label))
}

fn problem(path: String, message: String) -> Problem {
    Problem { path, message }
}
