//! The authorization endpoint (RFC 6749, 4.1.1, with PKCE, RFC 7636, `resource`, RFC 8707, and `iss`, RFC 9207).

use http::{HeaderValue, Method, Response, StatusCode, header};
use url::Url;

use super::consent_page::consent_page;
use super::error::{ErrorCode, OAuthError};
use super::form::Form;
use super::issuer::Issuer;
use super::memory::{Code, unguessable};
use super::targets::{requested_scopes, targets};
use crate::wire::{Body, Outcome, Received, page};
use crate::world::{AuthorizationServer, Client, GrantType};

/// Length of `code_challenge`: a SHA-256 digest in base64url without padding.
const CHALLENGE_LENGTH: usize = 43;

/// What a request to the authorization endpoint leads to.
enum Decision {
    /// The user allows it.
    Code(String),
    /// Nobody said yet who signs in.
    Ask,
}

impl Issuer {
    /// Sends the user back to the client with a code or an error, or asks who signs in.
    pub(super) fn authorize(&self, received: &Received) -> Outcome {
        let definition = self.definition();
        let encoded = match received.method {
            Method::POST => received.body.as_ref(),
            _ => received.query.as_deref().unwrap_or_default().as_bytes(),
        };
        // As long as it is not certain who asks, nobody is sent anywhere (RFC 6749, 4.1.2.1).
        let (form, client, redirect) = match self.destination(encoded) {
            Ok(destination) => destination,
            Err(error) => {
                let reason = format!("{}: {}", error.code, error.description);
                return Outcome::refused_with(StatusCode::BAD_REQUEST, reason);
            }
        };
        match self.decide(&definition, &form, &client) {
            Ok(Decision::Ask) => Outcome::answered(consent_page(&received.path, &definition, &client, &form)),
            Ok(Decision::Code(code)) => Outcome::answered(self.send_back(redirect, &form, &[("code", &code)])),
            Err(error) => {
                let parameters = [("error", error.code.as_ref()), ("error_description", &error.description)];
                let reason = format!("{}: {}", error.code, error.description);
                Outcome::refused(self.send_back(redirect, &form, &parameters), reason)
            }
        }
    }

    /// Which client asks, and where its user is to be sent.
    fn destination(&self, encoded: &[u8]) -> Result<(Form, Client, Url), OAuthError> {
        let invalid = |description: String| OAuthError::new(ErrorCode::InvalidRequest, description);
        let form = Form::parse(encoded)?;
        let id = form.required("client_id")?;
        let client = self.client(id).map_err(invalid)?;
        let uri = match (form.get("redirect_uri"), client.redirect_uris.as_slice()) {
            (_, []) => return Err(invalid(format!("the client `{id}` has no redirect URIs"))),
            (Some(requested), known) if known.iter().any(|uri| uri.allows(requested)) => requested,
            (Some(requested), _) => {
                return Err(invalid(format!("`{requested}` is none of the redirect URIs of the client `{id}`")));
            }
            (None, [single]) => single.as_str(),
            (None, _) => return Err(invalid(format!("the client `{id}` has several redirect URIs: name one"))),
        };
        let url = Url::parse(uri).map_err(|_| invalid(format!("`{uri}` is not a URL")))?;
        Ok((form, client, url))
    }

    fn decide(&self, definition: &AuthorizationServer, form: &Form, client: &Client) -> Result<Decision, OAuthError> {
        let refuse = |code: ErrorCode, description: &str| Err(OAuthError::new(code, description));
        if form.required("response_type")? != "code" {
            return refuse(ErrorCode::UnsupportedResponseType, "the only response type is `code`");
        }
        if form.get("request").or_else(|| form.get("request_uri")).is_some() {
            return refuse(ErrorCode::RequestNotSupported, "request objects are not supported");
        }
        if form.get("response_mode").is_some_and(|mode| mode != "query") {
            return refuse(ErrorCode::InvalidRequest, "the only response mode is `query`");
        }
        if !client.may_use(GrantType::AuthorizationCode) {
            return refuse(ErrorCode::UnauthorizedClient, "the client may not use authorization codes");
        }
        // RFC 7636, 4.3: a request without a method means `plain`.
        if form.get("code_challenge_method") != Some("S256") {
            return refuse(ErrorCode::InvalidRequest, "PKCE is needed, with `code_challenge_method=S256`");
        }
        let challenge = form.required("code_challenge")?;
        if challenge.len() != CHALLENGE_LENGTH {
            return refuse(ErrorCode::InvalidRequest, "`code_challenge` is not a SHA-256 digest in base64url");
        }
        let resources = targets(definition, form)?;
        let scopes = requested_scopes(definition, form)?.unwrap_or_default();
        if form.get("decision") == Some("refuse") {
            return refuse(ErrorCode::AccessDenied, "the user refuses");
        }
        let hinted = form.get("login_hint").filter(|name| definition.user(name).is_some());
        let user = hinted.or(definition.sign_in.as_deref());
        let Some(user) = user else {
            if form.get("prompt") == Some("none") {
                return refuse(ErrorCode::LoginRequired, "nobody is signed in");
            }
            return Ok(Decision::Ask);
        };
        let authorization = self.authorization(client, user, scopes, resources);
        let code = unguessable();
        let kept = Code {
            authorization,
            challenge: challenge.to_owned(),
            redirect_uri: form.get("redirect_uri").map(str::to_owned),
            nonce: form.get("nonce").map(str::to_owned),
            expires: self.in_future(definition.code_lifetime),
            used: false,
        };
        self.memory().codes.insert(code.clone(), kept);
        Ok(Decision::Code(code))
    }

    /// A redirection to the client with these parameters, `state` and `iss`.
    fn send_back(&self, mut uri: Url, form: &Form, parameters: &[(&str, &str)]) -> Response<Body> {
        uri.query_pairs_mut()
            .extend_pairs(parameters)
            .extend_pairs(form.get("state").map(|state| ("state", state)))
            .append_pair("iss", self.identifier());
        let mut response = page(StatusCode::FOUND, String::new());
        if let Ok(location) = HeaderValue::from_str(uri.as_str()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
