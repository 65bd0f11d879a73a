//! References to keys of Secrets.

use operator_api::SecretKeyReference;

/// What is missing in `reference`, which stands at `path`.
pub(super) fn problems(reference: &SecretKeyReference, path: &str) -> Vec<String> {
    [("name", &reference.name), ("key", &reference.key)]
        .into_iter()
        .filter(|(_, value)| value.is_empty())
        .map(|(field, _)| format!("{path}.{field} is empty"))
        .collect()
}
