//! What a request asks for: the resources where a token is to be used, and its scopes.

use url::Url;

use super::error::{ErrorCode, OAuthError};
use super::form::Form;
use crate::world::AuthorizationServer;

/// Where the token is meant to be used: `audience` (RFC 8693) and `resource` (RFC 8707), both repeatable.
pub(super) fn targets(definition: &AuthorizationServer, form: &Form) -> Result<Vec<String>, OAuthError> {
    let invalid = |description: String| OAuthError::new(ErrorCode::InvalidTarget, description);
    for resource in form.all("resource") {
        if !Url::parse(resource).is_ok_and(|url| url.fragment().is_none()) {
            return Err(invalid(format!("the resource `{resource}` is not an absolute URI without fragment")));
        }
    }
    let mut targets: Vec<String> = Vec::new();
    for target in form.all("audience").chain(form.all("resource")) {
        if definition.audiences.as_ref().is_some_and(|known| !known.iter().any(|audience| audience == target)) {
            return Err(invalid(format!("no tokens are issued for `{target}`")));
        }
        if !targets.iter().any(|seen| seen == target) {
            targets.push(target.to_owned());
        }
    }
    Ok(targets)
}

/// The scopes asked for; `None` when the request leaves it open.
pub(super) fn requested_scopes(
    definition: &AuthorizationServer,
    form: &Form,
) -> Result<Option<Vec<String>>, OAuthError> {
    let Some(wanted) = form.get("scope") else { return Ok(None) };
    let wanted: Vec<String> = wanted.split_whitespace().map(str::to_owned).collect();
    match wanted.iter().find(|scope| !is_granted(definition, scope)) {
        Some(scope) => Err(OAuthError::new(ErrorCode::InvalidScope, format!("the scope `{scope}` is not granted"))),
        None => Ok(Some(wanted)),
    }
}

/// Whether the authorization server grants the scope.
pub(super) fn is_granted(definition: &AuthorizationServer, scope: &str) -> bool {
    definition.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|one| one == scope))
}

/// What is asked for, if it is part of what was authorized; all that was authorized when nothing is asked for.
pub(super) fn narrowed(code: ErrorCode, asked: Vec<String>, authorized: &[String]) -> Result<Vec<String>, OAuthError> {
    match asked.iter().find(|one| !authorized.contains(one)) {
        Some(one) => Err(OAuthError::new(code, format!("`{one}` is not part of what was authorized"))),
        None if asked.is_empty() => Ok(authorized.to_vec()),
        None => Ok(asked),
    }
}
