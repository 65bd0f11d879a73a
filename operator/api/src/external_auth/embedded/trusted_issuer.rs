//! Other issuers whose tokens an authorization server exchanges.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An issuer whose tokens may be exchanged, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": r#"allowedDelegateClients is "*" alone, or a list of client ids"#,
        "rule": "!has(self.allowedDelegateClients) || !('*' in self.allowedDelegateClients) || size(self.allowedDelegateClients) == 1"
    },
    {
        "message": r#"allowMayAct must not be set when every client may delegate ("*")"#,
        "rule": "!(has(self.allowMayAct) && self.allowMayAct && '*' in self.allowedDelegateClients)"
    },
    {
        "message": "actorClaim must name a claim that tells the client, such as client_id, azp, appid or cid",
        "rule": "!has(self.actorClaim) || !(self.actorClaim in ['sub', 'iss', 'aud', 'exp', 'iat', 'nbf', 'jti', 'name', 'email', 'scope', 'scp', 'may_act'])"
    },
    {
        "message": "allowPrivateIPs takes jwksUrl",
        "rule": r#"!(has(self.allowPrivateIPs) && self.allowPrivateIPs) || (has(self.jwksUrl) && self.jwksUrl != "")"#
    },
    {
        "message": "expectedAudience is required, except for a jwtBearerGrant without actors",
        "rule": "(has(self.jwtBearerGrant) && !((has(self.actorClaim) && size(self.actorClaim) > 0) || (has(self.actorMatcher) && size(self.actorMatcher) > 0) || (has(self.allowMayAct) && self.allowMayAct) || (has(self.allowedActors) && size(self.allowedActors) > 0))) || (has(self.expectedAudience) && size(self.expectedAudience) > 0)"
    },
    {
        "message": "allowedDelegateClients is required beside expectedAudience, actorClaim, actorMatcher and allowMayAct",
        "rule": "!((has(self.expectedAudience) && size(self.expectedAudience) > 0) || (has(self.actorClaim) && size(self.actorClaim) > 0) || (has(self.actorMatcher) && size(self.actorMatcher) > 0) || (has(self.allowMayAct) && self.allowMayAct)) || (has(self.allowedDelegateClients) && size(self.allowedDelegateClients) > 0)"
    }
]))]
pub struct TrustedIssuer {
    /// The iss of its tokens, and where OpenID discovery starts.
    #[schemars(length(min = 1, max = 2048))]
    pub issuer_url: String,
    /// Where its signing keys are; OpenID discovery finds it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub jwks_url: Option<String>,
    /// Permits its keys at a private address.
    #[serde(default, rename = "allowPrivateIPs", skip_serializing_if = "Option::is_none")]
    pub allow_private_ips: Option<bool>,
    /// Permits the issuer without TLS; for tests only.
    #[serde(default, rename = "insecureAllowHTTP", skip_serializing_if = "Option::is_none")]
    pub insecure_allow_http: Option<bool>,
    /// The aud of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub expected_audience: Option<String>,
    /// Client ids that may exchange its tokens; "*" for every client that may exchange at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "atomic"))]
    pub allowed_delegate_clients: Option<Vec<String>>,
    /// The claim that names the client which got the token; azp when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub actor_claim: Option<String>,
    /// Values of that claim that are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "atomic"))]
    pub allowed_actors: Option<Vec<String>>,
    /// CEL expression over claims that accepts further actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub actor_matcher: Option<String>,
    /// Whether the may_act claim of its tokens decides who may exchange them.
    #[serde(default)]
    pub allow_may_act: bool,
    /// Accepts its tokens as assertions too (RFC 7523).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_bearer_grant: Option<JwtBearerGrant>,
}

/// Which assertions are accepted (RFC 7523).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "maxAssertionAge must be more than 0s",
        "rule": "duration(self.maxAssertionAge) > duration('0s')"
    },
    {
        "message": "subjectBindings must not name a subject twice",
        "rule": "self.subjectBindings.all(binding, self.subjectBindings.filter(other, other.subject == binding.subject).size() == 1)"
    }
]))]
pub struct JwtBearerGrant {
    /// Age of an assertion at most, such as 5m.
    pub max_assertion_age: String,
    /// Who may ask for which resources.
    #[schemars(length(min = 1, max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    pub subject_bindings: Vec<SubjectBinding>,
    /// The aud of assertions, beside the token endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 2048), regex(pattern = "^https?://[^[:space:]]+$")), extend("x-kubernetes-list-type" = "atomic"))]
    pub accepted_audiences: Option<Vec<String>>,
}

/// What one subject may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubjectBinding {
    /// The sub of the assertion.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[^*]+$"))]
    pub subject: String,
    /// Resources that it may ask tokens for (RFC 8707).
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 2048), regex(pattern = "^https?://[^[:space:]]+$")), extend("x-kubernetes-list-type" = "atomic"))]
    pub allowed_resources: Vec<String>,
}
