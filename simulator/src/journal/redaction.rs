//! Journal entries for reports: what they prove without the secrets that they hold.

use std::fmt;

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::JournalEntry;

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

impl JournalEntry {
    /// A copy that can be shown: values of headers, form fields, query fields and JSON members that carry credentials are
    /// replaced by [`REDACTED`]. The decoded claims of a token stay, they are no credential.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let mut entry = self.clone();
        for (name, value) in &mut entry.headers {
            if is_secret_header(name) {
                REDACTED.clone_into(value);
            }
        }
        entry.query = entry.query.as_deref().map(redact_urlencoded);
        if entry.body.form().is_some() {
            entry.body = entry.body.with_text(redact_urlencoded(entry.body.text()));
        } else if let Some(mut message) = entry.body.message()
            && redact_value(&mut message)
        {
            entry.body = entry.body.with_text(message.to_string());
        }
        entry
    }
}

impl fmt::Debug for JournalEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.redacted()).map_err(|_| fmt::Error)?;
        write!(formatter, "JournalEntry {text}")
    }
}

/// Headers that carry credentials: the standard ones, and whatever is named after a key, token or secret.
fn is_secret_header(name: &str) -> bool {
    const WORDS: [&str; 6] = ["key", "token", "secret", "password", "credential", "auth"];
    const NAMES: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
    NAMES.contains(&name) || name.split(['-', '_']).any(|word| WORDS.iter().any(|secret| word.ends_with(secret)))
}

/// Form fields and JSON members that carry credentials.
fn is_secret_member(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "token",
        "client_secret",
        "subject_token",
        "actor_token",
        "access_token",
        "refresh_token",
        "id_token",
        "assertion",
        "client_assertion",
        "password",
        "code",
        "code_verifier",
    ];
    NAMES.contains(&name)
}

fn redact_urlencoded(text: &str) -> String {
    let mut redacted = Vec::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let value = if is_secret_member(&name) {
            REDACTED.into()
        } else {
            form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>()
        };
        redacted.push(format!("{}={value}", form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>()));
    }
    redacted.join("&")
}

fn redact_members(members: &mut Map<String, Value>) -> bool {
    let mut changed = false;
    for (name, value) in members {
        // `code` is a credential in a form and a number in a JSON-RPC error.
        if is_secret_member(name) && !value.is_number() {
            *value = REDACTED.into();
            changed = true;
        } else {
            changed |= redact_value(value);
        }
    }
    changed
}

fn redact_value(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => redact_members(members),
        Value::Array(items) => items.iter_mut().fold(false, |changed, item| redact_value(item) | changed),
        _ => false,
    }
}
