//! `conformance list`

use conformance::language::Library;

use super::PASSED;

/// Prints ids, profiles and titles.
pub(crate) fn list(library: &Library) -> u8 {
    let width = library.scenarios().iter().map(|scenario| scenario.id.len()).max().unwrap_or(0);
    for scenario in library.scenarios() {
        println!("{:<width$}  {:<7}  {}", scenario.id, scenario.profile.name(), scenario.title);
    }
    PASSED
}
