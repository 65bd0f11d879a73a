//! The form that a client posts to the token endpoint.

use super::error::{ErrorCode, TokenEndpointError};
use crate::wire::Received;

/// Parameters that may be given several times (RFC 8693, 2.1).
const REPEATABLE: [&str; 2] = ["audience", "resource"];

/// The parameters of a token request. Empty values count as absent (RFC 6749, 3.2).
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(received: &Received) -> Result<Self, TokenEndpointError> {
        if received.media_type() != Some("application/x-www-form-urlencoded".to_owned()) {
            return Err(TokenEndpointError::new(
                ErrorCode::InvalidRequest,
                "expected a body of type application/x-www-form-urlencoded",
            ));
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(&received.body) {
            if !REPEATABLE.contains(&name.as_ref()) && fields.iter().any(|(seen, _)| *seen == name) {
                return Err(TokenEndpointError::new(
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

    pub(super) fn required<'a>(&'a self, name: &'a str) -> Result<&'a str, TokenEndpointError> {
        self.get(name).ok_or_else(|| {
            TokenEndpointError::new(ErrorCode::InvalidRequest, format!("the parameter `{name}` is missing"))
        })
    }
}
