//! Reads the transcripts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// What stands before the first step.
#[derive(Deserialize)]
pub(super) struct Setup {
    pub(super) objects: Vec<Value>,
}

/// One file of steps.
#[derive(Deserialize)]
pub(super) struct Topic {
    pub(super) topic: String,
    pub(super) steps: Vec<Step>,
}

/// One request and its recorded answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    pub(super) id: String,
    pub(super) request: Request,
    pub(super) response: Response,
    /// Sent while the watch is open.
    #[serde(default)]
    pub(super) during: Vec<During>,
    /// Why two recordings differ: only the status counts.
    pub(super) unstable: Option<String>,
    /// Whether controllers need time until the answer holds.
    #[serde(default)]
    pub(super) repeat_until_stable: bool,
}

/// What is sent.
#[derive(Deserialize)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<Value>,
    /// Whose token it carries.
    #[serde(rename = "as")]
    pub(super) identity: Option<String>,
}

impl Request {
    /// A read.
    pub(super) fn get(path: String) -> Self {
        Self { method: "GET".into(), path, headers: BTreeMap::new(), body: None, identity: None }
    }

    /// A creation.
    pub(super) fn post(path: &str, body: Value) -> Self {
        Self { method: "POST".into(), path: path.into(), headers: BTreeMap::new(), body: Some(body), identity: None }
    }
}

/// A request beside a watch; of its answer only the status was recorded.
#[derive(Deserialize)]
pub(super) struct During {
    #[serde(flatten)]
    pub(super) request: Request,
    pub(super) status: u16,
}

/// What came back.
#[derive(Deserialize)]
pub(super) struct Response {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<Value>,
    pub(super) events: Option<Vec<Value>>,
}

/// The folder of the transcripts.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The objects that stand before the first step.
pub(super) fn setup() -> Setup {
    read(&folder().join("00-setup.json"))
}

/// All topics in order.
pub(super) fn topics() -> Vec<Topic> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| !path.ends_with("00-setup.json"))
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> T {
    let text = std::fs::read_to_string(file).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
