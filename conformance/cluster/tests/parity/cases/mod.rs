//! The cases, by what they are about.

mod controllers;
mod definitions;
mod lists;
mod objects;
mod ownership;
mod patches;
mod pitfalls;
mod representations;
mod scale;
mod watches;

use crate::case::Case;

/// Every case of the suite.
pub(crate) fn all() -> Vec<Case> {
    [
        controllers::cases(),
        definitions::cases(),
        lists::cases(),
        objects::cases(),
        ownership::cases(),
        patches::cases(),
        pitfalls::cases(),
        representations::cases(),
        scale::cases(),
        watches::cases(),
    ]
    .concat()
}
