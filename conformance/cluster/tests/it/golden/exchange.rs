//! Sends recorded requests to the server over its port.

use std::collections::BTreeMap;

use embedded_cluster::Served;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::{Client, Config};
use serde_json::Value;

use super::recording::Request;

/// A client that carries whatever token a request names.
pub(super) struct Exchange {
    client: Client,
    tokens: BTreeMap<&'static str, Option<String>>,
}

/// An answer that has been read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Exchange {
    /// A client without credentials of its own, and the administrator's token for requests that name none.
    pub(super) fn new(served: &Served, admin_token: &str) -> Self {
        // The client takes the process' default provider.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut config = Config::new(served.url().parse().unwrap());
        let authority = rustls_pki_types::pem::PemObject::from_pem_slice(served.ca_pem().as_bytes());
        let authority: rustls_pki_types::CertificateDer<'_> = authority.unwrap();
        // A recorded 504 is the answer, not a fault to try again after.
        config.default_retry = false;
        config.root_cert = Some(vec![authority.to_vec()]);
        let tokens = [("admin", Some(admin_token.to_owned())), ("bad", Some("nonsense".into())), ("none", None)];
        Self { client: Client::try_from(config).unwrap(), tokens: tokens.into() }
    }

    /// Keeps the token of the service account that recorded requests act as.
    pub(super) fn keep_account_token(&mut self, token: &str) {
        self.tokens.insert("acc", Some(token.to_owned()));
    }

    /// Sends a request and reads the answer to its end.
    pub(super) async fn send(&self, request: &Request) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request and returns as soon as the answer begins.
    pub(super) async fn open(&self, request: &Request) -> Response<Body> {
        let path = request.path.replace(' ', "%20");
        let mut builder = http::Request::builder().method(request.method.as_str()).uri(path);
        if let Some(token) = &self.tokens[request.identity.as_deref().unwrap_or("admin")] {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        let named = |name: &str| request.headers.keys().any(|header| header.eq_ignore_ascii_case(name));
        if request.body.is_some() && !named("content-type") {
            builder = builder.header("content-type", "application/json");
        }
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let body = match &request.body {
            None => Vec::new(),
            Some(Value::String(text)) => text.clone().into_bytes(),
            Some(body) => spaced(body),
        };
        self.client.send(builder.body(Body::from(body)).unwrap()).await.unwrap()
    }
}

/// JSON with spaces after commas and colons, as the recorded client wrote it: some refusals quote the body.
fn spaced(value: &Value) -> Vec<u8> {
    let join = |parts: Vec<Vec<u8>>, open: u8, close: u8| {
        let mut text = vec![open];
        text.extend(parts.join(&b", "[..]));
        text.push(close);
        text
    };
    match value {
        Value::Array(items) => join(items.iter().map(spaced).collect(), b'[', b']'),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                let mut text = serde_json::to_vec(key).unwrap();
                text.extend(b": ");
                text.extend(spaced(value));
                text
            };
            join(fields.iter().map(field).collect(), b'{', b'}')
        }
        other => serde_json::to_vec(other).unwrap(),
    }
}
