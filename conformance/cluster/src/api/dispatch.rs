//! From a request to its answer: authentication, authorization, and the handler that the path and method name.

use std::cell::RefCell;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, Method, Response, request};
use serde_json::{Value, json};

use super::call::Call;
use super::negotiate::{Representation, Shape};
use super::options::WriteOptions;
use super::read;
use super::registry::api_version;
use super::request::{Query, ResourcePath, Target};
use super::respond::{self, Answer};
use super::state::{Server, State};
use super::status::{ApiError, ApiResult, Details};
use super::write::delete::Deleted;
use super::write::{create, delete, patch, scale, update};
use super::{body, control, discovery, openapi, pod_logs, streams, table, watch};
use crate::access::User;
use crate::access::rbac::{self, Attributes};
use crate::access::token::API_AUDIENCE;
use crate::access::{impersonation, reviews};
use crate::faults::Seen;

/// How a service proves who sends its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// The in-process administrator.
    Admin,
    /// Whatever the request's headers prove.
    Headers,
}

/// Answers a request whose body has been read.
pub(crate) async fn dispatch(
    server: &Arc<Server>,
    credentials: &Credentials,
    parts: &request::Parts,
    body: &Bytes,
) -> Response<Body> {
    let representation = Representation::negotiate(&parts.headers);
    let target = Target::parse(parts.uri.path());
    let query = Query::parse(parts.uri.query());
    let mut warnings = Vec::new();
    let result = if let Some(error) = meet_faults(server, credentials, parts, &target, &query).await {
        Err(error)
    } else if let Target::Resource(path) = &target
        && is_pod_log(path)
    {
        match authorized(server, credentials, parts, &target, &query) {
            Ok(_) => pod_logs::stream(server, path, &query).await,
            Err(error) => Err(error),
        }
    } else if let Target::Resource(path) = &target
        && streams::serves(path)
    {
        authorized(server, credentials, parts, &target, &query)
            .and_then(|user| streams::open(server, &user, path, &query, parts))
    } else {
        let request = Incoming { server, parts, body, query: &query, representation: &representation };
        authorized(server, credentials, parts, &target, &query)
            .and_then(|user| request.answer(&target, &user, &mut warnings))
    };
    respond::respond(result.unwrap_or_else(Answer::Failure), representation.unwrap_or(Representation::JSON), &warnings)
}

/// Lets the request meet the faults that stand: they come after authentication, so that they can select a user.
async fn meet_faults(
    server: &Server,
    credentials: &Credentials,
    parts: &request::Parts,
    target: &Target,
    query: &Query,
) -> Option<ApiError> {
    let (faults, path) = (&server.faults.requests, parts.uri.path());
    // The control of the faults must not fail by them.
    if faults.is_empty() || control::serves(path) {
        return None;
    }
    let user = authenticate(server, credentials, &parts.headers).ok()?;
    let method = parts.method.as_str().to_ascii_lowercase();
    let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let mut seen = Seen { verb: &method, path, user_agent, user: &user.name, ..Seen::default() };
    if let Target::Resource(target) = target {
        seen.verb = target.verb(&parts.method, query);
        seen.resource = Some((&target.group, &target.resource, target.subresource.as_deref()));
        seen.namespace = target.namespace.as_deref();
        seen.name = target.name.as_deref();
    }
    let refusal = faults.meet(&seen).await?;
    let (group, resource, _) = seen.resource.unwrap_or_default();
    let mut error = ApiError::generic(refusal.code, seen.verb, refusal.message);
    error.details = Some(Box::new(Details {
        name: seen.name.unwrap_or_default().to_owned(),
        group: group.to_owned(),
        kind: resource.to_owned(),
        retry_after_seconds: refusal.retry_after,
        ..Details::default()
    }));
    Some(error)
}

fn is_pod_log(path: &ResourcePath) -> bool {
    path.group.is_empty() && path.resource == "pods" && path.subresource.as_deref() == Some("log")
}

/// The user of a request, who may do what it asks for.
fn authorized(
    server: &Server,
    credentials: &Credentials,
    parts: &request::Parts,
    target: &Target,
    query: &Query,
) -> ApiResult<User> {
    let requestor = authenticate(server, credentials, &parts.headers)?;
    let wanted = match target {
        Target::NonResource => Attributes {
            verb: parts.method.as_str().to_ascii_lowercase(),
            path: Some(parts.uri.path().to_owned()),
            ..Attributes::default()
        },
        Target::Resource(path) => wanted(path, &parts.method, query),
    };
    let state = server.lock();
    let user = impersonation::impersonate(&state, requestor, &parts.headers)?;
    match rbac::allowed_by(&state, &user, &wanted) {
        Some(_) => Ok(user),
        None => Err(rbac::forbidden(&user, &wanted)),
    }
}

/// A request that has been read.
struct Incoming<'a> {
    server: &'a Arc<Server>,
    parts: &'a request::Parts,
    body: &'a Bytes,
    query: &'a Query,
    representation: &'a ApiResult<Representation>,
}

impl Incoming<'_> {
    fn answer(&self, target: &Target, user: &User, warnings: &mut Vec<String>) -> ApiResult<Answer> {
        let Target::Resource(path) = target else { return Ok(self.non_resource()) };
        let mut state = self.server.lock();
        if let Some(answer) = self.virtual_resource(&state, user, path)? {
            return Ok(answer);
        }
        let Some((resource, version)) = state.registry.find(&path.group, &path.version, &path.resource) else {
            return Ok(Answer::page_not_found());
        };
        let call = Call {
            server: self.server,
            user,
            resource,
            version,
            path,
            query: self.query,
            headers: &self.parts.headers,
            body: self.body,
            representation: self.representation.clone()?,
            now: self.server.clock.now(),
            warnings: RefCell::default(),
        };
        if let Some(warning) = &call.version.warning {
            call.warn(warning.clone());
        }
        let result = resource_request(&call, &self.parts.method, &mut state);
        *warnings = call.warnings.into_inner();
        result
    }

    fn non_resource(&self) -> Answer {
        if control::serves(self.parts.uri.path()) {
            return control::answer(self.server, &self.parts.method, self.parts.uri.path(), self.body);
        }
        if self.parts.method != Method::GET && self.parts.method != Method::HEAD {
            return Answer::page_not_found();
        }
        let representation = self.representation.clone().unwrap_or(Representation::JSON);
        match self.parts.uri.path().trim_end_matches('/') {
            "/healthz" | "/readyz" | "/livez" => Answer::Text { code: 200, text: "ok".into() },
            "/version" => Answer::Json { code: 200, value: discovery::version() },
            path if path.starts_with("/openapi/v3") => openapi::answer(&mut self.server.lock(), path),
            path => discovery::answer(&self.server.lock(), path, representation.shape == Shape::Discovery),
        }
    }

    /// Reviews and token requests: created to ask, never stored.
    fn virtual_resource(&self, state: &State, user: &User, path: &ResourcePath) -> ApiResult<Option<Answer>> {
        let subresource = path.subresource.as_deref();
        let token = path.group.is_empty() && path.resource == "serviceaccounts" && subresource == Some("token");
        let review = reviews::find(&path.group, &path.version, &path.resource);
        if review.is_none() && !token {
            return Ok(None);
        }
        if self.parts.method != Method::POST {
            let verb = path.verb(&self.parts.method, self.query);
            return Err(ApiError::method_not_supported(&path.group, &path.resource, verb));
        }
        let (group, kind) = review.map_or((reviews::AUTHENTICATION, "TokenRequest"), |kind| (kind.group, kind.kind));
        let api_version = api_version(group, "v1");
        let request = body::decode_builtin(&self.parts.headers, self.body, &api_version, kind)?;
        let agent = self.parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let options = WriteOptions::parse(self.query, "CreateOptions", agent, false)?;
        let question = reviews::Question { server: self.server, state, user, manager: &options.manager };
        let namespace = path.namespace.as_deref();
        let value = match review {
            Some(kind) => question.review(kind, namespace, request)?,
            None => question.token(namespace.unwrap_or_default(), path.name.as_deref().unwrap_or_default(), request)?,
        };
        Ok(Some(Answer::Json { code: 201, value }))
    }
}

fn authenticate(server: &Server, credentials: &Credentials, headers: &HeaderMap) -> ApiResult<User> {
    if *credentials == Credentials::Admin {
        return Ok(User::admin());
    }
    let Some(header) = headers.get(AUTHORIZATION) else { return Ok(User::anonymous()) };
    let header = header.to_str().map_err(|_| ApiError::unauthorized())?;
    let Some((scheme, token)) = header.split_once(' ') else { return Err(ApiError::unauthorized()) };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::unauthorized());
    }
    let audiences = [API_AUDIENCE.to_owned()];
    let user = server.tokens.authenticate(token.trim(), &audiences, &server.lock(), server.clock.now());
    user.map(|(user, _)| user).ok_or_else(ApiError::unauthorized)
}

/// What authorization judges about a request for a resource.
fn wanted(path: &ResourcePath, method: &Method, query: &Query) -> Attributes {
    let verb = path.verb(method, query);
    let resource = match &path.subresource {
        Some(subresource) => format!("{}/{subresource}", path.resource),
        None => path.resource.clone(),
    };
    let mut name = path.name.clone().unwrap_or_default();
    if name.is_empty() && matches!(verb, "list" | "watch" | "deletecollection") {
        // Roles that name objects also allow lists that ask for one of these objects alone.
        let selector = query.value("fieldSelector").unwrap_or_default();
        if let Some(only) = selector.strip_prefix("metadata.name=").filter(|rest| !rest.contains([',', '='])) {
            only.clone_into(&mut name);
        }
    }
    Attributes {
        verb: verb.into(),
        group: path.group.clone(),
        resource,
        name,
        namespace: path.namespace.clone(),
        path: None,
    }
}

fn resource_request(call: &Call<'_>, method: &Method, state: &mut State) -> ApiResult<Answer> {
    let verb = call.path.verb(method, call.query);
    match call.subresource() {
        None => main_resource(call, verb, state),
        Some("status") if call.version.status => status_subresource(call, verb, state),
        Some("scale") if call.version.scale.is_some() => scale_subresource(call, verb, state),
        Some("finalize") if call.resource.plural == "namespaces" && verb == "update" => {
            Ok(object(call, 200, update::update(call, state)?.object))
        }
        Some("binding") if call.resource.plural == "pods" && verb == "create" => {
            super::binding::bind(call, state).map(|value| Answer::Json { code: 201, value })
        }
        Some("eviction") if call.resource.plural == "pods" && !call.resource.is_custom() && verb == "create" => {
            super::eviction::evict(call, state).map(|value| Answer::Json { code: 201, value })
        }
        Some("proxy" | "ephemeralcontainers" | "resize") if !call.resource.is_custom() => {
            let subresource = call.subresource().unwrap_or_default();
            Err(ApiError::not_implemented(&format!("{}/{subresource}", call.resource.plural)))
        }
        // The real server looks for the object before it finds that there is no such subresource.
        Some(_) => Err(call.not_found()),
    }
}

fn main_resource(call: &Call<'_>, verb: &str, state: &mut State) -> ApiResult<Answer> {
    match verb {
        "get" => Ok(object(call, 200, read::get(call, state)?)),
        "list" => Ok(list(call, read::list(call, state)?)),
        "watch" => Ok(Answer::Stream { body: watch::open(call, state)?, content_type: "application/json" }),
        "create" => Ok(written(call, create::create(call, state)?)),
        "update" => Ok(written(call, update::update(call, state)?)),
        "patch" => Ok(written(call, patch::patch(call, state)?)),
        "delete" => match delete::delete(call, state)? {
            Deleted::Gone(status) => Ok(Answer::Json { code: 200, value: status }),
            Deleted::Object(value) => Ok(object(call, 200, value)),
        },
        _ if call.resource.builtin().is_some_and(|builtin| !builtin.delete_collection) => {
            Err(ApiError::method_not_supported(&call.resource.group, &call.resource.plural, "delete"))
        }
        _ => Ok(list(call, delete::delete_collection(call, state)?)),
    }
}

fn status_subresource(call: &Call<'_>, verb: &str, state: &mut State) -> ApiResult<Answer> {
    match verb {
        "get" => Ok(object(call, 200, read::get(call, state)?)),
        "update" => Ok(written(call, update::update(call, state)?)),
        "patch" => Ok(written(call, patch::patch(call, state)?)),
        verb => Err(ApiError::method_not_supported(&call.resource.group, &call.resource.plural, verb)),
    }
}

fn scale_subresource(call: &Call<'_>, verb: &str, state: &mut State) -> ApiResult<Answer> {
    let value = match verb {
        "get" => scale::get(call, state)?,
        "update" => scale::put(call, state)?,
        "patch" => scale::patch(call, state)?,
        verb => return Err(ApiError::method_not_supported(&call.resource.group, &call.resource.plural, verb)),
    };
    Ok(Answer::Json { code: 200, value })
}

fn written(call: &Call<'_>, written: super::write::Written) -> Answer {
    object(call, if written.created { 201 } else { 200 }, written.object)
}

/// An object in the shape that the client asked for.
fn object(call: &Call<'_>, code: u16, value: Arc<Value>) -> Answer {
    let value = match call.representation.shape {
        Shape::Table => {
            let metadata = json!({"resourceVersion": value["metadata"]["resourceVersion"]});
            let row_object = table::RowObject::parse(call.query.value("includeObject"));
            let rows = std::iter::once(value.as_ref());
            Arc::new(table::table(&call.version.columns, rows, &metadata, row_object, call.now))
        }
        Shape::Metadata => Arc::new(table::partial(&value)),
        Shape::Object | Shape::Discovery => value,
    };
    Answer::Object { code, value }
}

/// A list in the shape that the client asked for.
fn list(call: &Call<'_>, page: read::Page) -> Answer {
    let values = || page.items.iter().map(|object| call.present(&object.value())).collect::<Vec<_>>();
    let value = match call.representation.shape {
        Shape::Table => {
            let values = values();
            let items = values.iter().map(Arc::as_ref);
            let row_object = table::RowObject::parse(call.query.value("includeObject"));
            table::table(&call.version.columns, items, &read::list_metadata(&page, false), row_object, call.now)
        }
        Shape::Metadata => json!({
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": read::list_metadata(&page, false),
            "items": values().iter().map(|object| table::partial(object)).collect::<Vec<_>>(),
        }),
        Shape::Object | Shape::Discovery => {
            return Answer::List {
                api_version: call.api_version(),
                list_kind: call.resource.list_kind.clone(),
                metadata: read::list_metadata(&page, call.resource.is_custom()),
                items: page.items,
                item_kind: call.resource.is_custom().then(|| call.resource.kind.clone()),
            };
        }
    };
    Answer::Json { code: 200, value }
}
