//! The resources that are only created, to ask a question: token requests and reviews, access reviews.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::User;
use super::rbac::{self, Attributes};
use super::token::{API_AUDIENCE, TokenSpec};
use crate::api::clock::seconds;
use crate::api::registry::api_version;
use crate::api::state::{Server, State};
use crate::api::status::{ApiError, ApiResult, Cause};
use crate::apply::{self, Operation, TypeModel, UpdateRequest};

/// A resource that answers a question and stores nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Review {
    Token,
    SelfSubject,
    SelfSubjectAccess,
    SelfSubjectRules,
    SubjectAccess,
    LocalSubjectAccess,
}

/// How a review is served.
pub(crate) struct ReviewKind {
    pub(crate) review: Review,
    pub(crate) group: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
}

/// The group of questions about who somebody is.
pub(crate) const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// Every review, all at version `v1`.
pub(crate) static REVIEWS: &[ReviewKind] = &[
    kind(Review::SelfSubject, AUTHENTICATION, "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", false),
    kind(Review::Token, AUTHENTICATION, "tokenreviews", "tokenreview", "TokenReview", false),
    kind(
        Review::LocalSubjectAccess,
        AUTHORIZATION,
        "localsubjectaccessreviews",
        "localsubjectaccessreview",
        "LocalSubjectAccessReview",
        true,
    ),
    kind(
        Review::SelfSubjectAccess,
        AUTHORIZATION,
        "selfsubjectaccessreviews",
        "selfsubjectaccessreview",
        "SelfSubjectAccessReview",
        false,
    ),
    kind(
        Review::SelfSubjectRules,
        AUTHORIZATION,
        "selfsubjectrulesreviews",
        "selfsubjectrulesreview",
        "SelfSubjectRulesReview",
        false,
    ),
    kind(
        Review::SubjectAccess,
        AUTHORIZATION,
        "subjectaccessreviews",
        "subjectaccessreview",
        "SubjectAccessReview",
        false,
    ),
];

const fn kind(
    review: Review,
    group: &'static str,
    plural: &'static str,
    singular: &'static str,
    kind: &'static str,
    namespaced: bool,
) -> ReviewKind {
    ReviewKind { review, group, plural, singular, kind, namespaced }
}

/// The review that a path names.
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static ReviewKind> {
    REVIEWS.iter().find(|review| version == "v1" && review.group == group && review.plural == plural)
}

/// Who asks, of which server.
pub(crate) struct Question<'a> {
    pub(crate) server: &'a Server,
    pub(crate) state: &'a State,
    pub(crate) user: &'a User,
    /// The field manager: recorded as the writer of the spec.
    pub(crate) manager: &'a str,
}

impl Question<'_> {
    /// Answers a review.
    pub(crate) fn review(&self, kind: &ReviewKind, namespace: Option<&str>, review: Value) -> ApiResult<Value> {
        answer(self, kind, namespace, review)
    }

    /// Answers `POST .../serviceaccounts/NAME/token`.
    pub(crate) fn token(&self, namespace: &str, name: &str, request: Value) -> ApiResult<Value> {
        token_request(self, namespace, name, request)
    }
}

fn answer(question: &Question<'_>, kind: &ReviewKind, namespace: Option<&str>, mut review: Value) -> ApiResult<Value> {
    let Question { server, state, user, manager } = *question;
    let now = server.clock.now();
    if review["kind"].as_str().is_some_and(|sent| sent != kind.kind) {
        return Err(ApiError::bad_request(format!("the body is not a {}", kind.kind)));
    }
    review["kind"] = kind.kind.into();
    review["apiVersion"] = api_version(kind.group, "v1").into();
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    let request = UpdateRequest {
        manager: manager.to_owned(),
        subresource: None,
        api_version: api_version(kind.group, "v1"),
        now: seconds(now),
        operation: Operation::Update,
    };
    if kind.review != Review::SelfSubject {
        apply::track(None, &mut review, &request, &TypeModel::builtin(kind.group, kind.kind));
    }
    let spec = &review["spec"];
    let status = match kind.review {
        Review::Token => token_status(server, state, spec)?,
        Review::SelfSubject => {
            review["metadata"]["creationTimestamp"] = seconds(now).into();
            json!({"userInfo": user.info()})
        }
        Review::SelfSubjectAccess => {
            check_attributes(kind, spec)?;
            access_status(state, user, spec)
        }
        Review::SelfSubjectRules => rules_status(state, user, spec)?,
        Review::SubjectAccess | Review::LocalSubjectAccess => {
            if namespace.is_some_and(|namespace| spec["resourceAttributes"]["namespace"] != namespace) {
                return Err(ApiError::bad_request("spec.resourceAttributes.namespace must match metadata.namespace"));
            }
            check_attributes(kind, spec)?;
            access_status(state, &subject(kind, spec)?, spec)
        }
    };
    review["status"] = status;
    Ok(review)
}

fn token_status(server: &Server, state: &State, spec: &Value) -> ApiResult<Value> {
    let token = spec["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        let message = "token is required for TokenReview in authentication";
        return Err(ApiError::bad_request(message));
    }
    let mut audiences: Vec<String> =
        spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.push(API_AUDIENCE.to_owned());
    }
    Ok(match server.tokens.authenticate(token, &audiences, state, server.clock.now()) {
        Some((user, matched)) => json!({"authenticated": true, "user": user.info(), "audiences": matched}),
        None => json!({"user": {}, "error": "[invalid bearer token, token lookup failed]"}),
    })
}

/// What a user may do in a namespace, rule by rule.
fn rules_status(state: &State, user: &User, spec: &Value) -> ApiResult<Value> {
    let namespace = spec["namespace"].as_str().filter(|namespace| !namespace.is_empty());
    let namespace = namespace.ok_or_else(|| ApiError::bad_request("no namespace on request"))?;
    let rules = rbac::rules_for(state, user, Some(namespace));
    let about = |field: &str| -> Vec<&Value> {
        rules.iter().filter(|rule| rule[field].as_array().is_some_and(|list| !list.is_empty())).collect()
    };
    Ok(json!({
        "incomplete": false,
        "resourceRules": about("resources"),
        "nonResourceRules": about("nonResourceURLs"),
    }))
}

/// A review of access is about a resource or about a path.
fn check_attributes(kind: &ReviewKind, spec: &Value) -> ApiResult<()> {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let cause = match (resource.is_null(), path.is_null()) {
        (false, false) => {
            let detail = "cannot be specified in combination with resourceAttributes";
            Cause::invalid("spec.nonResourceAttributes", path, detail)
        }
        (true, true) => {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            Cause::invalid("spec.resourceAttributes", path, detail)
        }
        _ => return Ok(()),
    };
    Err(ApiError::invalid(AUTHORIZATION, kind.kind, "", vec![cause]))
}

fn subject(kind: &ReviewKind, spec: &Value) -> ApiResult<User> {
    let groups: Vec<&str> = spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let name = spec["user"].as_str().unwrap_or_default();
    if name.is_empty() && groups.is_empty() {
        let detail = "at least one of user or group must be specified";
        let cause = Cause::new("FieldValueInvalid", format!("Invalid value: \"\": {detail}"), "spec.user");
        return Err(ApiError::invalid(AUTHORIZATION, kind.kind, "", vec![cause]));
    }
    Ok(User::named(name, &groups))
}

fn access_status(state: &State, user: &User, spec: &Value) -> Value {
    match rbac::allowed_by(state, user, &attributes(spec)) {
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    }
}

fn attributes(spec: &Value) -> Attributes {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let path = &spec["nonResourceAttributes"];
    if path.is_object() {
        return Attributes { verb: text(&path["verb"]), path: Some(text(&path["path"])), ..Attributes::default() };
    }
    let wanted = &spec["resourceAttributes"];
    let mut resource = text(&wanted["resource"]);
    if let Some(subresource) = wanted["subresource"].as_str().filter(|subresource| !subresource.is_empty()) {
        resource = format!("{resource}/{subresource}");
    }
    Attributes {
        verb: text(&wanted["verb"]),
        group: text(&wanted["group"]),
        resource,
        name: text(&wanted["name"]),
        namespace: wanted["namespace"].as_str().filter(|namespace| !namespace.is_empty()).map(str::to_owned),
        path: None,
    }
}

fn token_request(question: &Question<'_>, namespace: &str, name: &str, mut request: Value) -> ApiResult<Value> {
    let Question { server, state, manager, .. } = *question;
    let Some(account) = state.store.object("serviceaccounts", &format!("{namespace}/{name}")) else {
        return Err(ApiError::not_found("", "serviceaccounts", name));
    };
    let now = server.clock.now();
    let uid = account["metadata"]["uid"].as_str().unwrap_or_default();
    let spec = &mut request["spec"];
    if spec["audiences"].as_array().is_none_or(Vec::is_empty) {
        spec["audiences"] = json!([API_AUDIENCE]);
    }
    if spec["expirationSeconds"].is_null() {
        spec["expirationSeconds"] = 3600.into();
    }
    let lifetime = spec["expirationSeconds"].as_i64().unwrap_or(3600);
    if lifetime < 600 {
        let detail = "may not specify a duration less than 10 minutes";
        let cause = Cause::invalid("spec.expirationSeconds", &lifetime.into(), detail);
        return Err(ApiError::invalid(AUTHENTICATION, "TokenRequest", name, vec![cause]));
    }
    let pod = bound_pod(state, namespace, &spec["boundObjectRef"])?;
    let audiences = spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let issued = server.tokens.issue(
        TokenSpec {
            namespace,
            service_account: name,
            service_account_uid: uid,
            pod: pod.as_ref().map(|(name, uid)| (name.as_str(), uid.as_str())),
            audiences: audiences.collect(),
            lifetime: SignedDuration::from_secs(lifetime),
        },
        now,
    );
    let (token, expires) = issued.ok_or_else(|| ApiError::internal("failed to sign the token"))?;
    let mut answer = json!({
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {},
        "spec": request["spec"],
    });
    let update = UpdateRequest {
        manager: manager.to_owned(),
        subresource: Some("token".into()),
        api_version: "authentication.k8s.io/v1".into(),
        now: seconds(now),
        operation: Operation::Update,
    };
    apply::track(None, &mut answer, &update, &TypeModel::builtin(AUTHENTICATION, "TokenRequest"));
    let metadata = &mut answer["metadata"];
    metadata["name"] = name.into();
    metadata["namespace"] = namespace.into();
    metadata["uid"] = uid.into();
    metadata["creationTimestamp"] = seconds(now).into();
    if answer["spec"]["boundObjectRef"].is_null() {
        answer["spec"]["boundObjectRef"] = Value::Null;
    }
    answer["status"] = json!({"token": token, "expirationTimestamp": seconds(expires)});
    Ok(answer)
}

/// The pod that a token is to be bound to.
fn bound_pod(state: &State, namespace: &str, reference: &Value) -> ApiResult<Option<(String, String)>> {
    if reference.is_null() {
        return Ok(None);
    }
    if reference["kind"] != "Pod" {
        return Err(ApiError::not_implemented("tokens bound to objects other than pods"));
    }
    let name = reference["name"].as_str().unwrap_or_default();
    let Some(pod) = state.store.object("pods", &format!("{namespace}/{name}")) else {
        return Err(ApiError::not_found("", "pods", name));
    };
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    if reference["uid"].as_str().is_some_and(|wanted| wanted != uid) {
        let why = format!("the UID in the bound object reference does not match the UID in record ({uid})");
        return Err(ApiError::conflict("", "Pod", name, why));
    }
    Ok(Some((name.to_owned(), uid.to_owned())))
}
