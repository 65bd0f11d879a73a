//! Tests alone: see tests/containers.
