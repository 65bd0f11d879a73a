//! Headers that an entry adds to every request (`headerForward`).

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers that nobody may configure: the connection's own, the proxy's, and the protocol's.
const RESTRICTED: &[&str] = &[
    "host",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-connection",
    "transfer-encoding",
    "content-length",
    "content-type",
    "content-encoding",
    "accept",
    "forwarded",
    "x-real-ip",
    "last-event-id",
];

/// Families of such headers.
const RESTRICTED_PREFIXES: &[&str] = &["x-forwarded-", "mcp-"];

/// Why a header cannot be configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not a header name.
    #[error("{0:?} is not a header name")]
    Name(String),
    /// A header that the gateway sets itself.
    #[error("the header {0} cannot be configured: the gateway or the connection sets it")]
    Restricted(String),
    /// The value has characters that headers cannot carry.
    #[error("the value of header {0} has characters that a header cannot carry")]
    Value(String),
}

/// Headers that every request to a backend carries. Values do not show in `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ForwardedHeaders(BTreeMap<String, HeaderValue>);

impl ForwardedHeaders {
    /// Adds one header; a later one of the same name replaces it.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        let name = parse_name(name)?;
        let value = parse_value(&name, value)?;
        self.0.insert(name.as_str().to_owned(), value);
        Ok(())
    }

    /// Puts the headers into a request. One that the request already has stays as it is.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes())
                && !headers.contains_key(&name)
            {
                headers.insert(name, value.clone());
            }
        }
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Hash for ForwardedHeaders {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (name, value) in &self.0 {
            name.hash(state);
            value.as_bytes().hash(state);
        }
    }
}

impl fmt::Debug for ForwardedHeaders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.keys()).finish()
    }
}

/// Reads the name of a header that may be configured.
pub fn parse_name(name: &str) -> Result<HeaderName, HeaderError> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::Name(name.to_owned()))?;
    let lower = parsed.as_str();
    if RESTRICTED.contains(&lower) || RESTRICTED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(HeaderError::Restricted(name.to_owned()));
    }
    Ok(parsed)
}

/// The same value in memory of its own. One that was read shares the memory of all that was read with it: whoever keeps it
/// for long would keep that.
pub fn detached(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).map_or_else(
        |_| value.clone(),
        |mut copy| {
            copy.set_sensitive(value.is_sensitive());
            copy
        },
    )
}

/// Reads a header value and marks it sensitive. A trailing line break, which files often end with, is dropped.
pub fn parse_value(name: &HeaderName, value: &str) -> Result<HeaderValue, HeaderError> {
    let mut value = HeaderValue::from_str(value.trim_end_matches(['\r', '\n']))
        .map_err(|_| HeaderError::Value(name.as_str().to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_detached_value_keeps_nothing_else() {
        let message = Bytes::from(b"mcp-session-id: abc\r\nserver: x".to_vec());
        let mut read = HeaderValue::from_maybe_shared(message.slice(16..19)).unwrap();
        read.set_sensitive(true);
        let kept = detached(&read);
        assert_eq!((kept.as_bytes(), kept.is_sensitive()), (&b"abc"[..], true));
        assert!(!message.is_unique(), "a value that was read keeps the message");
        drop(read);
        assert!(message.is_unique());
    }
}
