//! Clients that are named by the URL of a document about them (draft-ietf-oauth-client-id-metadata-document): which URLs may
//! be such names, and what such a document must say. It is fetched elsewhere.

use serde_json::{Map, Value};
use url::Url;

use super::registration::ClientMetadata;
use crate::world::Client;

/// The URL of a client's document, which is the client's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocumentUrl {
    url: Url,
    /// As the client wrote it: ids are compared as text.
    id: String,
}

impl DocumentUrl {
    /// Reads a client's id; the error is a sentence.
    pub(crate) fn parse(id: &str) -> Result<Self, String> {
        let refuse = |reason: &str| Err(format!("the client id `{id}` is not the URL of a document: {reason}"));
        let Ok(url) = Url::parse(id) else { return refuse("it cannot be read") };
        // What the parser would resolve or drop must not be there to begin with.
        let path = id.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
        let path = path.map(|path| path.split(['?', '#']).next().unwrap_or_default());
        let is_dots = |segment: &str| matches!(segment.replace("%2e", ".").replace("%2E", ".").as_str(), "." | "..");
        if url.scheme() != "https" {
            refuse("only https is fetched")
        } else if !url.username().is_empty() || url.password().is_some() {
            refuse("it has credentials")
        } else if url.fragment().is_some() {
            refuse("it has a fragment")
        } else if path.is_none_or(str::is_empty) {
            refuse("it needs a path")
        } else if path.is_some_and(|path| path.split('/').any(is_dots)) {
            refuse("its path has a segment of dots")
        } else {
            Ok(Self { url, id: id.to_owned() })
        }
    }

    /// Where the document is.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// What a document that was fetched says of the client.
    pub(crate) fn describes(&self, document: &[u8]) -> Result<Client, String> {
        let refuse = |reason: String| format!("the document of the client `{}` is not accepted: {reason}", self.id);
        self.read(document).map_err(refuse)
    }

    /// The client, of which the document could not be fetched for this reason.
    pub(crate) fn missing(&self, reason: &str) -> String {
        format!("the document of the client `{}` was not fetched: {reason}", self.id)
    }

    fn read(&self, document: &[u8]) -> Result<Client, String> {
        let mut members: Map<String, Value> =
            serde_json::from_slice(document).map_err(|error| format!("it is not a JSON object: {error}"))?;
        match members.get("client_id") {
            Some(Value::String(id)) if *id == self.id => {}
            Some(other) => return Err(format!("its `client_id` is {other}, and not the URL")),
            None => return Err("it has no `client_id`".to_owned()),
        }
        // What everybody can read holds no secret.
        if let Some(secret) =
            ["client_secret", "client_secret_expires_at"].iter().find(|name| members.contains_key(**name))
        {
            return Err(format!("it has a `{secret}`, and a client that everybody can read about has no secret"));
        }
        let method = members.entry("token_endpoint_auth_method").or_insert_with(|| "none".into());
        if method.as_str().is_some_and(|method| method.starts_with("client_secret")) {
            return Err(format!("its clients cannot authenticate with {method}: expected `none` or `private_key_jwt`"));
        }
        let metadata: ClientMetadata = serde_json::from_value(Value::Object(members))
            .map_err(|error| format!("it is not the metadata of a client: {error}"))?;
        metadata.client(&self.id).map_err(|error| error.description)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    const ID: &str = "https://app.example.com/client.json";

    #[test]
    fn only_some_urls_name_documents() {
        for id in [ID, "https://app.example.com:8443/a/b?version=1", "https://app.example.com/"] {
            let expected = !id.ends_with(".com/");
            assert_eq!(DocumentUrl::parse(id).is_ok(), expected, "{id}");
        }
        for (id, reason) in [
            ("http://app.example.com/client.json", "only https is fetched"),
            ("https://app.example.com", "it needs a path"),
            ("https://app.example.com/client.json#a", "it has a fragment"),
            ("https://u:p@app.example.com/client.json", "it has credentials"),
            ("https://app.example.com/a/../client.json", "its path has a segment of dots"),
            ("https://app.example.com/%2e/client.json", "its path has a segment of dots"),
            ("https://", "it cannot be read"),
        ] {
            let refused = DocumentUrl::parse(id).unwrap_err();
            assert!(refused.ends_with(reason), "{refused}");
        }
    }

    #[test]
    fn a_document_describes_its_client_and_no_other() {
        let url = DocumentUrl::parse(ID).unwrap();
        let callback = "https://app.example.com/callback";
        let good = json!({"client_id": ID, "client_name": "App", "redirect_uris": [callback]});
        let client = url.describes(good.to_string().as_bytes()).unwrap();
        assert_eq!((client.id.as_str(), client.is_public(), client.redirect_uris.len()), (ID, true, 1));
        for (member, value, reason) in [
            ("client_id", json!("https://app.example.com/other.json"), "and not the URL"),
            ("client_id", Value::Null, "and not the URL"),
            ("client_secret", json!("s3cr3t"), "has no secret"),
            ("token_endpoint_auth_method", json!("client_secret_basic"), "expected `none` or `private_key_jwt`"),
            ("token_endpoint_auth_method", json!("private_key_jwt"), "`private_key_jwt` needs `jwks`"),
            ("redirect_uris", json!([]), "the code grant needs `redirect_uris`"),
        ] {
            let mut document = good.clone();
            document[member] = value;
            let refused = url.describes(document.to_string().as_bytes()).unwrap_err();
            assert!(refused.ends_with(reason), "{member}: {refused}");
        }
        assert!(url.describes(b"<html>").unwrap_err().contains("it is not a JSON object"));
        assert!(url.describes(b"{}").unwrap_err().ends_with("it has no `client_id`"));
    }
}
