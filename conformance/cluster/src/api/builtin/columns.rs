//! The table columns of built-in kinds.

use super::Builtin;
use crate::api::table::Column;

/// The columns of a kind; a kind without its own shows name and age.
pub(crate) fn of(builtin: &Builtin) -> Vec<Column> {
    let _ = builtin;
    vec![Column::name(), Column::age()]
}
