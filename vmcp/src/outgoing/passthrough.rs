//! Headers of clients that are passed on to every backend (`passthroughHeaders`).

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use vmcp_config::passthrough_problem;

use super::headers::detached;

/// Which headers of a client's request are passed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passthrough(Vec<HeaderName>);

impl Passthrough {
    /// The headers with these names, in any case. Names that a configuration may not have match nothing.
    pub fn of(names: &[String]) -> Self {
        let allowed = names.iter().filter(|name| passthrough_problem(name).is_none());
        Self(allowed.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect())
    }

    /// What a request with `headers` passes on.
    pub fn capture(&self, headers: &HeaderMap) -> PassedHeaders {
        let found = self.0.iter().flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)));
        let sensitive = found.map(|(name, value)| {
            let mut value = detached(value);
            value.set_sensitive(true);
            (name.clone(), value)
        });
        PassedHeaders(sensitive.collect())
    }
}

/// Headers of one request, as the client wrote them. Values do not show in `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PassedHeaders(Arc<[(HeaderName, HeaderValue)]>);

impl PassedHeaders {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, a name as often as the client wrote it.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Puts the headers into a request to a backend. What the gateway itself sends under such a name stays: a client
    /// does not replace what the backend's configuration says.
    pub fn apply(&self, headers: &mut HeaderMap) {
        let mut passed = HeaderMap::new();
        for (name, value) in self.iter().filter(|(name, _)| !headers.contains_key(*name)) {
            passed.append(name.clone(), value.clone());
        }
        headers.extend(passed);
    }
}

impl fmt::Debug for PassedHeaders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append::<HeaderName>(name, value);
        }
        headers
    }

    fn passthrough(names: &[&str]) -> Passthrough {
        Passthrough::of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn named_headers_pass_with_all_their_values_and_others_do_not() {
        let request = headers(&[("x-trace", "one"), ("x-trace", "two"), ("x-other", "three")]);
        let passed = passthrough(&["X-Trace", "X-Absent"]).capture(&request);
        let mut sent = headers(&[("accept", "*/*")]);
        passed.apply(&mut sent);
        assert_eq!(sent, headers(&[("accept", "*/*"), ("x-trace", "one"), ("x-trace", "two")]));
        assert!(!format!("{passed:?}").contains("one"), "values do not show");
    }

    #[test]
    fn credentials_and_the_protocols_headers_never_pass() {
        let names = ["Authorization", "Cookie", "Host", "Mcp-Session-Id", "X-Forwarded-For", "Connection", "Accept"];
        let request = headers(&names.map(|name| (name, "secret")).map(|(name, value)| (name, value)));
        assert!(passthrough(&names).capture(&request).is_empty());
    }

    #[test]
    fn what_the_gateway_sends_itself_is_not_replaced() {
        let mut sent = headers(&[("x-tenant", "configured")]);
        passthrough(&["x-tenant"]).capture(&headers(&[("x-tenant", "forged")])).apply(&mut sent);
        assert_eq!(sent, headers(&[("x-tenant", "configured")]));
    }
}
