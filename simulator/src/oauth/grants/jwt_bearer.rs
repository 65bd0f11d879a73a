//! The JWT bearer grant (RFC 7523, 2.1): an assertion of an authorization server that is trusted, such as an identity
//! assertion (ID-JAG), for an access token.

use serde_json::{Map, Value};

use super::GrantRequest;
use crate::oauth::access_token::Access;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::targets::narrowed;
use crate::oauth::token_response::TokenResponse;
use crate::oauth::verify::{ID_JAG_TYPE, Verified, scopes, texts};

impl GrantRequest<'_> {
    pub(super) fn jwt_bearer(&self) -> Result<TokenResponse, OAuthError> {
        let assertion = self.form.required("assertion")?;
        let Verified { typ, claims } = self.judge_grant(assertion).map_err(|reason| {
            OAuthError::new(ErrorCode::InvalidGrant, format!("the assertion is not accepted: {reason}"))
        })?;
        let authorized = if typ == ID_JAG_TYPE { texts(&claims, "resource") } else { Vec::new() };
        let asked = self.targets()?;
        let audience =
            if authorized.is_empty() { asked } else { narrowed(ErrorCode::InvalidTarget, asked, &authorized)? };
        let granted = scopes(&claims);
        let mut scopes = self.scopes_or(&granted)?;
        if typ == ID_JAG_TYPE {
            // What the identity provider did not allow is left out, without an error.
            scopes.retain(|scope| granted.contains(scope));
        }
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        self.access_token(Access::new(subject, audience, scopes))
    }

    /// The assertion, if it is for this authorization server and, as an ID-JAG, for this client.
    fn judge_grant(&self, assertion: &str) -> Result<Verified, String> {
        let issuer = self.trusted_issuer(assertion)?;
        let endpoint = self.issuer.endpoint(&self.definition.token_path);
        let verified = issuer
            .verify_any(assertion, &[self.issuer.identifier(), &endpoint])
            .map_err(|rejection| rejection.to_string())?;
        if verified.typ == ID_JAG_TYPE {
            self.check_identity_assertion(&verified.claims)?;
        }
        Ok(verified)
    }

    fn check_identity_assertion(&self, claims: &Map<String, Value>) -> Result<(), String> {
        if !texts(claims, "aud").iter().any(|audience| audience == self.issuer.identifier()) {
            return Err("its `aud` is not the issuer identifier of this authorization server".to_owned());
        }
        match claims.get("client_id").and_then(Value::as_str) {
            None => Err("it has no `client_id`".to_owned()),
            Some(client) if client != self.client.id => {
                Err(format!("it is for the client `{client}`, and `{}` sent it", self.client.id))
            }
            Some(_) => Ok(()),
        }
    }
}
