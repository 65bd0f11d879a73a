//! The custom resource definitions of topic 16.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Definitions read from a folder.
pub(super) struct Definitions {
    documents: Vec<Value>,
    plurals: BTreeSet<String>,
    recorded: bool,
}

impl Definitions {
    /// Reads the folder that `GOLDEN_CRDS` names, else the repository's own.
    pub(super) fn load() -> Self {
        let named = std::env::var_os("GOLDEN_CRDS").map(PathBuf::from);
        let recorded = named.is_some();
        let folder = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds"));
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        files.sort();
        let read = |file: &PathBuf| -> Value {
            serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        };
        let documents: Vec<Value> = files.iter().map(read).collect();
        let plural = |document: &Value| document["spec"]["names"]["plural"].as_str().map(str::to_owned);
        let plurals = documents.iter().filter_map(plural).collect();
        Self { documents, plurals, recorded }
    }

    /// Whether they are those that the recorded server had.
    pub(super) fn are_recorded(&self) -> bool {
        self.recorded
    }

    /// The definitions as objects.
    pub(super) fn documents(&self) -> &[Value] {
        &self.documents
    }

    /// Whether the kind that a path of topic 16 is about has a definition.
    pub(super) fn cover(&self, path: &str) -> bool {
        let mut segments = path.split(['/', '?']).skip_while(|segment| *segment != "namespaces").skip(2);
        segments.next().is_none_or(|plural| self.plurals.contains(plural))
    }
}
