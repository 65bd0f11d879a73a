//! Matches recorded text with its placeholders against an answer's text.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    let names = "uid-[0-9]+|resourceVersion|time|generated|continue|token|clusterIP|nodePort|pod-template-hash";
    Regex::new(&format!("<({names})>")).unwrap()
});

/// Revisions within longer texts, of which the recording kept the numbers.
static NAMED_REVISION: LazyLock<Regex> = LazyLock::new(|| {
    let before = r#"ResourceVersion in record \(|, current: |too old resource version: [0-9]+ \(|resourceVersion: "|\\"resourceVersion\\":\\"|"resourceVersion":""#;
    Regex::new(&format!("({before})[0-9]+")).unwrap()
});

/// The hash of a pod template within a sentence: which one is not part of the interface.
static NAMED_HASH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"([Rr]eplica ?[Ss]et "[a-z0-9-]+-)[a-z0-9]+""#).unwrap());

/// Which uid each numbered placeholder has turned out to be, within a topic.
#[derive(Clone, Default)]
pub(super) struct Uids(BTreeMap<String, String>);

impl Uids {
    /// Whether the text is what was recorded; learns uids that it meets for the first time.
    pub(super) fn matches(&mut self, recorded: &str, answered: &str) -> bool {
        let recorded = NAMED_REVISION.replace_all(recorded, "${1}<resourceVersion>");
        let recorded = NAMED_HASH.replace_all(&recorded, "${1}<pod-template-hash>\"");
        if recorded == answered {
            return true;
        }
        let (mut pattern, mut uids, mut end) = ("(?s)^".to_owned(), Vec::new(), 0);
        for placeholder in PLACEHOLDER.captures_iter(&recorded) {
            let (whole, name) = (placeholder.get(0).unwrap(), &placeholder[1]);
            pattern.push_str(&regex::escape(&recorded[end..whole.start()]));
            // Writers of YAML may quote a uid that begins like a number: 0b, 1e.
            let quote = if recorded[..whole.start()].ends_with("  uid: ") { "\"?" } else { "" };
            pattern.push_str(&[quote, form(name), quote].concat());
            if name.starts_with("uid-") {
                uids.push(name.to_owned());
            }
            end = whole.end();
        }
        if end == 0 {
            return false;
        }
        pattern.push_str(&regex::escape(&recorded[end..]));
        pattern.push('$');
        let Some(found) = Regex::new(&pattern).unwrap().captures(answered) else {
            return false;
        };
        uids.into_iter().zip(found.iter().skip(1).flatten()).all(|(name, uid)| {
            let uid = uid.as_str().to_owned();
            *self.0.entry(name).or_insert_with(|| uid.clone()) == uid
        })
    }
}

/// What a placeholder stands for; only uids are captured.
fn form(name: &str) -> &'static str {
    match name {
        "resourceVersion" | "nodePort" => "[0-9]+",
        "time" => r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z",
        "generated" => "[a-z0-9]{5}",
        "clusterIP" => "[0-9.]+",
        "pod-template-hash" => "[a-z0-9]+",
        "continue" | "token" => ".+",
        _ => "([0-9a-f-]{36})",
    }
}

#[test]
fn the_same_placeholder_is_the_same_uid() {
    let mut uids = Uids::default();
    let (one, other) = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222");
    assert!(uids.matches("<uid-1>", one));
    assert!(uids.matches("uid <uid-1> at <time>", &format!("uid {one} at 2026-01-02T03:04:05Z")));
    assert!(!uids.matches("<uid-1>", other));
    let binary = "0b98dece-5bc4-4c74-8e00-524d0d500065";
    assert!(uids.matches("  uid: <uid-3>\nspec", &format!("  uid: \"{binary}\"\nspec")));
    assert!(uids.matches("<uid-3>", binary));
    assert!(uids.matches("<uid-2>", other));
    assert!(!uids.matches("<resourceVersion>", "x"));
}
