//! What a run showed: for machines (`report.json`) and for people (the terminal).

mod json;
mod terminal;

pub use json::{BehaviourVerdict, Behaviours, CatalogueEntry, Report, ReportError, ScenarioEntry, Summary};
pub use terminal::{Progress, print_summary};
