//! Finds where an answer differs from the recorded one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::placeholders::Uids;

/// The age column of a table.
static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new("^([0-9]+[smhd])+$").unwrap());
/// A uid in the name of an entry of `managedFields`.
static UID_KEY: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"^k:\{"uid":"[0-9a-f-]{36}"\}$"#).unwrap());

/// One place where an answer differs.
#[derive(Debug, Clone)]
pub(super) struct Difference {
    /// Where: `status`, `header NAME`, or a path such as `body.metadata.name`, `events[1].object`.
    pub(super) path: String,
    recorded: String,
    answered: String,
}

impl Difference {
    pub(super) fn new(path: &str, recorded: &impl fmt::Display, answered: &impl fmt::Display) -> Self {
        Self { path: path.to_owned(), recorded: shortened(recorded), answered: shortened(answered) }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n    recorded {}\n    answered {}", self.path, self.recorded, self.answered)
    }
}

fn shortened(value: &impl fmt::Display) -> String {
    const LONGEST: usize = 600;
    let text = value.to_string();
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).chain("...".chars()).collect() }
}

/// Adds where `answered` differs from `recorded`.
pub(super) fn compare(recorded: &Value, answered: &Value, path: &str, uids: &mut Uids, found: &mut Vec<Difference>) {
    match (recorded, answered) {
        (Value::String(recorded), Value::String(answered)) if uids.matches(recorded, answered) => {}
        (Value::String(recorded), Value::String(answered))
            if path.contains(".cells[") && AGE.is_match(recorded) && AGE.is_match(answered) => {}
        // Each cluster has a certificate authority of its own.
        (Value::String(_), Value::String(pem)) if path.ends_with(".ca.crt") && pem.starts_with("-----BEGIN CERT") => {}
        (Value::String(placeholder), Value::Number(_)) if placeholder == "<nodePort>" => {}
        (Value::Number(recorded), Value::Number(answered)) if recorded.as_f64() == answered.as_f64() => {}
        (Value::Object(recorded), Value::Object(answered)) => {
            let (recorded, answered) = (with_plain_keys(recorded), with_plain_keys(answered));
            let (recorded, answered) = (&recorded, &answered);
            for (key, value) in recorded {
                let path = format!("{path}.{key}");
                match answered.get(key) {
                    Some(answer) => compare(value, answer, &path, uids, found),
                    None => found.push(Difference::new(&path, value, &"nothing")),
                }
            }
            for (key, value) in answered.iter().filter(|(key, _)| !recorded.contains_key(*key)) {
                found.push(Difference::new(&format!("{path}.{key}"), &"nothing", value));
            }
        }
        (Value::Array(recorded), Value::Array(answered)) if recorded.len() == answered.len() => {
            let managers = path.ends_with(".managedFields");
            let (recorded, answered) = (in_order(recorded, managers), in_order(answered, managers));
            for (index, (recorded, answered)) in recorded.into_iter().zip(answered).enumerate() {
                compare(recorded, answered, &format!("{path}[{index}]"), uids, found);
            }
        }
        (recorded, answered) if recorded == answered => {}
        (recorded, answered) => found.push(Difference::new(path, recorded, answered)),
    }
}

/// The fields, with uids taken out of their names.
fn with_plain_keys(fields: &Map<String, Value>) -> Map<String, Value> {
    let plain = |key: &String| if UID_KEY.is_match(key) { "k:{uid}".to_owned() } else { key.clone() };
    fields.iter().map(|(key, value)| (plain(key), value.clone())).collect()
}

/// The entries of a list; those of `managedFields` are ordered by time, which is too coarse to tell, so here by name.
fn in_order(list: &[Value], managers: bool) -> Vec<&Value> {
    let mut entries: Vec<&Value> = list.iter().collect();
    if managers {
        entries.sort_by_key(|entry| {
            ["manager", "operation", "subresource", "apiVersion"].map(|key| entry[key].as_str().unwrap_or_default())
        });
    }
    entries
}

/// Adds which of the recorded headers differ.
pub(super) fn compare_headers(
    recorded: &BTreeMap<String, String>,
    answered: &http::HeaderMap,
    uids: &mut Uids,
    found: &mut Vec<Difference>,
) {
    for (name, value) in recorded {
        // Of a header that was sent several times the recording kept the last.
        let answer =
            answered.get_all(name).iter().next_back().and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !uids.matches(value, answer) {
            found.push(Difference::new(&format!("header {name}"), value, &answer));
        }
    }
}
