//! The whole cluster in one value.
