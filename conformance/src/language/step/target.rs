//! What a step is about, by name.

use serde::Deserialize;

use crate::yaml::Located;

/// `kind/name`, `kind`, or a URL; may hold `${...}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Target(pub Located<String>);

impl Target {
    /// The text as it stands.
    pub fn text(&self) -> &str {
        &self.0.value
    }

    /// Whether it names one object, and not a kind.
    pub fn names_one(&self) -> bool {
        self.text().contains('/')
    }
}
