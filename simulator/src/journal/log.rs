//! The log of the traffic: one event per request, for whoever listens to it.

use super::JournalEntry;

/// The target of the log events that tell of one request each, with the fields `http`, `url`, `method`, `called`, `status`,
/// `faults` and `verdict`, as far as there are any.
pub const TRAFFIC: &str = "simulator::traffic";

impl JournalEntry {
    /// What a request is about, in a word: the tool or prompt that it names, the resource, the grant that it asks for, or the code
    /// that answers a query for a name.
    #[must_use]
    pub fn called(&self) -> Option<&str> {
        let of_params = |name: &str| self.params.as_ref()?.get(name)?.as_str();
        let grant = || self.form.as_ref()?.get("grant_type")?.as_str()?.rsplit(':').next();
        let code = || Some(self.dns.as_ref()?.code.as_deref().unwrap_or("silence"));
        of_params("name").or_else(|| of_params("uri")).or_else(grant).or_else(code)
    }

    /// Tells of it in the log.
    pub(super) fn log(&self) {
        let http = self.http.as_ref().map(|http| http.method.as_str());
        let status = self.response.as_ref().map(|response| response.status);
        let faults = (!self.faults.is_empty()).then(|| self.faults.join(","));
        tracing::info!(
            target: TRAFFIC,
            http,
            url = self.url,
            method = self.method,
            called = self.called(),
            status,
            faults,
            verdict = self.verdict,
            "request"
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_request_is_about_a_tool_a_resource_or_a_grant() {
        let entry = |params: Value, form: Value| -> JournalEntry {
            let at = jiff::Timestamp::UNIX_EPOCH;
            let mut entry = JournalEntry::connection(at, "a", "http://a/".to_owned(), ([127, 0, 0, 1], 1).into());
            entry.params = Some(params);
            entry.form = form.as_object().cloned();
            entry
        };
        assert_eq!(entry(json!({"name": "echo"}), json!(null)).called(), Some("echo"));
        assert_eq!(entry(json!({"uri": "file:///a"}), json!(null)).called(), Some("file:///a"));
        let grant = json!({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"});
        assert_eq!(entry(json!(null), grant).called(), Some("token-exchange"));
        assert_eq!(entry(json!([]), json!({})).called(), None);
    }
}
