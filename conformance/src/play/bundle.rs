//! Everything about a failed scenario, in one folder, without its secrets.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Stage;

/// Kinds whose objects are written down, besides those that the scenario applied. Secrets are not among them.
const KINDS: &[&str] = &[
    "mcpgroups",
    "mcpserverentries",
    "mcpexternalauthconfigs",
    "mcpoidcconfigs",
    "virtualmcpservers",
    "mcpremoteproxies",
    "deployments",
    "pods",
    "services",
    "configmaps",
];

/// Writes the folder.
pub(super) async fn write(stage: &Stage<'_>, folder: &Path, message: Option<&str>) -> io::Result<()> {
    let logs = folder.join("logs");
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(&logs)?;
    let text = |file: &Path, text: &str| std::fs::write(file, stage.redacted(text));
    let pretty = |name: &str, value: &dyn erased::Pretty| text(&folder.join(name), &value.pretty());
    text(&folder.join("message.txt"), &format!("{}\n{}\n", stage.scenario.id, message.unwrap_or_default()))?;
    let mut objects = Map::new();
    for name in KINDS {
        objects.insert((*name).to_owned(), Value::Array(list(stage, name).await));
    }
    let pods: Vec<String> = objects["pods"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
        .collect();
    pretty("objects.json", &objects)?;
    pretty("history.json", &stage.history.changes())?;
    pretty("events.json", &list(stage, "events").await)?;
    pretty("transcript.json", &stage.transcript.exchanges())?;
    if let Some(world) = stage.world() {
        // What is known here is better than nothing.
        let _ = world.catch_up().await;
        let entries: Vec<_> = world.journal().entries().iter().map(|entry| entry.redacted()).collect();
        pretty("journal.json", &entries)?;
    }
    for pod in pods {
        let log = stage.target.logs(&stage.namespace, &pod).await;
        text(&logs.join(format!("{pod}.log")), &log)?;
    }
    let operator = super::surroundings::operator_log(stage).await.unwrap_or_default();
    text(&logs.join("operator.log"), &operator)
}

async fn list(stage: &Stage<'_>, kind: &str) -> Vec<Value> {
    let objects = stage.target.objects();
    match objects.kinds.named(kind).await {
        Ok(kind) => objects.list(&kind, &stage.namespace, None).await.unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

mod erased {
    //! Values as indented JSON, whatever their type.

    use super::Serialize;

    pub(super) trait Pretty {
        fn pretty(&self) -> String;
    }

    impl<T: Serialize> Pretty for T {
        fn pretty(&self) -> String {
            serde_json::to_string_pretty(self).unwrap_or_default()
        }
    }
}
