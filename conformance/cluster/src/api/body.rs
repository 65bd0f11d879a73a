//! Bodies of requests: media types, decoding, and the check that the body is of the kind that the path names.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::json;
use super::protobuf::{self, Undecodable};
use super::registry::{Resource, Version};
use super::status::{ApiError, ApiResult, Cause};

/// How many bytes of a body that cannot be read an error shows.
const EXCERPT: usize = 30;

/// A decoded object and what a strict reader would complain about.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) object: Value,
    /// Complaints such as `duplicate field "spec.size"`.
    pub(crate) complaints: Vec<String>,
}

/// The media type of a body, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The media types of objects.
const OBJECT_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// 415, naming what would be accepted.
pub(crate) fn unsupported_media(accepted: &str) -> ApiError {
    let message =
        format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
    ApiError::plain(415, "UnsupportedMediaType", message)
}

/// Decodes a body by its content type. A binary body that does not name its kind is taken for the expected one, otherwise kinds
/// are not looked at.
pub(crate) fn decode_any(
    headers: &HeaderMap,
    body: &Bytes,
    api_version: &str,
    kind: &str,
) -> ApiResult<Result<json::Document, Undecodable>> {
    let unrecognized =
        |error| Undecodable::Unrecognized(format!("couldn't get version/kind; json parse error: {error}"));
    match media_type(headers).as_str() {
        "" | "application/json" => Ok(json::parse(body).map_err(unrecognized)),
        "application/yaml" | "text/yaml" => Ok(yaml(body).map_err(unrecognized)),
        protobuf::MEDIA_TYPE => {
            let decoded = protobuf::decode(body, api_version, kind);
            Ok(decoded.map(|value| json::Document { value, duplicates: Vec::new() }))
        }
        _ => Err(unsupported_media(OBJECT_TYPES)),
    }
}

/// Decodes a body of one built-in kind, as [`decode_any`].
pub(crate) fn decode_builtin(headers: &HeaderMap, body: &Bytes, api_version: &str, kind: &str) -> ApiResult<Value> {
    let document = decode_any(headers, body, api_version, kind)?;
    document.map(|document| document.value).map_err(|error| ApiError::bad_request(error.to_string()))
}

/// Parses YAML, of which JSON is a part.
pub(crate) fn yaml(body: &Bytes) -> Result<json::Document, String> {
    let text = std::str::from_utf8(body).map_err(|_| "yaml: invalid UTF-8".to_owned())?;
    let value: Value = serde_saphyr::from_str(text).map_err(|error| {
        let message = error.to_string();
        format!("error converting YAML to JSON: yaml: {}", message.lines().next().unwrap_or_default())
    })?;
    Ok(json::Document { value, duplicates: Vec::new() })
}

/// Decodes an object that is to be written to `resource` at `version`.
pub(crate) fn decode(
    headers: &HeaderMap,
    body: &Bytes,
    resource: &Resource,
    version: &Version,
    warn: impl Fn(String),
) -> ApiResult<Decoded> {
    let kind = &resource.kind;
    if resource.is_custom() && media_type(headers) == protobuf::MEDIA_TYPE {
        return Err(unsupported_media(OBJECT_TYPES));
    }
    let document = decode_any(headers, body, &resource.api_version(version), kind)?.map_err(|error| match error {
        Undecodable::Unrecognized(what) => unrecognized(kind, &what, body),
        Undecodable::Malformed { kind: sent, version, error } => {
            ApiError::bad_request(format!("{sent} in version \"{version}\" cannot be handled as a {kind}: {error}"))
        }
    })?;
    let complaints = document.duplicates.iter().map(|path| format!("duplicate field \"{path}\"")).collect();
    let object = document.value;
    check_kind(&object, resource, version, body).inspect_err(|_| warn_unknown(&object, resource, warn))?;
    Ok(Decoded { object, complaints })
}

/// A custom object of a version that is not served is read without a schema, to which all but metadata is unknown.
fn warn_unknown(object: &Value, resource: &Resource, warn: impl Fn(String)) {
    let sent = object["apiVersion"].as_str().unwrap_or_default();
    let served = sent.rsplit('/').next().is_some_and(|sent| resource.version(sent).is_some());
    if !resource.is_custom() || sent.is_empty() || served || object["kind"] != resource.kind.as_str() {
        return;
    }
    for field in object.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if !["apiVersion", "kind", "metadata"].contains(&field.as_str()) {
            warn(format!("unknown field \"{field}\""));
        }
    }
}

/// Refuses an object of another kind or version than the path says.
pub(crate) fn check_kind(object: &Value, resource: &Resource, version: &Version, body: &Bytes) -> ApiResult<()> {
    let (expected_kind, expected_version) = (&resource.kind, resource.api_version(version));
    let raw = String::from_utf8_lossy(body);
    let Some(kind) = object["kind"].as_str().filter(|kind| !kind.is_empty()) else {
        return Err(unrecognized(expected_kind, &format!("Object 'Kind' is missing in '{raw}'"), body));
    };
    let Some(api_version) = object["apiVersion"].as_str().filter(|version| !version.is_empty()) else {
        let what = format!("Object 'apiVersion' is missing in '{raw}'");
        return Err(unrecognized(expected_kind, &what, body));
    };
    if api_version != expected_version {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({expected_version})"
        )));
    }
    if kind != expected_kind {
        if !resource.is_custom() {
            let version = &version.name;
            return Err(ApiError::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {expected_kind}: \
                 the object is not of the kind of this path"
            )));
        }
        let cause = Cause::invalid("kind", &kind.into(), format!("must be {expected_kind}"));
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        return Err(ApiError::invalid(&resource.group, kind, name, vec![cause]));
    }
    Ok(())
}

fn unrecognized(kind: &str, what: &str, body: &Bytes) -> ApiError {
    let excerpt = body.slice(..body.len().min(EXCERPT));
    let mut shown = match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(&excerpt).into_owned(),
        // What is no JSON is shown byte by byte.
        Some(_) => format!("{excerpt:x}"),
    };
    if body.len() > EXCERPT {
        shown.push_str(" ...");
    }
    ApiError::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {what} ({shown})"))
}
