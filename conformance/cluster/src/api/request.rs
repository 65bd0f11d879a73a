//! What a request is for: its path taken apart, and its query.

use http::Method;
use url::form_urlencoded;

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Anything but a resource: discovery, health, version, `OpenAPI`.
    NonResource,
    /// A resource, an object or a subresource.
    Resource(ResourcePath),
}

/// A path below `/api/VERSION` or `/apis/GROUP/VERSION`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) resource: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

/// The query's parameters in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Target {
    /// Takes a path apart.
    pub(crate) fn parse(path: &str) -> Self {
        let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(percent_decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => Self::resource("", version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => Self::resource(group, version, rest),
            _ => Self::NonResource,
        }
    }

    fn resource(group: &str, version: &str, rest: &[&str]) -> Self {
        let mut path = ResourcePath { group: group.into(), version: version.into(), ..ResourcePath::default() };
        let rest = match rest {
            ["namespaces", namespace, "status" | "finalize", ..] | ["namespaces", namespace] => {
                path.namespace = Some((*namespace).to_owned());
                rest
            }
            ["namespaces", namespace, inner @ ..] => {
                path.namespace = Some((*namespace).to_owned());
                inner
            }
            _ => rest,
        };
        let mut parts = rest.iter().map(|part| (*part).to_owned());
        path.resource = parts.next().unwrap_or_default();
        path.name = parts.next();
        let subresource: Vec<String> = parts.collect();
        path.subresource = (!subresource.is_empty()).then(|| subresource.join("/"));
        Self::Resource(path)
    }
}

impl ResourcePath {
    /// The verb that authorization judges.
    pub(crate) fn verb(&self, method: &Method, query: &Query) -> &'static str {
        match *method {
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if self.name.is_none() => "deletecollection",
            Method::DELETE => "delete",
            _ if self.name.is_some() => "get",
            _ if query.flag("watch") => "watch",
            _ => "list",
        }
    }
}

impl Query {
    /// Parses a query string.
    pub(crate) fn parse(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter, unless it is empty.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// Every value of a parameter.
    pub(crate) fn all<'q, 'n>(&'q self, name: &'n str) -> impl Iterator<Item = &'q str> + use<'q, 'n> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A boolean parameter as Go's query decoder reads it: present and not `false` or `0`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.all(name).next().is_some_and(|value| !matches!(value, "false" | "0"))
    }
}

/// Decodes `%XX`; what is no such code stays.
pub(crate) fn percent_decode(segment: &str) -> String {
    if !segment.contains('%') {
        return segment.to_owned();
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn resource(path: &str) -> ResourcePath {
        match Target::parse(path) {
            Target::Resource(resource) => resource,
            Target::NonResource => panic!("{path} is a resource"),
        }
    }

    #[test]
    fn objects_and_subresources_are_told_apart() {
        let path = resource("/apis/apps/v1/namespaces/a/deployments/b/scale");
        assert_eq!(path.namespace.as_deref(), Some("a"));
        assert_eq!((path.resource.as_str(), path.name.as_deref()), ("deployments", Some("b")));
        assert_eq!(path.subresource.as_deref(), Some("scale"));
    }

    #[test]
    fn a_namespace_is_an_object_and_a_scope() {
        let path = resource("/api/v1/namespaces/a/finalize");
        assert_eq!((path.resource.as_str(), path.name.as_deref()), ("namespaces", Some("a")));
        assert_eq!(path.subresource.as_deref(), Some("finalize"));
        assert_eq!(resource("/api/v1/namespaces/a/pods").name, None);
        assert_eq!(Target::parse("/apis/apps/v1"), Target::NonResource);
    }
}
