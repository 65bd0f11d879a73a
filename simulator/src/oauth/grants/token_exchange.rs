//! Token exchange (RFC 8693): the token of a user for one that a resource server accepts, for another kind of token, or for
//! an identity assertion that another authorization server accepts (ID-JAG).

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::GrantRequest;
use crate::oauth::access_token::Access;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::token_response::TokenResponse;
use crate::oauth::verify::{ID_JAG_TYPE, scopes, texts};
use crate::world::{ExchangeAnswer, ExchangeRule};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// How long an identity assertion lives: it is used at once.
const ID_JAG_LIFETIME: Duration = Duration::from_mins(5);

/// The parties of an exchange, verified.
struct Parties {
    subject: Map<String, Value>,
    actor: Option<Map<String, Value>>,
}

impl GrantRequest<'_> {
    pub(super) fn token_exchange(&self) -> Result<TokenResponse, OAuthError> {
        if self.client.is_public() {
            return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "a public client may not exchange tokens"));
        }
        let requested = self.form.get("requested_token_type").unwrap_or(ACCESS_TOKEN);
        if ![ACCESS_TOKEN, JWT, ID_TOKEN, REFRESH_TOKEN, ID_JAG].contains(&requested) {
            return Err(invalid(format!("tokens of type `{requested}` are not issued")));
        }
        let parties = Parties {
            subject: self
                .presented("subject")?
                .ok_or_else(|| invalid("the parameter `subject_token` is missing".to_owned()))?,
            actor: self.presented("actor")?,
        };
        let access = self.exchanged(requested, &parties)?;
        let rule = self.definition.exchange.iter().find(|rule| self.fits(rule, requested, &parties));
        match rule.map(|rule| &rule.answer) {
            Some(ExchangeAnswer { error: Some(code), description, status, .. }) => {
                Err(OAuthError::scripted(code, description.as_deref(), *status))
            }
            Some(answer) => self.answer_exchange(requested, scripted(access, answer), answer.merge.clone()),
            None => self.answer_exchange(requested, access, Map::new()),
        }
    }

    /// The verified claims of the `subject_token` or the `actor_token`.
    fn presented(&self, role: &str) -> Result<Option<Map<String, Value>>, OAuthError> {
        let (token_name, type_name) = (format!("{role}_token"), format!("{role}_token_type"));
        let Some(token) = self.form.get(&token_name) else {
            return match self.form.get(&type_name) {
                Some(_) => Err(invalid(format!("`{type_name}` stands without `{token_name}`"))),
                None => Ok(None),
            };
        };
        let kind = self.form.required(&type_name)?;
        // RFC 8693, 2.2.2: a token that is not accepted, for whatever reason, is an `invalid_request`.
        let refuse = |reason: String| invalid(format!("the {role} token is not accepted: {reason}"));
        match kind {
            ACCESS_TOKEN | JWT | ID_TOKEN => {
                let issuer = self.trusted_issuer(token).map_err(refuse)?;
                issuer.verify(token, None).map(Some).map_err(|rejection| refuse(rejection.to_string()))
            }
            _ => Err(invalid(format!("{role} tokens of type `{kind}` are not exchanged"))),
        }
    }

    /// What the token usually says that is given for these parties.
    fn exchanged(&self, requested: &str, parties: &Parties) -> Result<Access, OAuthError> {
        let subject = text(&parties.subject, "sub");
        let scopes = self.scopes_or(&scopes(&parties.subject))?;
        let mut access = Access::new(subject, self.targets()?, scopes);
        if let Some(actor) = &parties.actor {
            access.claims.insert("act".to_owned(), acting(&parties.subject, actor)?);
        }
        match requested {
            ID_JAG => self.identity_assertion(access, &parties.subject),
            _ => Ok(access),
        }
    }

    /// An identity assertion is for another authorization server, which `audience` names; `resource` is for that one to judge.
    fn identity_assertion(&self, mut access: Access, subject: &Map<String, Value>) -> Result<Access, OAuthError> {
        if self.form.get("subject_token_type") != Some(ID_TOKEN) {
            return Err(invalid("an ID-JAG is given for an ID token alone".to_owned()));
        }
        if !texts(subject, "aud").iter().any(|audience| *audience == *self.client.id) {
            return Err(invalid("the ID token is for another client than the one that sends it".to_owned()));
        }
        let mut audiences = self.form.all("audience");
        let (Some(audience), None) = (audiences.next(), audiences.next()) else {
            return Err(invalid(
                "an ID-JAG needs one `audience`: the issuer identifier of an authorization server".to_owned(),
            ));
        };
        access.audience = vec![audience.to_owned()];
        let resources: Vec<&str> = self.form.all("resource").collect();
        match resources.as_slice() {
            [] => {}
            [one] => drop(access.claims.insert("resource".to_owned(), json!(one))),
            several => drop(access.claims.insert("resource".to_owned(), json!(several))),
        }
        access.lifetime = Some(ID_JAG_LIFETIME);
        Ok(access)
    }

    fn fits(&self, rule: &ExchangeRule, requested: &str, parties: &Parties) -> bool {
        let when = &rule.when;
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let targeted =
            |wanted: &String| self.form.all("audience").chain(self.form.all("resource")).any(|one| one == wanted);
        let scoped =
            |wanted: &String| self.form.get("scope").is_some_and(|all| all.split(' ').any(|one| one == wanted));
        is(&when.client, &self.client.id)
            && is(&when.subject, text(&parties.subject, "sub"))
            && is(&when.actor, parties.actor.as_ref().map_or("", |actor| text(actor, "sub")))
            && is(&when.requested_token_type, requested)
            && when.audience.as_ref().is_none_or(targeted)
            && when.scope.as_ref().is_none_or(scoped)
    }

    fn answer_exchange(
        &self,
        requested: &str,
        access: Access,
        merge: Map<String, Value>,
    ) -> Result<TokenResponse, OAuthError> {
        let mut response = if requested == REFRESH_TOKEN {
            self.exchanged_refresh_token(&access)?
        } else {
            self.token(if requested == ID_JAG { ID_JAG_TYPE } else { "JWT" }, access)?
        };
        if ![ACCESS_TOKEN, JWT].contains(&requested) {
            // RFC 8693, 2.2.1: it is no access token.
            "N_A".clone_into(&mut response.token_type);
        }
        response.issued_token_type = Some(requested.to_owned());
        response.merge = Value::Object(merge);
        Ok(response)
    }

    fn exchanged_refresh_token(&self, access: &Access) -> Result<TokenResponse, OAuthError> {
        let (scopes, resources) = (access.scopes.clone(), access.audience.clone());
        let authorization = self.issuer.authorization(self.client, &access.subject, scopes, resources);
        let token = self
            .refresh_token_for(&authorization)
            .ok_or_else(|| invalid("refresh tokens are not issued to this client".to_owned()))?;
        Ok(TokenResponse::bearer(token, self.definition.refresh_token_lifetime.as_secs(), &access.scopes))
    }
}

fn invalid(description: String) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The `act` claim (RFC 8693, 4.1): who acts now, and within it who acted before. The subject token's `may_act` (4.4) says who
/// may, if it says anything.
fn acting(subject: &Map<String, Value>, actor: &Map<String, Value>) -> Result<Value, OAuthError> {
    let allowed = subject.get("may_act").and_then(Value::as_object);
    if allowed.is_some_and(|allowed| allowed.iter().any(|(name, value)| actor.get(name) != Some(value))) {
        return Err(invalid(format!("`may_act` of the subject token does not allow `{}` to act", text(actor, "sub"))));
    }
    let mut act = json!({"sub": text(actor, "sub"), "iss": text(actor, "iss")});
    if let Some(earlier) = subject.get("act") {
        act["act"] = earlier.clone();
    }
    Ok(act)
}

/// The token as the world's rule wants it.
fn scripted(mut access: Access, answer: &ExchangeAnswer) -> Access {
    if let Some(scope) = &answer.scope {
        access.scopes = scope.split_whitespace().map(str::to_owned).collect();
    }
    access.lifetime = answer.lifetime.or(access.lifetime);
    access.claims.extend(answer.claims.clone());
    access
}
