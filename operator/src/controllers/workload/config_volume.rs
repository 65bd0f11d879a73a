//! The volume with a program's configuration and, beside it, the CA bundles that the configuration names.
//!
//! They share one volume so that the configuration can name its bundles by paths relative to its own folder, which hold
//! wherever the volume is mounted.

use serde_json::{Value, json};

/// The name of the volume.
pub const CONFIG: &str = "config";

/// A CA bundle of a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Where it is, from the configuration's folder.
    pub path: String,
    /// Name of the ConfigMap.
    pub config_map: String,
    /// Key in the ConfigMap.
    pub key: String,
}

impl Bundle {
    /// The bundle of the OpenID provider: the key of a ConfigMap. Its path is that of no other bundle, so that a configuration that
    /// names it is of no use to pods that have another.
    pub fn of_provider(config_map: &str, key: &str) -> Self {
        Self { path: format!("oidc-ca/{config_map}/{key}"), config_map: config_map.to_owned(), key: key.to_owned() }
    }

    /// It is optional: a program starts without it, and says what does not work.
    fn source(&self) -> Value {
        json!({"configMap": {
            "name": self.config_map,
            "optional": true,
            "items": [{"key": self.key, "path": self.path}],
        }})
    }
}

/// The volume with the files of the ConfigMap `config_map` and with `bundles`.
pub fn volume<'a>(config_map: &str, bundles: impl IntoIterator<Item = &'a Bundle>) -> Value {
    let config = json!({"configMap": {"name": config_map}});
    let sources: Vec<_> = [config].into_iter().chain(bundles.into_iter().map(Bundle::source)).collect();
    json!({"name": CONFIG, "projected": {"sources": sources}})
}

/// The mount of the volume at `folder`.
pub fn mount(folder: &str) -> Value {
    json!({"name": CONFIG, "mountPath": folder, "readOnly": true})
}
