//! `kubectl apply`: create what is not there, merge into what is, remove what the last manifest had.

use parking_lot::Mutex;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::kinds::Kind;
use super::rest::{Answer, ApiError, Objects, Verb, Write};
use crate::language::Validation;

/// What was applied last, by path. kubectl keeps it in an annotation; here it does not disturb the object.
#[derive(Debug, Default)]
pub struct Applied(Mutex<BTreeMap<String, Value>>);

impl Applied {
    /// Applies one object.
    pub async fn apply(
        &self,
        objects: &Objects,
        kind: &Kind,
        namespace: &str,
        object: &Value,
        validation: Validation,
    ) -> Result<Answer, ApiError> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let path = kind.path(namespace, Some(name));
        let live = if name.is_empty() { None } else { objects.read(kind, namespace, name).await? };
        let update = live.map(|_| merge_patch(self.last(&path).as_ref(), object));
        let answer = objects
            .write(&Write {
                kind,
                namespace,
                name,
                verb: if update.is_some() { Verb::Merge } else { Verb::Create },
                status: false,
                validation,
                body: update.as_ref().unwrap_or(object),
            })
            .await?;
        if answer.is_success() {
            self.remember(path, object.clone());
        }
        Ok(answer)
    }

    fn last(&self, path: &str) -> Option<Value> {
        let last = self.0.lock();
        last.get(path).cloned()
    }

    fn remember(&self, path: String, object: Value) {
        let mut last = self.0.lock();
        last.insert(path, object);
    }
}

/// The merge patch that applies `now`: all of it, and null for each key that only `before` has.
pub fn merge_patch(before: Option<&Value>, now: &Value) -> Value {
    let (Some(Value::Object(before)), Value::Object(now)) = (before, now) else {
        return now.clone();
    };
    let mut patch = Map::new();
    for (name, value) in now {
        patch.insert(name.clone(), merge_patch(before.get(name), value));
    }
    for name in before.keys().filter(|name| !now.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_that_left_the_manifest_is_removed() {
        let before = json!({"spec": {"a": 1, "b": {"c": 1, "d": 2}}});
        let now = json!({"spec": {"b": {"c": 3}, "e": [1]}});
        assert_eq!(merge_patch(Some(&before), &now), json!({"spec": {"a": null, "b": {"c": 3, "d": null}, "e": [1]}}));
    }

    #[test]
    fn a_first_patch_removes_nothing() {
        assert_eq!(merge_patch(None, &json!({"a": 1})), json!({"a": 1}));
    }
}
