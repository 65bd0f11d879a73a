//! What is in Secrets and ConfigMaps: read when they change, and only which keys they have is kept. Of ConfigMaps with policies, the
//! texts are kept too.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, ResourceExt};
use parking_lot::{Mutex, MutexGuard};

use super::{ObjectKey, observed::Shared};

/// The keys of a Secret or a ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, Value>);

/// What is known of the value under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Nothing is there.
    Empty,
    /// PEM certificates are there, perhaps among others.
    Certificates,
    /// Something else is there.
    Other,
}

impl Value {
    fn of(bytes: &[u8]) -> Self {
        const MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";
        if bytes.is_empty() {
            Self::Empty
        } else if bytes.windows(MARK.len()).any(|window| window == MARK) {
            Self::Certificates
        } else {
            Self::Other
        }
    }
}

impl Keys {
    /// What is known of the value under `key`; `None` when there is no such key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.0.get(key).copied()
    }

    /// The names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Which keys there are, for messages.
    pub fn summary(&self) -> String {
        let names: Vec<_> = self.names().take(10).collect();
        if names.is_empty() { "it has no keys at all".to_owned() } else { format!("it has {}", names.join(", ")) }
    }
}

impl<'a> FromIterator<(&'a str, &'a [u8])> for Keys {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a [u8])>>(entries: T) -> Self {
        Self(entries.into_iter().map(|(key, bytes)| (key.to_owned(), Value::of(bytes))).collect())
    }
}

/// The kinds that hold contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Secret,
    ConfigMap,
}

/// The texts of a ConfigMap by key. What is not text is not there.
pub type Texts = BTreeMap<String, String>;

/// What was read of each object, and of which version.
struct Versions<P, T>(Mutex<BTreeMap<P, (String, Arc<T>)>>);

impl<P: Ord, T> Versions<P, T> {
    /// Answers from memory when the version is the one that was read, and reads otherwise. Without a version there is no object.
    async fn lookup(
        &self,
        place: P,
        version: Option<String>,
        read: impl Future<Output = kube::Result<Option<(String, T)>>>,
    ) -> kube::Result<Option<Arc<T>>> {
        let Some(version) = version else {
            self.known().remove(&place);
            return Ok(None);
        };
        if let Some((known, found)) = self.known().get(&place)
            && *known == version
        {
            return Ok(Some(found.clone()));
        }
        let Some((version, found)) = read.await? else {
            self.known().remove(&place);
            return Ok(None);
        };
        let found = Arc::new(found);
        self.known().insert(place, (version, found.clone()));
        Ok(Some(found))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<P, (String, Arc<T>)>> {
        self.0.lock()
    }
}

/// Reads Secrets and ConfigMaps, each version once.
pub struct Contents {
    client: Client,
    shared: Shared,
    keys: Versions<(Source, ObjectKey), Keys>,
    texts: Versions<ObjectKey, Texts>,
}

impl Contents {
    /// Reads by `client` the objects whose metadata is in `shared`.
    pub fn new(client: Client, shared: Shared) -> Self {
        Self { client, shared, keys: Versions(Mutex::default()), texts: Versions(Mutex::default()) }
    }

    /// The keys of the Secret `key`; `None` when it does not exist.
    pub async fn secret(&self, key: &ObjectKey) -> kube::Result<Option<Arc<Keys>>> {
        let version = self.shared.read().secrets.get(key).map(|object| object.resource_version());
        let read = async {
            let object = Api::<Secret>::namespaced(self.client.clone(), &key.namespace).get_opt(&key.name).await?;
            Ok(object.map(|secret| {
                let keys =
                    secret.data.iter().flatten().map(|(key, value)| (key.as_str(), value.0.as_slice())).collect();
                (secret.resource_version().unwrap_or_default(), keys)
            }))
        };
        self.keys.lookup((Source::Secret, key.clone()), version.map(Option::unwrap_or_default), read).await
    }

    /// The keys of the ConfigMap `key`; `None` when it does not exist.
    pub async fn config_map(&self, key: &ObjectKey) -> kube::Result<Option<Arc<Keys>>> {
        let read = async {
            Ok(self.read_config_map(key).await?.map(|map| {
                let text = map.data.iter().flatten().map(|(key, value)| (key.as_str(), value.as_bytes()));
                let binary = map.binary_data.iter().flatten().map(|(key, value)| (key.as_str(), value.0.as_slice()));
                (map.resource_version().unwrap_or_default(), text.chain(binary).collect())
            }))
        };
        self.keys.lookup((Source::ConfigMap, key.clone()), self.config_map_version(key), read).await
    }

    /// The texts of the ConfigMap `key`; `None` when it does not exist.
    pub async fn texts(&self, key: &ObjectKey) -> kube::Result<Option<Arc<Texts>>> {
        let read = async {
            let found = self.read_config_map(key).await?;
            Ok(found.map(|map| (map.resource_version().unwrap_or_default(), map.data.unwrap_or_default())))
        };
        self.texts.lookup(key.clone(), self.config_map_version(key), read).await
    }

    fn config_map_version(&self, key: &ObjectKey) -> Option<String> {
        self.shared.read().config_maps.get(key).map(|object| object.resource_version().unwrap_or_default())
    }

    async fn read_config_map(&self, key: &ObjectKey) -> kube::Result<Option<ConfigMap>> {
        Api::<ConfigMap>::namespaced(self.client.clone(), &key.namespace).get_opt(&key.name).await
    }
}
