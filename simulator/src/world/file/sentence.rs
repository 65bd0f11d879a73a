//! The sentences about keys and values that do not exist.

use serde_saphyr::Error as YamlError;

/// What the YAML reader found.
pub(super) fn syntax(error: &YamlError) -> String {
    // The reader appends the place, which stands at the start of our line already.
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

/// A key that must be there.
pub(super) fn missing(field: &str) -> String {
    format!("the key `{field}` is missing here")
}

/// A key or value that does not exist.
pub(super) fn unexpected(what: &str, found: &str, expected: &[&'static str]) -> String {
    match nearest(found, expected) {
        Some(candidate) => {
            format!("unknown {what} `{found}`: did you mean `{candidate}`? Known here: {}", list(expected))
        }
        None if expected.is_empty() => format!("unknown {what} `{found}`: none is known here"),
        None => format!("unknown {what} `{found}`: expected one of {}", list(expected)),
    }
}

/// The one that was probably meant.
pub(super) fn nearest(found: &str, expected: &[&'static str]) -> Option<&'static str> {
    expected
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&found.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().max(found.len()) / 2)
        .map(|(_, candidate)| candidate)
}

/// Names in the order of a sentence.
pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
