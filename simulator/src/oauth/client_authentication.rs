//! Who is asking: client authentication at the token endpoint (RFC 6749, 2.3, and RFC 7523, 2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;

use super::client_assertion::{CLIENT_ASSERTION_TYPE, named_client};
use super::error::{ErrorCode, OAuthError};
use super::form::Form;
use super::issuer::Issuer;
use crate::wire::Received;
use crate::world::{Client, ClientAuthentication};

/// What a client showed.
struct Credentials {
    id: String,
    proof: Proof,
}

enum Proof {
    /// Its name alone.
    None,
    Secret(Shown, ClientAuthentication),
    Assertion(String),
}

/// A secret as it was sent.
struct Shown {
    secret: String,
    /// How it stood in an HTTP Basic header, before it was form-decoded.
    written: Option<String>,
}

impl Issuer {
    /// The client that sent the request, if it proved to be that.
    pub(super) fn authenticate(&self, received: &Received, form: &Form) -> Result<Client, OAuthError> {
        let basic = received.header(header::AUTHORIZATION.as_str());
        let mut result = credentials(basic, form).and_then(|credentials| self.check(credentials));
        if let Err(error) = &mut result {
            error.tried_basic = basic.is_some();
        }
        result
    }

    fn check(&self, Credentials { id, proof }: Credentials) -> Result<Client, OAuthError> {
        let refuse = |description: String| Err(invalid_client(description));
        let client = self.client(&id).map_err(invalid_client)?;
        let methods = client.methods();
        let tried = match &proof {
            Proof::None => None,
            Proof::Secret(_, method) => Some(*method),
            Proof::Assertion(_) => Some(ClientAuthentication::PrivateKeyJwt),
        };
        match tried {
            None if client.is_public() => return Ok(client),
            None => return refuse(format!("the client `{id}` must authenticate with {}", list(&methods))),
            Some(_) if client.is_public() => return refuse(format!("the client `{id}` is public and has no secret")),
            Some(method) if !methods.contains(&method) => {
                let (tried, allowed) = (method.identifier(), list(&methods));
                return refuse(format!("the client `{id}` may not authenticate with {tried}, but with {allowed}"));
            }
            Some(_) => {}
        }
        let expected = client.secret.as_ref().map(crate::world::Secret::reveal);
        match proof {
            Proof::Assertion(assertion) => match self.judge_assertion(&client, &assertion) {
                Ok(()) => Ok(client),
                Err(reason) => refuse(format!("the assertion of the client `{id}` is not accepted: {reason}")),
            },
            Proof::Secret(shown, _) if expected == Some(&shown.secret) => Ok(client),
            Proof::Secret(shown, _) if shown.written.as_deref() == expected => refuse(format!(
                "the secret of the client `{id}` was not form-encoded before Base64, as RFC 6749 (2.3.1) asks"
            )),
            Proof::Secret(..) | Proof::None => refuse(format!("the secret of the client `{id}` is another one")),
        }
    }
}

fn invalid_client(description: impl Into<String>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, description)
}

fn list(methods: &[ClientAuthentication]) -> String {
    methods.iter().map(|method| method.identifier()).collect::<Vec<_>>().join(" or ")
}

/// What the request shows; RFC 6749 (2.3) allows one way of authentication at a time.
fn credentials(authorization: Option<&str>, form: &Form) -> Result<Credentials, OAuthError> {
    let secret = form.get("client_secret");
    let assertion = form.get("client_assertion");
    if [authorization, secret, assertion].iter().flatten().count() > 1 {
        return Err(OAuthError::new(ErrorCode::InvalidRequest, "the client authenticates in more than one way"));
    }
    let named = form.get("client_id");
    let (id, proof) = if let Some(authorization) = authorization {
        basic_credentials(authorization)
            .ok_or_else(|| invalid_client("the Authorization header is not HTTP Basic with a client's id and secret"))?
    } else if let Some(assertion) = assertion {
        if form.required("client_assertion_type")? != CLIENT_ASSERTION_TYPE {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                format!("`client_assertion_type` is another one than {CLIENT_ASSERTION_TYPE}"),
            ));
        }
        let id = named_client(assertion)
            .ok_or_else(|| invalid_client("the client assertion is not a JWT with a `sub` that names the client"))?;
        (id, Proof::Assertion(assertion.to_owned()))
    } else {
        let id = named.ok_or_else(|| invalid_client("no client authentication is included"))?;
        let shown = |secret: &str| Shown { secret: secret.to_owned(), written: None };
        (id.to_owned(), secret.map_or(Proof::None, |secret| Proof::Secret(shown(secret), ClientAuthentication::Post)))
    };
    if named.is_some_and(|named| named != id) {
        return Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "`client_id` is another client than the one that authenticates",
        ));
    }
    Ok(Credentials { id, proof })
}

/// Id and secret are form-encoded before they are joined (RFC 6749, 2.3.1).
fn basic_credentials(authorization: &str) -> Option<(String, Proof)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let shown = Shown { secret: form_decode(secret), written: Some(secret.to_owned()) };
    Some((form_decode(id), Proof::Secret(shown, ClientAuthentication::Basic)))
}

fn form_decode(text: &str) -> String {
    // Encoded text holds no `&` and no `=`, so it parses as the name of one field.
    if text.contains(['&', '=']) {
        return text.to_owned();
    }
    url::form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn credentials_are_decoded_twice() {
        let pair = |text: &str| match basic_credentials(&format!("Basic {}", STANDARD.encode(text))) {
            Some((id, Proof::Secret(shown, ClientAuthentication::Basic))) => Some((id, shown.secret)),
            _ => None,
        };
        let expected = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(pair("gateway:s3cr3t"), expected("gateway", "s3cr3t"));
        assert_eq!(pair("a%3Ab:c+d%2F"), expected("a:b", "c d/"));
        assert_eq!(pair("gateway:"), expected("gateway", ""));
        assert_eq!(pair("no colon"), None);
        assert!(basic_credentials("Bearer x").is_none());
    }
}
