//! All scenarios of a folder, or those that are compiled in.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::load::{self, Surroundings};
use super::scenario::Scenario;
use crate::catalogue::Catalogue;
use crate::diagnostic::{Diagnostic, Source};
use crate::yaml;

include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// The name of the catalogue's file.
const CATALOGUE: &str = "behaviours.yaml";

/// The folder of manifests that several scenarios share.
const SHARED: &str = "manifests/";

/// The files of a scenario folder, the catalogue and the scenarios in them.
#[derive(Debug)]
pub struct Library {
    files: BTreeMap<String, Arc<Source>>,
    catalogue: Catalogue,
    scenarios: Vec<Arc<Scenario>>,
}

/// Objects as a manifest file holds them.
pub type Manifest = Vec<serde_json::Value>;

/// All that is wrong in a folder of scenarios.
#[derive(Debug, thiserror::Error)]
pub struct LoadErrors(pub Vec<Diagnostic>);

impl fmt::Display for LoadErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl From<Diagnostic> for LoadErrors {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl Library {
    /// The scenarios that are compiled into this program.
    pub fn embedded() -> Result<Self, LoadErrors> {
        let files = EMBEDDED
            .iter()
            .map(|(path, text)| ((*path).to_owned(), Source::new(format!("scenarios/{path}"), *text)))
            .collect();
        Self::read(files, None)
    }

    /// The scenarios of a folder. A folder without a catalogue of its own uses the one that is compiled in.
    pub fn open(folder: &Path) -> Result<Self, LoadErrors> {
        let mut files = BTreeMap::new();
        collect(folder, folder, &mut files)?;
        Self::read(files, Some(folder))
    }

    /// Scenarios from texts, by path. For tests of the language.
    pub fn of_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, LoadErrors> {
        let files = texts.into_iter().map(|(path, text)| (path.to_owned(), Source::new(path, text))).collect();
        Self::read(files, None)
    }

    fn read(files: BTreeMap<String, Arc<Source>>, folder: Option<&Path>) -> Result<Self, LoadErrors> {
        let built_in = || {
            EMBEDDED
                .iter()
                .find(|(path, _)| *path == CATALOGUE)
                .map(|(path, text)| Source::new(format!("scenarios/{path}"), *text))
        };
        let source = files.get(CATALOGUE).cloned().or_else(built_in);
        let missing = || Diagnostic::of_file(CATALOGUE, "the catalogue is missing");
        let catalogue = Catalogue::read(source.ok_or_else(missing)?.as_ref())?;
        let mut library = Self { files, catalogue, scenarios: Vec::new() };
        let mut errors = Vec::new();
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        for (path, source) in library.files.iter().filter(|(path, _)| is_scenario(path)) {
            let surroundings = Surroundings {
                catalogue: &library.catalogue,
                has_manifest: &|file| beside(path, file).is_some_and(|path| library.files.contains_key(&path)),
            };
            match load::scenario(source, &surroundings) {
                Ok(scenario) => {
                    if let Some(other) = ids.insert(scenario.id.clone(), source.name.clone()) {
                        let message = format!("the id `{}` is taken by {other}", scenario.id);
                        errors.push(Diagnostic::of_file(&source.name, message));
                    }
                    library.scenarios.push(Arc::new(scenario));
                }
                Err(error) => errors.push(error),
            }
        }
        library.scenarios.sort_by(|a, b| a.id.cmp(&b.id));
        if !errors.is_empty() {
            return Err(LoadErrors(errors));
        }
        if library.scenarios.is_empty() {
            let name = folder.map_or_else(|| "scenarios".to_owned(), |folder| folder.display().to_string());
            return Err(Diagnostic::of_file(name, "there is no scenario in this folder").into());
        }
        Ok(library)
    }

    /// The catalogue of behaviours.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// All scenarios, by id.
    pub fn scenarios(&self) -> &[Arc<Scenario>] {
        &self.scenarios
    }

    /// The scenario with that id, or in that file.
    pub fn find(&self, id_or_file: &str) -> Option<&Arc<Scenario>> {
        self.scenarios.iter().find(|scenario| {
            let name = &scenario.source.name;
            scenario.id == id_or_file || name == id_or_file || name.ends_with(&format!("/{id_or_file}"))
        })
    }

    /// The text of a manifest that a scenario names.
    pub fn manifest(&self, scenario: &Scenario, file: &str) -> Option<&Arc<Source>> {
        let (path, _) = self.files.iter().find(|(_, source)| Arc::ptr_eq(source, &scenario.source))?;
        self.files.get(&beside(path, file)?)
    }

    /// The objects of a manifest.
    pub fn objects(source: &Source) -> Result<Manifest, Diagnostic> {
        let nodes = yaml::documents(source)?;
        Ok(nodes.iter().map(yaml::Node::to_json).collect())
    }
}

/// Every YAML file directly in a document's folder is a scenario; in deeper ones only `scenario.yaml` is.
fn is_scenario(path: &str) -> bool {
    if path.starts_with(SHARED) {
        return false;
    }
    match path.split('/').count() {
        0 | 1 => false,
        2 => true,
        _ => path.ends_with("/scenario.yaml"),
    }
}

/// The path of a file that is named relative to another, inside the folder of scenarios.
fn beside(path: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for component in Path::new(file).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Arc<Source>>) -> Result<(), Diagnostic> {
    let failed = |path: &Path, error: &std::io::Error| {
        Diagnostic::of_file(path.display().to_string(), format!("cannot be read: {error}"))
    };
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| failed(folder, &error))?.path());
    }
    for path in paths {
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
            let relative = path.strip_prefix(root).unwrap_or(&path);
            let key: Vec<&str> = relative.iter().filter_map(|part| part.to_str()).collect();
            files.insert(key.join("/"), Source::new(path.display().to_string(), text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[test]
    fn a_manifest_is_found_beside_its_scenario_and_never_outside_the_folder() {
        assert_eq!(beside("a/b/scenario.yaml", "x.yaml").as_deref(), Some("a/b/x.yaml"));
        assert_eq!(beside("a/b/scenario.yaml", "../x.yaml").as_deref(), Some("a/x.yaml"));
        assert_eq!(beside("a/b.yaml", "../../x.yaml"), None);
        assert_eq!(beside("a/b.yaml", "/etc/passwd"), None);
    }

    #[test]
    fn the_scenarios_that_are_compiled_in_are_right() {
        if let Err(errors) = Library::embedded() {
            panic!("{errors}");
        }
    }

    #[test]
    fn only_scenario_yaml_counts_in_deeper_folders() {
        assert!(is_scenario("guide/minimal.yaml"));
        assert!(is_scenario("guide/complete/scenario.yaml"));
        assert!(!is_scenario("guide/complete/entry.yaml"));
        assert!(!is_scenario("manifests/group.yaml"));
        assert!(!is_scenario("behaviours.yaml"));
    }
}
