//! The parameters that a client sends to an endpoint, as a form or a query.

use super::error::{ErrorCode, OAuthError};
use crate::wire::Received;

/// Parameters that may be given several times (RFC 8693, 2.1).
const REPEATABLE: [&str; 2] = ["audience", "resource"];

/// The parameters of a request. Empty values count as absent (RFC 6749, 3.2).
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(received: &Received) -> Result<Self, OAuthError> {
        if received.media_type() != Some("application/x-www-form-urlencoded".to_owned()) {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "expected a body of type application/x-www-form-urlencoded",
            ));
        }
        Self::parse(&received.body)
    }

    /// Reads the parameters of a form or a query.
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, OAuthError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(encoded) {
            if !REPEATABLE.contains(&name.as_ref()) && fields.iter().any(|(seen, _)| *seen == name) {
                return Err(OAuthError::new(
                    ErrorCode::InvalidRequest,
                    format!("the parameter `{name}` is given twice"),
                ));
            }
            if !value.is_empty() {
                fields.push((name.into_owned(), value.into_owned()));
            }
        }
        Ok(Self(fields))
    }

    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All parameters, in their order.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn required<'a>(&'a self, name: &'a str) -> Result<&'a str, OAuthError> {
        self.get(name)
            .ok_or_else(|| OAuthError::new(ErrorCode::InvalidRequest, format!("the parameter `{name}` is missing")))
    }
}
