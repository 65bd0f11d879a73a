//! The hash that names a Deployment's `ReplicaSet`.

use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::controllers::hashes::{fnv32a, safe};

/// A hash of a template that is the same for the same template in every run. It has the length and the characters of the
/// one that a real controller computes, not its value: that is a hash of Go's dump of its own data structure, which names
/// every field in the order of its source, set or not, and cannot be had from JSON.
pub(super) fn template_hash(template: &PodTemplateSpec, collisions: i32) -> String {
    // Serialization is total for a template, and its maps are sorted.
    let text = serde_json::to_vec(template).unwrap_or_default();
    let collisions = collisions.to_le_bytes().into_iter().filter(|_| collisions > 0);
    safe(fnv32a(text.into_iter().chain(collisions)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hash_follows_the_template_and_the_number_of_collisions() {
        let template = |image: &str| -> PodTemplateSpec {
            serde_json::from_value(json!({"spec": {"containers": [{"name": "c", "image": image}]}})).unwrap()
        };
        let hash = template_hash(&template("a"), 0);
        assert_eq!(hash, template_hash(&template("a"), 0));
        assert_ne!(hash, template_hash(&template("b"), 0));
        assert_ne!(hash, template_hash(&template("a"), 1));
        assert!((8..=10).contains(&hash.len()), "{hash}");
    }
}
