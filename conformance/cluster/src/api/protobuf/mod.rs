//! Bodies in the binary form that typed clients send for built-in kinds.
//!
//! A body is four magic bytes and an envelope that names the kind and holds the object. The object is decoded by a [`table`] of
//! fields into the JSON that its Go type would make, and from there on nobody knows how it came. Answers stay JSON.

mod decode;
mod table;
#[cfg(test)]
mod tests;
mod wire;

use serde_json::Value;

use self::wire::{Reader, WireError, WireValue};

/// The media type of such bodies.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What each body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// Why a body is no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecodable {
    /// It does not even tell its kind.
    #[error("{0}")]
    Unrecognized(String),
    /// It is not what it says.
    #[error("{error}")]
    Malformed {
        /// The kind that it says.
        kind: String,
        /// The version without the group.
        version: String,
        /// What is wrong.
        error: String,
    },
}

/// The envelope.
#[derive(Debug, Default)]
struct Unknown<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
}

/// Decodes a body; one that does not name its kind is taken for the expected one.
pub(crate) fn decode(body: &[u8], api_version: &str, kind: &str) -> Result<Value, Undecodable> {
    let unrecognized = |what: &str| Err(Undecodable::Unrecognized(what.to_owned()));
    if body.is_empty() {
        return unrecognized("empty data");
    }
    let Some(envelope) = body.strip_prefix(MAGIC) else {
        return unrecognized("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
    };
    if envelope.is_empty() {
        return unrecognized("empty body");
    }
    let mut unknown = Unknown::read(envelope).map_err(|error| Undecodable::Unrecognized(error.to_string()))?;
    if unknown.kind.is_empty() {
        kind.clone_into(&mut unknown.kind);
    }
    if unknown.api_version.is_empty() {
        api_version.clone_into(&mut unknown.api_version);
    }
    unknown.object()
}

impl<'a> Unknown<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut unknown = Self::default();
        let mut reader = Reader::new("Unknown", bytes);
        while let Some((number, value)) = reader.field()? {
            match (number, value) {
                (1, WireValue::Bytes(meta)) => unknown.read_type(meta)?,
                (2, WireValue::Bytes(raw)) => unknown.raw = raw,
                (1 | 2, other) => {
                    let field = if number == 1 { "TypeMeta" } else { "Raw" };
                    return Err(WireError::WrongForm { form: other.form(), field: field.to_owned() });
                }
                // How the object is encoded is known: the real server does not look at it either.
                _ => {}
            }
        }
        Ok(unknown)
    }

    fn read_type(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let mut reader = Reader::new("TypeMeta", bytes);
        while let Some((number, value)) = reader.field()? {
            let (field, name) = match number {
                1 => (&mut self.api_version, "APIVersion"),
                2 => (&mut self.kind, "Kind"),
                _ => continue,
            };
            let WireValue::Bytes(text) = value else {
                return Err(WireError::WrongForm { form: value.form(), field: name.to_owned() });
            };
            *field = String::from_utf8_lossy(text).into_owned();
        }
        Ok(())
    }

    fn object(self) -> Result<Value, Undecodable> {
        let Self { api_version, kind, raw } = self;
        // Every group has the same options of deletions.
        let package = if kind == "DeleteOptions" { "meta.k8s.io/v1" } else { &api_version };
        let version = api_version.rsplit('/').next().unwrap_or_default().to_owned();
        let Some(message) = table::message(&format!("{package}.{kind}")) else {
            let error = format!("no kind \"{kind}\" is registered for version \"{api_version}\"");
            return Err(Undecodable::Malformed { kind, version, error });
        };
        let mut object = decode::decode(message, raw).map_err(|error| Undecodable::Malformed {
            kind: kind.clone(),
            version,
            error: error.to_string(),
        })?;
        object["apiVersion"] = api_version.into();
        object["kind"] = kind.into();
        Ok(object)
    }
}
