//! Bundles of certificate authorities in ConfigMaps.

use operator_api::ConfigMapKeyReference;

use crate::runtime::contents::{Keys, Value};

/// What is found where a reference points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bundle {
    /// Certificates.
    Present(String),
    /// Nothing, and nothing is needed.
    NotNeeded(String),
    /// No ConfigMap.
    NotFound(String),
    /// No certificates.
    Invalid(String),
}

/// What is found at `reference`, in a ConfigMap with the keys `found`.
pub(super) fn judge(reference: &ConfigMapKeyReference, found: Option<&Keys>) -> Bundle {
    let (name, key) = (&reference.name, &reference.key);
    let absent = |bundle: fn(String) -> Bundle, message: String| {
        if reference.optional == Some(true) {
            Bundle::NotNeeded(format!("{message}; it is optional, so the system's authorities are trusted alone"))
        } else {
            bundle(message)
        }
    };
    let Some(keys) = found else {
        let message = format!("ConfigMap {name:?} does not exist in this namespace: create it with the key {key:?}");
        return absent(Bundle::NotFound, message);
    };
    match keys.get(key) {
        Some(Value::Certificates) => {
            Bundle::Present(format!("ConfigMap {name:?} has certificates under the key {key:?}"))
        }
        Some(_) => Bundle::Invalid(format!(
            "ConfigMap {name:?} has no PEM certificate under the key {key:?}: store the CA bundle there"
        )),
        None => absent(Bundle::Invalid, format!("ConfigMap {name:?} has no key {key:?}: {}", keys.summary())),
    }
}
