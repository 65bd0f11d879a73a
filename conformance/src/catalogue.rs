//! The catalogue: every documented behaviour, and the decisions where documents disagree.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::diagnostic::{Diagnostic, Source};
use crate::yaml;

/// `behaviours.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    behaviours: Vec<Behaviour>,
    decisions: Vec<Decision>,
}

/// One documented behaviour.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// Its id, such as `ENTRY-029`.
    pub id: String,
    /// The document that states it.
    pub document: String,
    /// The scenarios that verify it; none: nothing does yet.
    #[serde(default)]
    pub scenarios: Vec<String>,
    /// What it says.
    pub behaviour: String,
    /// A way to check it from outside.
    pub verify: String,
    /// How the existing implementation compares with the document.
    pub reference: String,
    /// More about that.
    pub note: Option<String>,
    /// The decisions that override it.
    #[serde(default)]
    pub decisions: Vec<String>,
}

/// What is done where documents and the existing implementation disagree.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Its id, such as `D-02`.
    pub id: String,
    /// What it is about.
    pub topic: String,
    /// What the documents say.
    pub documents_say: String,
    /// What the existing implementation does.
    pub reference_does: String,
    /// What this project does.
    pub we_do: String,
    /// What the suite demands of any implementation.
    pub suite_demands: String,
}

impl Catalogue {
    /// Reads the catalogue.
    pub fn read(source: &Source) -> Result<Self, Diagnostic> {
        let root = yaml::parse(source)?;
        let catalogue: Self =
            yaml::decode(&root).map_err(|error| source.diagnostic(error.at.unwrap_or(root.at), error.message))?;
        let decisions: BTreeMap<&str, &Decision> =
            catalogue.decisions.iter().map(|decision| (decision.id.as_str(), decision)).collect();
        for behaviour in &catalogue.behaviours {
            for id in &behaviour.decisions {
                if !decisions.contains_key(id.as_str()) {
                    let message = format!("{} refers to {id}, which is not among the decisions", behaviour.id);
                    return Err(Diagnostic::of_file(&source.name, message));
                }
            }
        }
        Ok(catalogue)
    }

    /// All behaviours, in the catalogue's order.
    pub fn behaviours(&self) -> &[Behaviour] {
        &self.behaviours
    }

    /// The ids of all behaviours.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.behaviours.iter().map(|behaviour| behaviour.id.as_str())
    }

    /// The behaviour of that id.
    pub fn behaviour(&self, id: &str) -> Option<&Behaviour> {
        self.behaviours.iter().find(|behaviour| behaviour.id == id)
    }

    /// The decision of that id.
    pub fn decision(&self, id: &str) -> Option<&Decision> {
        self.decisions.iter().find(|decision| decision.id == id)
    }
}
