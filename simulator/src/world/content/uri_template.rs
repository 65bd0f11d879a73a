//! Templates of URIs (RFC 6570), as far as resources need them: simple and reserved expansion of one variable.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::Deserialize;
use thiserror::Error;

/// A URI with variables: `{name}`, whose value has no slash, and `{+name}`, whose value may have some.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct UriTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable { name: String, reserved: bool },
}

/// Why a text is not a [`UriTemplate`].
#[derive(Debug, Error)]
#[error("`{text}` is not a template of URIs: {reason}")]
pub struct UriTemplateError {
    text: String,
    reason: &'static str,
}

impl UriTemplate {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, UriTemplateError> {
        let refuse = |reason| Err(UriTemplateError { text: text.to_owned(), reason });
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let Some(length) = rest[start..].find('}') else { return refuse("a `{` is not closed") };
            let inner = &rest[start + 1..start + length];
            let (name, reserved) = inner.strip_prefix('+').map_or((inner, false), |name| (name, true));
            if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
                return refuse("expected variables like `{name}` or `{+name}`");
            }
            if start > 0 {
                parts.push(Part::Literal(rest[..start].to_owned()));
            } else if matches!(parts.last(), Some(Part::Variable { .. })) {
                return refuse("two variables need something between them");
            }
            parts.push(Part::Variable { name: name.to_owned(), reserved });
            rest = &rest[start + length + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The template as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its variables, in their order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Variable { name, .. } => Some(name.as_str()),
        })
    }

    /// The values of the variables with which the template becomes `uri`, percent-decoded; `None` when there are none.
    #[must_use]
    pub fn values(&self, uri: &str) -> Option<BTreeMap<String, String>> {
        let mut values = BTreeMap::new();
        matches(&self.parts, uri, &mut values).then_some(values)
    }
}

/// Whether `parts` can become `uri`. A value is as short as what follows it allows.
fn matches(parts: &[Part], uri: &str, values: &mut BTreeMap<String, String>) -> bool {
    match parts {
        [] => uri.is_empty(),
        [Part::Literal(literal), rest @ ..] => {
            uri.strip_prefix(literal.as_str()).is_some_and(|uri| matches(rest, uri, values))
        }
        [Part::Variable { name, reserved }, rest @ ..] => {
            let longest = if *reserved { uri.len() } else { uri.find('/').unwrap_or(uri.len()) };
            let ends = uri[..longest].char_indices().map(|(at, letter)| at + letter.len_utf8());
            let candidates: Vec<usize> = match rest.first() {
                // The next literal tells where a value may end; without one it takes all that is left.
                Some(Part::Literal(literal)) => ends.filter(|end| uri[*end..].starts_with(literal.as_str())).collect(),
                _ => ends.filter(|end| *end == uri.len()).collect(),
            };
            for end in candidates {
                if matches(rest, &uri[end..], values) {
                    let value = percent_decode_str(&uri[..end]).decode_utf8_lossy().into_owned();
                    values.insert(name.clone(), value);
                    return true;
                }
            }
            false
        }
    }
}

impl TryFrom<String> for UriTemplate {
    type Error = UriTemplateError;

    fn try_from(text: String) -> Result<Self, UriTemplateError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_uri_gives_the_values_of_the_variables() {
        for (template, uri, expected) in [
            ("test://template/{id}/data", "test://template/123/data", Some("id=123")),
            ("test://template/{id}/data", "test://template/1/2/data", None),
            ("test://template/{id}/data", "test://template//data", None),
            ("file:///{+path}", "file:///a/b.txt", Some("path=a/b.txt")),
            ("x://{a}-{b}", "x://1-2-3", Some("a=1 b=2-3")),
            ("x://{a}", "x://caf%C3%A9%", Some("a=café%")),
            ("x://same", "x://same", Some("")),
            ("x://same", "x://same/more", None),
        ] {
            let found = UriTemplate::parse(template).unwrap().values(uri).map(|values| {
                values.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(found.as_deref(), expected, "{template} {uri}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["x://{", "x://{}", "x://{a,b}", "x://{a}{b}", "x://{?query}"] {
            assert!(UriTemplate::parse(text).is_err(), "{text}");
        }
    }
}
