//! Token exchange (RFC 8693): the token of a user for one that a resource server accepts.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::GrantRequest;
use crate::oauth::access_token::Access;
use crate::oauth::error::{ErrorCode, TokenEndpointError};
use crate::oauth::issuer::find_issuer;
use crate::oauth::token_response::TokenResponse;
use crate::oauth::verify::{decode_claims, scopes};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

impl GrantRequest<'_> {
    pub(super) fn token_exchange(&self) -> Result<TokenResponse, TokenEndpointError> {
        let invalid = |description: String| TokenEndpointError::new(ErrorCode::InvalidRequest, description);
        if self.client.is_public() {
            return Err(TokenEndpointError::new(
                ErrorCode::UnauthorizedClient,
                "a public client may not exchange tokens",
            ));
        }
        let subject_token = self.form.required("subject_token")?;
        let subject_type = self.form.required("subject_token_type")?;
        if ![ACCESS_TOKEN, JWT, ID_TOKEN].contains(&subject_type) {
            return Err(invalid(format!("subject tokens of type `{subject_type}` are not exchanged")));
        }
        if self.form.get("actor_token").is_some() || self.form.get("actor_token_type").is_some() {
            return Err(invalid("actor tokens are not accepted: delegation is not built yet".to_owned()));
        }
        let issued_type = self.form.get("requested_token_type").unwrap_or(ACCESS_TOKEN);
        if ![ACCESS_TOKEN, JWT].contains(&issued_type) {
            return Err(invalid(format!("tokens of type `{issued_type}` are not issued")));
        }
        let subject = self.judge_token("subject", subject_token)?;
        let name = subject.get("sub").and_then(Value::as_str).unwrap_or_default();
        let access = Access::new(name, self.targets()?, self.scopes_or(&scopes(&subject))?);
        let mut response = self.access_token(access)?;
        response.issued_token_type = Some(issued_type.to_owned());
        Ok(response)
    }

    /// RFC 8693, 2.2.2: a token that is not accepted, for whatever reason, is an `invalid_request`.
    fn judge_token(&self, role: &str, token: &str) -> Result<Map<String, Value>, TokenEndpointError> {
        let refuse = |reason: String| {
            TokenEndpointError::new(ErrorCode::InvalidRequest, format!("the {role} token is not accepted: {reason}"))
        };
        let claims = decode_claims(token).ok_or_else(|| refuse("it is not a JWT".to_owned()))?;
        let named = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        let trusted = self.definition.trusts.iter().filter_map(|name| find_issuer(self.world, name)).map(Arc::as_ref);
        let issuer = trusted.chain([self.issuer]).find(|issuer| issuer.identifier() == named);
        let issuer = issuer.ok_or_else(|| refuse(format!("its issuer `{named}` is not trusted")))?;
        issuer.verify(token, None).map_err(|rejection| refuse(rejection.to_string()))
    }
}
