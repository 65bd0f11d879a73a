//! The grants: token exchange (RFC 8693) and client credentials (RFC 6749, 4.4).

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::error::{ErrorCode, TokenEndpointError};
use super::form::Form;
use super::issuer::{Issuer, find_issuer};
use super::verify::scopes;
use crate::wire::{Outcome, json_response};
use crate::world::Client;

pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

impl Issuer {
    /// Exchanges the token of a user for one that a resource server accepts.
    pub(super) fn exchange(
        &self,
        form: &Form,
        client: &Client,
        issuers: &[Arc<Issuer>],
    ) -> Result<Outcome, TokenEndpointError> {
        if client.secret.is_none() {
            return Err(TokenEndpointError::new(
                ErrorCode::UnauthorizedClient,
                "a public client may not exchange tokens",
            ));
        }
        let subject_token = form.required("subject_token")?;
        let subject_type = form.required("subject_token_type")?;
        if ![ACCESS_TOKEN, JWT, ID_TOKEN].contains(&subject_type) {
            return Err(TokenEndpointError::new(
                ErrorCode::InvalidRequest,
                format!("subject tokens of type `{subject_type}` are not exchanged"),
            ));
        }
        if form.get("actor_token").is_some() || form.get("actor_token_type").is_some() {
            return Err(TokenEndpointError::new(
                ErrorCode::InvalidRequest,
                "actor tokens are not accepted: delegation is not built yet",
            ));
        }
        let issued_type = form.get("requested_token_type").unwrap_or(ACCESS_TOKEN);
        if ![ACCESS_TOKEN, JWT].contains(&issued_type) {
            return Err(TokenEndpointError::new(
                ErrorCode::InvalidRequest,
                format!("tokens of type `{issued_type}` are not issued"),
            ));
        }
        let subject_claims = self.judge_subject_token(subject_token, issuers)?;
        let subject = subject_claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let issued = self.issue(form, client, subject, &scopes(&subject_claims))?;
        Ok(respond(issued, Some(issued_type)))
    }

    /// Issues a token for the client itself.
    pub(super) fn client_credentials(&self, form: &Form, client: &Client) -> Result<Outcome, TokenEndpointError> {
        if client.secret.is_none() {
            return Err(TokenEndpointError::new(
                ErrorCode::UnauthorizedClient,
                "a public client has no credentials of its own",
            ));
        }
        let issued = self.issue(form, client, &client.id, &[])?;
        Ok(respond(issued, None))
    }

    /// RFC 8693, 2.2.2: a subject token that is not accepted, for whatever reason, is an `invalid_request`.
    fn judge_subject_token(
        &self,
        token: &str,
        issuers: &[Arc<Issuer>],
    ) -> Result<Map<String, Value>, TokenEndpointError> {
        let refuse = |reason: String| {
            TokenEndpointError::new(ErrorCode::InvalidRequest, format!("the subject token is not accepted: {reason}"))
        };
        let claims = super::decode_claims(token).ok_or_else(|| refuse("it is not a JWT".to_owned()))?;
        let named = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        let trusted = self.definition.trusts.iter().filter_map(|name| find_issuer(issuers, name)).map(Arc::as_ref);
        let issuer = trusted.chain([self]).find(|issuer| issuer.identifier() == named);
        let issuer = issuer.ok_or_else(|| refuse(format!("its issuer `{named}` is not trusted")))?;
        issuer.verify(token, None).map_err(|rejection| refuse(rejection.to_string()))
    }

    fn issue(
        &self,
        form: &Form,
        client: &Client,
        subject: &str,
        inherited: &[String],
    ) -> Result<Issued, TokenEndpointError> {
        let targets = self.targets(form)?;
        let scope = self.granted_scopes(form, inherited)?;
        let lifetime = self.definition.token_lifetime;
        let mut claims = self.claims(subject, lifetime);
        let audience = match targets.as_slice() {
            [] => json!(*client.id),
            [one] => json!(one),
            several => json!(several),
        };
        claims.insert("aud".to_owned(), audience);
        claims.insert("client_id".to_owned(), json!(*client.id));
        if !scope.is_empty() {
            claims.insert("scope".to_owned(), scope.join(" ").into());
        }
        let token = self
            .sign(&claims)
            .map_err(|_| TokenEndpointError::new(ErrorCode::ServerError, "the token could not be signed"))?;
        Ok(Issued { token, seconds: lifetime.as_secs(), scope: scope.join(" ") })
    }

    /// Where the token is meant to be used: `audience` and `resource`, both repeatable.
    fn targets(&self, form: &Form) -> Result<Vec<String>, TokenEndpointError> {
        for resource in form.all("resource") {
            if !Url::parse(resource).is_ok_and(|url| url.fragment().is_none()) {
                return Err(TokenEndpointError::new(
                    ErrorCode::InvalidTarget,
                    format!("the resource `{resource}` is not an absolute URI without fragment"),
                ));
            }
        }
        let mut targets: Vec<String> = Vec::new();
        for target in form.all("audience").chain(form.all("resource")) {
            if self.definition.audiences.as_ref().is_some_and(|known| !known.iter().any(|audience| audience == target))
            {
                return Err(TokenEndpointError::new(
                    ErrorCode::InvalidTarget,
                    format!("no tokens are issued for `{target}`"),
                ));
            }
            if !targets.iter().any(|seen| seen == target) {
                targets.push(target.to_owned());
            }
        }
        Ok(targets)
    }

    /// The scopes asked for; without a wish those of the subject token that are known here.
    fn granted_scopes(&self, form: &Form, inherited: &[String]) -> Result<Vec<String>, TokenEndpointError> {
        let known =
            |scope: &str| self.definition.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|one| one == scope));
        let Some(wanted) = form.get("scope") else {
            return Ok(inherited.iter().filter(|scope| known(scope)).cloned().collect());
        };
        let wanted: Vec<String> = wanted.split_whitespace().map(str::to_owned).collect();
        match wanted.iter().find(|scope| !known(scope)) {
            Some(scope) => {
                Err(TokenEndpointError::new(ErrorCode::InvalidScope, format!("the scope `{scope}` is not granted")))
            }
            None => Ok(wanted),
        }
    }
}

struct Issued {
    token: String,
    seconds: u64,
    scope: String,
}

fn respond(issued: Issued, issued_type: Option<&str>) -> Outcome {
    let mut body = json!({"access_token": issued.token, "token_type": "Bearer", "expires_in": issued.seconds});
    if let Some(issued_type) = issued_type {
        body["issued_token_type"] = issued_type.into();
    }
    if !issued.scope.is_empty() {
        body["scope"] = issued.scope.into();
    }
    let mut response = json_response(StatusCode::OK, &body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    Outcome::answered(response)
}
