//! The patch formats: JSON patch, JSON merge patch and strategic merge patch.

pub(crate) mod json;
pub(crate) mod merge;
pub(crate) mod strategic;
