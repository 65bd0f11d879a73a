//! Headers that an entry adds to every request (`headerForward`).

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use http::{HeaderMap, HeaderName, HeaderValue};
use vmcp_config::header_problem;

/// Why a header cannot be configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Nobody may configure a header of this name.
    #[error("header {name:?} cannot be set: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
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
    let refused = |reason| HeaderError::Name { name: name.to_owned(), reason };
    if let Some(reason) = header_problem(name) {
        return Err(refused(reason));
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("it is not a header name"))
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
    use proptest::prelude::*;
    use vmcp_config::is_header_value;

    proptest! {
        #[test]
        fn a_checked_configuration_has_no_value_that_cannot_be_sent(value in r"([\x00-\x{ff}]|\PC)*[\r\n]*") {
            let name = HeaderName::from_static("x-tenant");
            prop_assert_eq!(is_header_value(&value), parse_value(&name, &value).is_ok());
        }
    }

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
