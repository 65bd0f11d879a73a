//! Keeping secrets out of messages and bundles.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::Value;

const REDACTED: &str = "[redacted]";

/// Shorter values are words that stand everywhere.
const SHORTEST: usize = 4;

/// The secrets of one scenario.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Adds a secret text.
    pub(super) fn add(&mut self, text: &str) {
        if text.len() >= SHORTEST {
            self.0.insert(text.to_owned());
        }
    }

    /// Adds the values of a Secret object.
    pub(super) fn add_object(&mut self, object: &Value) {
        if object["kind"] != "Secret" {
            return;
        }
        for text in object["stringData"].as_object().into_iter().flatten() {
            self.add(text.1.as_str().unwrap_or_default());
        }
        for (_, text) in object["data"].as_object().into_iter().flatten() {
            let text = text.as_str().unwrap_or_default();
            self.add(text);
            if let Ok(plain) = STANDARD.decode(text) {
                self.add(&String::from_utf8_lossy(&plain));
            }
        }
    }

    /// The text without them, and without anything that looks like a token.
    pub(super) fn redact(&self, text: &str) -> String {
        static TOKEN: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*").ok());
        let mut text = text.to_owned();
        for secret in self.0.iter().rev() {
            text = text.replace(secret.as_str(), REDACTED);
        }
        match &*TOKEN {
            Some(token) => token.replace_all(&text, REDACTED).into_owned(),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_secrets_and_tokens_disappear() {
        let mut secrets = Secrets::default();
        secrets.add_object(&json!({"kind": "Secret", "stringData": {"a": "s3cr3t"}, "data": {"b": "aHVudGVyMg=="}}));
        assert_eq!(
            secrets.redact("s3cr3t hunter2 aHVudGVyMg== eyJhbGciOiJub25lIn0.e30.x"),
            "[redacted] [redacted] [redacted] [redacted]"
        );
    }
}
