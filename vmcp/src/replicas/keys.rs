//! The names of what a gateway keeps in Redis.
//!
//! Every name starts with the configured prefix and the gateway's realm, a digest of its key: gateways that share a
//! database do not find each other's sessions. Ids of sessions do not appear: whoever reads names cannot use them.

use super::vault::Vault;

/// The names of one gateway.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    base: String,
}

impl Keys {
    /// Names that start with `prefix`, which ends with a colon.
    pub(super) fn new(prefix: &str, vault: &Vault) -> Self {
        Self { base: format!("{prefix}{}:", vault.realm()) }
    }

    /// The sessions that live, by the time of their last use: a sorted set of digests.
    pub(super) fn sessions(&self) -> String {
        format!("{}sessions", self.base)
    }

    /// A session: a hash.
    pub(super) fn session(&self, digest: &str) -> String {
        format!("{}session:{digest}", self.base)
    }

    /// A session's sessions with backends: a hash.
    pub(super) fn backends(&self, digest: &str) -> String {
        format!("{}backends:{digest}", self.base)
    }

    /// What a stream of a session said: a hash.
    pub(super) fn stream(&self, digest: &str, stream: u64) -> String {
        format!("{}stream:{digest}:{stream}", self.base)
    }

    /// The channel on which replicas tell each other about sessions.
    pub(super) fn signals(&self) -> String {
        format!("{}signals", self.base)
    }

    /// The channel that a replica is subscribed to as long as it lives.
    pub(super) fn replica(&self, replica: &str) -> String {
        format!("{}replica:{replica}", self.base)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    fn vault(secret: u8) -> Vault {
        Vault::of_secret(&[secret; 32]).unwrap()
    }

    #[test]
    fn no_two_things_have_the_same_name() {
        let (vault, other) = (vault(1), vault(2));
        let mut names = BTreeSet::new();
        let mut count = 0;
        for (prefix, vault) in [("a:", &vault), ("a:", &other), ("b:", &vault)] {
            let keys = Keys::new(prefix, vault);
            for id in ["first-id", "second-id"] {
                let digest = vault.digest(id.as_bytes());
                assert!(!keys.session(&digest).contains(id));
                let of_session = [keys.session(&digest), keys.backends(&digest)];
                let of_session = of_session.into_iter().chain([keys.stream(&digest, 0), keys.stream(&digest, 1)]);
                names.extend(of_session.chain([keys.replica(id)]));
                count += 5;
            }
            names.extend([keys.sessions(), keys.signals()]);
            count += 2;
            assert!(names.iter().any(|name| name.starts_with(prefix)));
        }
        assert_eq!(names.len(), count);
    }

    #[test]
    fn replicas_with_the_same_secret_use_the_same_names() {
        let names = |vault: Vault| Keys::new("p:", &vault).session(&vault.digest(b"id"));
        assert_eq!(names(vault(7)), names(vault(7)));
    }
}
