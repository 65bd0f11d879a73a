//! Who is asking: client authentication at the token endpoint (RFC 6749, 2.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;

use super::error::{ErrorCode, TokenEndpointError};
use super::form::Form;
use super::issuer::Issuer;
use crate::wire::Received;
use crate::world::{Client, ClientAuthentication};

/// What a client showed.
struct Credentials {
    id: String,
    secret: Option<String>,
    method: ClientAuthentication,
}

impl Issuer {
    /// The client that sent the request, if it proved to be that.
    pub(super) fn authenticate(&self, received: &Received, form: &Form) -> Result<Client, TokenEndpointError> {
        let basic = received.header(header::AUTHORIZATION.as_str());
        let mut result = credentials(basic, form).and_then(|credentials| self.check(credentials));
        if let Err(error) = &mut result {
            error.tried_basic = basic.is_some();
        }
        result
    }

    fn check(&self, credentials: Credentials) -> Result<Client, TokenEndpointError> {
        let refuse = |description: String| Err(TokenEndpointError::new(ErrorCode::InvalidClient, description));
        let Credentials { id, secret, method } = credentials;
        let Some(client) = self.client(&id) else {
            return refuse(format!("there is no client `{id}`"));
        };
        match (&client.secret, secret) {
            (None, Some(_)) => refuse(format!("the client `{id}` is public and has no secret")),
            (Some(_), None) => refuse(format!("the client `{id}` must authenticate")),
            (Some(_), Some(_)) if !client.authentication.contains(&method) => {
                let name = match method {
                    ClientAuthentication::Basic => "client_secret_basic",
                    ClientAuthentication::Post => "client_secret_post",
                };
                refuse(format!("the client `{id}` may not authenticate with {name}"))
            }
            (Some(expected), Some(shown)) if expected.reveal() != shown => {
                refuse(format!("the secret of the client `{id}` is another one"))
            }
            (None, None) | (Some(_), Some(_)) => Ok(client),
        }
    }
}

fn credentials(authorization: Option<&str>, form: &Form) -> Result<Credentials, TokenEndpointError> {
    let Some(authorization) = authorization else {
        let id = form
            .get("client_id")
            .ok_or_else(|| TokenEndpointError::new(ErrorCode::InvalidClient, "no client authentication is included"))?;
        return Ok(Credentials {
            id: id.to_owned(),
            secret: form.get("client_secret").map(str::to_owned),
            method: ClientAuthentication::Post,
        });
    };
    if form.get("client_secret").is_some() {
        return Err(TokenEndpointError::new(
            ErrorCode::InvalidRequest,
            "the client authenticates in more than one way",
        ));
    }
    let (id, secret) = basic_credentials(authorization).ok_or_else(|| {
        TokenEndpointError::new(
            ErrorCode::InvalidClient,
            "the Authorization header is not HTTP Basic with a client's id and secret",
        )
    })?;
    if form.get("client_id").is_some_and(|named| named != id) {
        return Err(TokenEndpointError::new(
            ErrorCode::InvalidRequest,
            "`client_id` is another client than the one that authenticates",
        ));
    }
    Ok(Credentials { id, secret: Some(secret), method: ClientAuthentication::Basic })
}

/// Id and secret are form-encoded before they are joined (RFC 6749, 2.3.1).
fn basic_credentials(authorization: &str) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decode(id), form_decode(secret)))
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
    use super::*;

    #[test]
    fn credentials_are_decoded_twice() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let pair = |id: &str, secret: &str| Some((id.to_owned(), secret.to_owned()));
        assert_eq!(basic_credentials(&header("gateway:s3cr3t")), pair("gateway", "s3cr3t"));
        assert_eq!(basic_credentials(&header("a%3Ab:c+d%2F")), pair("a:b", "c d/"));
        assert_eq!(basic_credentials(&header("gateway:")), pair("gateway", ""));
        assert_eq!(basic_credentials(&header("no colon")), None);
        assert_eq!(basic_credentials("Bearer x"), None);
    }
}
