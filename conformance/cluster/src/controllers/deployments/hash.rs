//! The hash that names a Deployment's `ReplicaSet`.

use k8s_openapi::api::core::v1::PodTemplateSpec;

/// Characters that form no words: neither vowels nor look-alikes.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A hash of a template that is the same for the same template in every run. It has the length and the characters of the
/// one that a real controller computes, not its value, which depends on the memory layout of a Go program.
pub(super) fn template_hash(template: &PodTemplateSpec, collisions: i32) -> String {
    // Serialization is total for a template, and its maps are sorted.
    let text = serde_json::to_vec(template).unwrap_or_default();
    let mut hash: u32 = 0x811c_9dc5;
    for byte in text.iter().chain(collisions.to_le_bytes().iter().filter(|_| collisions > 0)) {
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
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
        assert!(hash.bytes().all(|c| ALPHABET.contains(&c)) && (8..=10).contains(&hash.len()), "{hash}");
    }
}
