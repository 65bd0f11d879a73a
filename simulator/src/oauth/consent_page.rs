//! The page on which people choose who signs in. Tests choose with `login_hint`, or the world file with `signIn`.

use http::{HeaderValue, Response, StatusCode, header};

use super::form::Form;
use crate::wire::{Body, page};
use crate::world::{AuthorizationServer, Client};

/// A page without scripts: a link per user, and one to refuse. Each repeats the request with the choice added.
pub(super) fn consent_page(
    path: &str,
    definition: &AuthorizationServer,
    client: &Client,
    form: &Form,
) -> Response<Body> {
    let link = |name: &str, value: &str, label: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(form.fields().filter(|(field, _)| !["login_hint", "decision"].contains(field)));
        query.append_pair(name, value);
        let target = escape(&format!("{path}?{}", query.finish()));
        format!("<li><a href=\"{target}\">{}</a></li>", escape(label))
    };
    let users: String = definition.users.iter().map(|user| link("login_hint", &user.name, &user.name)).collect();
    let scopes = form.get("scope").map_or_else(String::new, |scope| format!(" for {}", escape(scope)));
    let body = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Sign in</title>\
         <style>body{{font:1rem/1.5 sans-serif;max-width:30rem;margin:4rem auto}}</style></head>\
         <body><h1>Sign in</h1><p>The client <b>{}</b> asks{scopes}. Who are you?</p><ul>{users}</ul>\
         <p>Or:</p><ul>{}</ul></body></html>\n",
        escape(&client.id),
        link("decision", "refuse", "refuse"),
    );
    let mut response = page(StatusCode::OK, body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    );
    response
}

/// Text as HTML, in content and in quoted attributes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
