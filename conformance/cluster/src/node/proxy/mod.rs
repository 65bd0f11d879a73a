//! The Service proxy.
