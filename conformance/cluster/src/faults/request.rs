//! Which requests a fault concerns and what it does to them.

use std::time::Duration;

use http::StatusCode;

/// A fault of requests. As text see [`GRAMMAR`](super::GRAMMAR).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFault {
    /// The requests that it concerns.
    pub requests: Requests,
    /// What happens to them.
    pub effect: Effect,
    /// How many requests it concerns, the first ones that it selects; without, all of them.
    pub times: Option<u32>,
    /// How long it lasts, from its beginning; without, until it is cleared.
    pub duration: Option<Duration>,
}

impl RequestFault {
    /// A fault of all requests that stands until it is cleared.
    pub fn new(effect: Effect) -> Self {
        Self { requests: Requests::default(), effect, times: None, duration: None }
    }
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is answered that much later. The latencies of several faults add up.
    Latency(Duration),
    /// It is answered with this code and a Status of failure, and does nothing. The first such fault answers.
    Answer {
        /// The HTTP code, of which the reason in the Status follows.
        code: StatusCode,
        /// Seconds for the header `Retry-After` and the Status' `details.retryAfterSeconds`.
        retry_after: Option<u32>,
    },
    /// It is not answered until the fault ends, as if the connection hung; then it goes on.
    Hang,
}

/// A selection of requests: those that fit every field that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// The verb as RBAC names it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; of
    /// a path that is no resource the HTTP method in lower case.
    pub verb: Option<String>,
    /// The resource as RBAC names it, with an optional group: `pods` (its subresources too), `pods/status`,
    /// `deployments.apps`, `deployments.apps/scale`.
    pub resource: Option<String>,
    /// The namespace of the path.
    pub namespace: Option<String>,
    /// The object's name in the path.
    pub name: Option<String>,
    /// The beginning of the path, such as `/openapi` or `/apis/apps/v1`.
    pub path: Option<String>,
    /// The beginning of the header `User-Agent`.
    pub user_agent: Option<String>,
    /// The user, such as `system:serviceaccount:default:operator`.
    pub user: Option<String>,
}

/// A request as the selection sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen<'a> {
    pub(crate) verb: &'a str,
    /// Group, plural and subresource.
    pub(crate) resource: Option<(&'a str, &'a str, Option<&'a str>)>,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) user: &'a str,
}

impl Requests {
    pub(crate) fn select(&self, seen: &Seen<'_>) -> bool {
        let is =
            |wanted: &Option<String>, value: Option<&str>| wanted.as_deref().is_none_or(|wanted| value == Some(wanted));
        let begins = |wanted: &Option<String>, value: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| value.is_some_and(|value| value.starts_with(wanted)))
        };
        is(&self.verb, Some(seen.verb))
            && self.resource.as_deref().is_none_or(|wanted| is_resource(wanted, seen))
            && is(&self.namespace, seen.namespace)
            && is(&self.name, seen.name)
            && begins(&self.path, Some(seen.path))
            && begins(&self.user_agent, seen.user_agent)
            && is(&self.user, Some(seen.user))
    }
}

fn is_resource(wanted: &str, seen: &Seen<'_>) -> bool {
    let Some((group, plural, subresource)) = seen.resource else { return false };
    let (resource, wanted_subresource) = match wanted.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (wanted, None),
    };
    let is_kind = match resource.split_once('.') {
        Some((wanted_plural, wanted_group)) => wanted_plural == plural && wanted_group == group,
        None => resource == plural,
    };
    is_kind && wanted_subresource.is_none_or(|wanted| subresource == Some(wanted))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn scale() -> Seen<'static> {
        Seen {
            verb: "patch",
            resource: Some(("apps", "deployments", Some("scale"))),
            namespace: Some("default"),
            name: Some("web"),
            path: "/apis/apps/v1/namespaces/default/deployments/web/scale",
            user_agent: Some("kubectl/v1.36.0 (linux/amd64)"),
            user: "kubernetes-admin",
        }
    }

    fn selects(text: &str) -> bool {
        format!("hang,{text}").parse::<RequestFault>().unwrap().requests.select(&scale())
    }

    #[test]
    fn a_request_fits_every_field_that_is_set() {
        for text in [
            "verb=patch",
            "resource=deployments",
            "resource=deployments.apps",
            "resource=deployments/scale",
            "resource=deployments.apps/scale,verb=patch,namespace=default,name=web",
            "path=/apis/apps",
            "user-agent=kubectl",
            "user=kubernetes-admin",
        ] {
            assert!(selects(text), "{text}");
        }
    }

    #[test]
    fn one_field_that_does_not_fit_is_enough() {
        for text in [
            "verb=get",
            "resource=deployment",
            "resource=deployments.extensions",
            "resource=deployments/status",
            "resource=deployments,namespace=other",
            "name=we",
            "path=/api/",
            "user-agent=helm",
            "user=kubernetes",
        ] {
            assert!(!selects(text), "{text}");
        }
    }
}
