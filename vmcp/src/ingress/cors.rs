//! What a browser asks for pages of other origins, and what it lets them read (Fetch Standard, CORS protocol).
//!
//! Whose pages may call is the business of [`super::origin`]: these answers are for pages that may. No cookie is ever asked for.

use super::answer;
use axum::response::Response;
use http::{HeaderValue, Method, Request, StatusCode, header};

/// What pages may read of the head of an answer, beside what every page may.
const READABLE: HeaderValue = HeaderValue::from_static("mcp-session-id, www-authenticate, retry-after");
/// The methods of MCP.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// For how many seconds a browser need not ask again. It may be long: each request of a page is judged all the same.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

/// The answer to a browser that asks whether it may send a request of a page; `None` to any other request.
pub(super) fn preflight<B>(request: &Request<B>) -> Option<Response> {
    let asked = request.headers();
    if request.method() != Method::OPTIONS || !asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    let allowed = response.headers_mut();
    allowed.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    allowed.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    // There is no list of them: tools name headers of their own (`Mcp-Param-*`), the configuration those that are passed on.
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        allowed.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    Some(response)
}

/// Lets pages of `origin` read an answer.
pub(super) fn share(response: &mut Response, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, READABLE);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
