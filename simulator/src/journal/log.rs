//! The log of the traffic: one event per request, for whoever listens to it.

use serde_json::Value;

use super::JournalEntry;

/// The target of the log events that tell of one request each, with the fields `http`, `url`, `method`, `called`, `status`,
/// `faults` and `verdict`, as far as there are any.
pub const TRAFFIC: &str = "simulator::traffic";

impl JournalEntry {
    /// What a request is about, in a word: the tool or prompt that it names, the resource, the grant that it asks for, or the code
    /// that answers a query for a name.
    #[must_use]
    pub fn called(&self) -> Option<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(params) = self.body.params() {
            return params.get("name").and_then(text).or_else(|| params.get("uri").and_then(text));
        }
        if let Some(form) = self.body.form() {
            return form.get("grant_type")?.as_str()?.rsplit(':').next().map(str::to_owned);
        }
        let dns = self.dns.as_ref()?;
        Some(dns.code.clone().unwrap_or_else(|| "silence".to_owned()))
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

    use serde_json::json;

    use super::super::RecordedBody;
    use super::*;

    #[test]
    fn a_request_is_about_a_tool_a_resource_or_a_grant() {
        let called = |body: &str, media_type: &str| {
            let at = jiff::Timestamp::UNIX_EPOCH;
            let mut entry = JournalEntry::connection(at, "a", "http://a/".to_owned(), ([127, 0, 0, 1], 1).into());
            entry.body = RecordedBody::new(body.as_bytes(), media_type);
            entry.called()
        };
        let of = |params: Value| called(&json!({ "params": params }).to_string(), "application/json");
        assert_eq!(of(json!({"name": "echo"})).as_deref(), Some("echo"));
        assert_eq!(of(json!({"uri": "file:///a"})).as_deref(), Some("file:///a"));
        assert_eq!(of(json!([])), None);
        let form = "application/x-www-form-urlencoded";
        let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
        assert_eq!(called(grant, form).as_deref(), Some("token-exchange"));
        assert_eq!(called("", form), None);
    }
}
