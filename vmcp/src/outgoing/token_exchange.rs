//! RFC 8693: the caller's token is exchanged for one that the backend accepts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use url::Url;
use url::form_urlencoded;

use super::token_cache::ExchangedToken;
use super::token_circuits::TokenCircuits;
use crate::backend::SubjectToken;
use crate::egress::guard::EgressClass;
use crate::egress::{Cause, EgressError, HttpClient, Partition, Trust, read_body};

/// `grant_type` of a token exchange (RFC 8693, section 2.1).
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// Prefix of the token types that RFC 8693 defines (section 3).
const TOKEN_TYPE_PREFIX: &str = "urn:ietf:params:oauth:token-type:";
/// Bound on one exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bound on the size of an answer.
const MAX_ANSWER: usize = 1024 * 1024;

/// How to exchange a token. Two equal values give equal tokens for equal subject tokens.
#[derive(Debug, Clone)]
pub struct TokenExchange {
    /// Which configuration this is: the uid of its object, or its place in the file.
    pub source: String,
    /// The token endpoint.
    pub token_url: Url,
    /// Authorities for the token endpoint.
    pub trust: Trust,
    /// Who the gateway is at the token endpoint.
    pub client: Option<ClientCredentials>,
    /// The `audience` parameter.
    pub audience: Option<String>,
    /// The `scope` parameter.
    pub scopes: Vec<String>,
    /// The `subject_token_type` parameter.
    pub subject_token_type: TokenType,
}

impl std::hash::Hash for TokenExchange {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.source.hash(state);
        self.token_url.as_str().hash(state);
        self.trust.identity().hash(state);
        self.client.hash(state);
        self.audience.hash(state);
        self.scopes.hash(state);
        self.subject_token_type.hash(state);
    }
}

/// A client of an authorization server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientCredentials {
    /// The client id.
    pub id: String,
    /// The client secret; a public client has none.
    pub secret: Option<Arc<str>>,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientCredentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The type of a token (RFC 8693, section 3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// An OAuth access token.
    #[default]
    AccessToken,
    /// An ID token of `OpenID` Connect.
    IdToken,
    /// A JWT of no particular kind.
    Jwt,
}

impl TokenType {
    /// Reads the short or the long name; an empty text is an access token.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(TOKEN_TYPE_PREFIX).unwrap_or(text) {
            "" | "access_token" => Some(Self::AccessToken),
            "id_token" => Some(Self::IdToken),
            "jwt" => Some(Self::Jwt),
            _ => None,
        }
    }

    /// The URN.
    pub fn urn(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: Option<String>,
    issued_token_type: Option<String>,
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl TokenExchange {
    /// Exchanges `subject` at the token endpoint, unless its circuit is open. Redirects are not followed.
    pub(super) async fn obtain(
        &self,
        http: &HttpClient,
        circuits: &TokenCircuits,
        subject: &SubjectToken,
    ) -> Result<ExchangedToken, EgressError> {
        let exchange = async {
            let response =
                http.send(Partition::TokenEndpoints, EgressClass::Token, &self.trust, self.request(subject)?).await?;
            let status = response.status();
            let answer = read_body(response.into_body(), MAX_ANSWER).await?;
            read_answer(status, &answer)
        };
        let bounded = async {
            tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| {
                Err(EgressError::new(Cause::Timeout, format!("no answer within {} s", TIMEOUT.as_secs())))
            })
        };
        circuits.guard(&self.token_url, bounded).await.map_err(EgressError::at_token_endpoint)
    }

    /// The request (RFC 8693, section 2.1). A client with a secret authenticates by HTTP Basic, whose parts are
    /// form-encoded first (RFC 6749, section 2.3.1); one without names itself in the form.
    fn request(&self, subject: &SubjectToken) -> Result<Request<Full<Bytes>>, EgressError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", GRANT_TYPE);
        form.append_pair("subject_token", subject.expose());
        form.append_pair("subject_token_type", self.subject_token_type.urn());
        form.append_pair("requested_token_type", TokenType::AccessToken.urn());
        if let Some(audience) = &self.audience {
            form.append_pair("audience", audience);
        }
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.join(" "));
        }
        let mut request = Request::post(self.token_url.as_str())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        match &self.client {
            Some(ClientCredentials { id, secret: Some(secret) }) => {
                let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
                let mut value = HeaderValue::from_str(&format!("Basic {pair}")).map_err(|_| malformed_request())?;
                value.set_sensitive(true);
                request = request.header(AUTHORIZATION, value);
            }
            Some(ClientCredentials { id, secret: None }) => {
                form.append_pair("client_id", id);
            }
            None => {}
        }
        request.body(Full::new(Bytes::from(form.finish()))).map_err(|_| malformed_request())
    }
}

fn read_answer(status: StatusCode, answer: &[u8]) -> Result<ExchangedToken, EgressError> {
    if status != StatusCode::OK {
        return Err(refusal(status, answer));
    }
    let wrong = |what: &str| EgressError::new(Cause::Protocol, format!("the answer {what}"));
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| wrong("is not a JSON object with access_token"))?;
    // Mandatory in RFC 8693, section 2.2.1, and still forgotten by some servers; a wrong one is never usable.
    if let Some(issued) = answer.issued_token_type.as_deref()
        && !matches!(TokenType::parse(issued), Some(TokenType::AccessToken | TokenType::Jwt))
    {
        return Err(wrong("holds a token that is not an access token (issued_token_type)"));
    }
    let bearer = answer.token_type.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    if !bearer {
        return Err(wrong("holds a token that is not a bearer token (token_type)"));
    }
    let lifetime = match answer.expires_in {
        Some(seconds) => Some(Duration::try_from_secs_f64(seconds).map_err(|_| wrong("has no valid expires_in"))?),
        None => None,
    };
    ExchangedToken::new(&answer.access_token, lifetime)
        .ok_or_else(|| wrong("holds a token that does not fit into a header"))
}

fn malformed_request() -> EgressError {
    EgressError::new(Cause::Protocol, "the token URL or the client credentials cannot be put into a request")
}

/// An error of the token endpoint (RFC 6749, section 5.2). Only its code is shown: descriptions can hold anything.
fn refusal(status: StatusCode, answer: &[u8]) -> EgressError {
    let code = serde_json::from_slice::<Refusal>(answer).ok().map(|refusal| refusal.error).filter(|code| {
        !code.is_empty() && code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    });
    let cause = if status.is_client_error() { Cause::Unauthorized } else { Cause::Protocol };
    let message = match code {
        Some(code) => format!("the server refused the exchange with {code} ({status})"),
        None => format!("the server answered {status}"),
    };
    EgressError::new(cause, message)
}
