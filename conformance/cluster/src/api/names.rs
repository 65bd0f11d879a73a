//! The grammars of names, label keys and label values, with the messages of the real validation.

use std::sync::LazyLock;

use regex::Regex;

const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SERVICE_LABEL: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const CONFIG_KEY: &str = "[-._a-zA-Z0-9]+";

/// Anchors one of the patterns above.
#[expect(clippy::expect_used, reason = "the patterns are constants, covered by tests")]
fn anchored(pattern: &str) -> Regex {
    Regex::new(&format!("^{pattern}$")).expect("a constant pattern is well formed")
}

static SUBDOMAIN_RE: LazyLock<Regex> = LazyLock::new(|| anchored(SUBDOMAIN));
static LABEL_RE: LazyLock<Regex> = LazyLock::new(|| anchored(LABEL));
static SERVICE_LABEL_RE: LazyLock<Regex> = LazyLock::new(|| anchored(SERVICE_LABEL));
static QUALIFIED_RE: LazyLock<Regex> = LazyLock::new(|| anchored(QUALIFIED));
static LABEL_VALUE_RE: LazyLock<Regex> = LazyLock::new(|| anchored(LABEL_VALUE));
static CONFIG_KEY_RE: LazyLock<Regex> = LazyLock::new(|| anchored(CONFIG_KEY));

/// What is wrong with a DNS subdomain, the name of most objects.
pub(crate) fn subdomain(value: &str) -> Vec<String> {
    if value.len() > 253 {
        return vec![too_long(253)];
    }
    refuse(&SUBDOMAIN_RE, value, || {
        format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
             and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
        )
    })
}

/// What is wrong with a DNS label, the name of a namespace.
pub(crate) fn label(value: &str) -> Vec<String> {
    let mut errors = if value.len() > 63 { vec![too_long(63)] } else { Vec::new() };
    errors.extend(refuse(&LABEL_RE, value, || {
        format!(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
             with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
        )
    }));
    errors
}

/// What is wrong with the name of a Service.
pub(crate) fn service_label(value: &str) -> Vec<String> {
    let mut errors = if value.len() > 63 { vec![too_long(63)] } else { Vec::new() };
    errors.extend(refuse(&SERVICE_LABEL_RE, value, || {
        format!(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, \
             and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
             '{SERVICE_LABEL}')"
        )
    }));
    errors
}

/// What is wrong with a name that only has to be one segment of a path: roles and bindings.
pub(crate) fn path_segment(value: &str) -> Vec<String> {
    if matches!(value, "." | "..") {
        return vec![format!("may not be '{value}'")];
    }
    ['/', '%'].iter().filter(|c| value.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
}

/// What is wrong with a label or annotation key.
pub(crate) fn qualified(value: &str) -> Vec<String> {
    let characters = format!(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
         (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED}')"
    );
    let mut errors = Vec::new();
    let name = match value.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                errors.extend(subdomain(prefix).into_iter().map(|error| format!("prefix part {error}")));
            }
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {characters} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        errors.push(format!("name part {}", too_long(63)));
    }
    if !QUALIFIED_RE.is_match(name) {
        errors.push(format!("name part {characters}"));
    }
    errors
}

/// What is wrong with a label's value.
pub(crate) fn label_value(value: &str) -> Vec<String> {
    let mut errors = if value.len() > 63 { vec![too_long(63)] } else { Vec::new() };
    errors.extend(refuse(&LABEL_VALUE_RE, value, || {
        format!(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
             and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation \
             is '{LABEL_VALUE}')"
        )
    }));
    errors
}

/// What is wrong with a key of a `ConfigMap` or Secret.
pub(crate) fn config_key(value: &str) -> Vec<String> {
    if value.len() > 253 {
        return vec![too_long(253)];
    }
    if matches!(value, "." | "..") || value.starts_with("..") {
        return vec![format!("must not start with '..' or be '{value}'")];
    }
    refuse(&CONFIG_KEY_RE, value, || {
        format!(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
             'key-name', regex used for validation is '{CONFIG_KEY}')"
        )
    })
}

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

fn refuse(pattern: &Regex, value: &str, message: impl FnOnce() -> String) -> Vec<String> {
    if pattern.is_match(value) { Vec::new() } else { vec![message()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_grammars() {
        assert!(subdomain("a.b-c.d1").is_empty());
        assert_eq!(subdomain("Bad_Name").len(), 1);
        assert!(label("a-1").is_empty());
        assert_eq!(service_label("1a").len(), 1);
        assert!(path_segment("system:node").is_empty());
        assert!(qualified("example.com/Name_1").is_empty());
        assert_eq!(qualified("a/b/c").len(), 1);
        assert!(label_value("").is_empty());
    }
}
