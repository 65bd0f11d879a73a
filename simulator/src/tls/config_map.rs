//! A root certificate as a Kubernetes ConfigMap, ready to be applied.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The key that a ConfigMap's certificate has when none is named.
const DEFAULT_KEY: &str = "ca.crt";

/// Which ConfigMap.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigMap {
    /// Its name.
    pub name: String,
    /// Its namespace; absent: whichever it is applied to.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The key below which the certificate stands; absent: `ca.crt`.
    #[serde(default)]
    pub key: Option<String>,
}

/// Why there is no manifest.
#[derive(Debug, Error)]
#[error("`{text}` is not {what} of Kubernetes: expected {expected}")]
pub struct ConfigMapError {
    text: String,
    what: &'static str,
    expected: &'static str,
}

impl ConfigMap {
    /// The manifest (YAML) that holds `pem`.
    pub fn manifest(&self, pem: &str) -> Result<String, ConfigMapError> {
        let key = self.key.as_deref().unwrap_or(DEFAULT_KEY);
        check(&self.name, 253, &['.', '-'], "a name", "lower-case letters, digits, `-` and `.`, 253 at most")?;
        if let Some(namespace) = &self.namespace {
            check(namespace, 63, &['-'], "a namespace", "lower-case letters, digits and `-`, 63 at most")?;
        }
        if key.is_empty()
            || key.len() > 253
            || !key.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
        {
            let expected = "letters, digits, `-`, `_` and `.`, 253 at most";
            return Err(ConfigMapError { text: key.to_owned(), what: "a key", expected });
        }
        let namespace = self.namespace.as_ref().map(|name| format!("  namespace: \"{name}\"\n")).unwrap_or_default();
        let lines: Vec<String> = pem.lines().map(|line| format!("    {line}\n")).collect();
        let lines = lines.concat();
        let name = &self.name;
        Ok(format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: \"{name}\"\n{namespace}data:\n  \"{key}\": |\n{lines}"
        ))
    }
}

/// Lower-case labels, as RFC 1123 wants them.
fn check(
    text: &str,
    longest: usize,
    within: &[char],
    what: &'static str,
    expected: &'static str,
) -> Result<(), ConfigMapError> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let fits = (1..=longest).contains(&text.len())
        && text.chars().all(|letter| plain(letter) || within.contains(&letter))
        && text.starts_with(plain)
        && text.ends_with(plain);
    if fits { Ok(()) } else { Err(ConfigMapError { text: text.to_owned(), what, expected }) }
}
