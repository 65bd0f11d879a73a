//! References to keys of Secrets.

use std::{collections::BTreeMap, sync::Arc};

use operator_api::SecretKeyReference;

use super::{Context, ReconcileError};
use crate::runtime::{
    ObjectKey,
    contents::{Keys, Value},
};

/// What is missing in `reference`, which stands at `path`.
pub(super) fn problems(reference: &SecretKeyReference, path: &str) -> Vec<String> {
    [("name", &reference.name), ("key", &reference.key)]
        .into_iter()
        .filter(|(_, value)| value.is_empty())
        .map(|(field, _)| format!("{path}.{field} is empty"))
        .collect()
}

/// Reads the Secrets `names`, of the namespace of `key`, that exist.
pub(super) async fn read<'a>(
    context: &Context,
    key: &ObjectKey,
    names: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, Arc<Keys>>, ReconcileError> {
    let mut secrets = BTreeMap::new();
    for name in names {
        if secrets.contains_key(name) {
            continue;
        }
        let key = key.sibling(name);
        let keys =
            context.contents.secret(&key).await.map_err(ReconcileError::reading(format_args!("Secret {key}")))?;
        if let Some(keys) = keys {
            secrets.insert(name.to_owned(), keys);
        }
    }
    Ok(secrets)
}

/// Why there is no value under `key` of the Secret `name`, if so. `secrets` are those that exist.
pub(super) fn problem(name: &str, key: &str, secrets: &BTreeMap<String, Arc<Keys>>) -> Option<String> {
    let Some(keys) = secrets.get(name) else {
        return Some(format!("Secret {name:?} does not exist in this namespace"));
    };
    match keys.get(key) {
        None => Some(format!("Secret {name:?} has no key {key:?}: {}", keys.summary())),
        Some(Value::Empty) => Some(format!("Secret {name:?} has nothing under the key {key:?}")),
        Some(_) => None,
    }
}
