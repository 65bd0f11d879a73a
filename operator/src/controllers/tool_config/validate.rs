//! The rules of a selection of tools that its schema does not express.

use std::collections::BTreeMap;

use operator_api::MCPToolConfigSpec;
use vmcp_config::selection_problems;

/// Everything that is wrong with `spec`.
pub(super) fn problems(spec: &MCPToolConfigSpec) -> Vec<String> {
    let none = BTreeMap::new();
    let filter = spec.tools_filter.as_deref().unwrap_or_default();
    let overrides = spec.tools_override.as_ref().unwrap_or(&none);
    let problems = selection_problems(("toolsFilter", filter), ("toolsOverride", overrides));
    problems.iter().map(|problem| format!("{} {problem}", problem.path())).collect()
}
