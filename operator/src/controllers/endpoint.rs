//! Endpoints of authorization servers and identity providers, as specs name them.

use url::Url;

/// Whether an endpoint may be without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plaintext {
    /// It may.
    Allowed,
    /// It may not, unless the field of this name is set.
    AllowedBy(&'static str),
    /// It never may.
    Refused,
}

/// What is wrong with the URL `text` of an endpoint, which stands at `path`.
pub(super) fn problem(path: &str, text: &str, plaintext: Plaintext) -> Option<String> {
    match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Some(format!("{path} holds credentials: remove them"))
        }
        Ok(url) if url.scheme() == "https" && url.has_host() => None,
        Ok(url) if url.scheme() == "http" && url.has_host() => match plaintext {
            Plaintext::Allowed => None,
            Plaintext::AllowedBy(field) => {
                Some(format!("{path} {text:?} is without TLS: use https://, or set {field} for tests"))
            }
            Plaintext::Refused => Some(format!("{path} {text:?} is without TLS: use https://")),
        },
        _ => Some(format!("{path} {text:?} is not a URL such as https://idp.example.com")),
    }
}
