//! `conformance list`

use conformance::language::Library;

use super::print;

/// Prints ids, profiles and titles.
pub(crate) fn list(library: &Library) -> u8 {
    let width = library.scenarios().iter().map(|scenario| scenario.id.len()).max().unwrap_or(0);
    print(|out| {
        let mut scenarios = library.scenarios().iter();
        scenarios.try_for_each(|scenario| {
            writeln!(out, "{:<width$}  {:<7}  {}", scenario.id, scenario.profile.name(), scenario.title)
        })
    })
}
