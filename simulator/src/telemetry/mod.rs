//! Collectors of telemetry: OTLP over HTTP, in protobuf and in JSON. What they take stands in the journal, decoded.

mod coding;
mod collector;
mod json;
mod protobuf;
mod signal;

pub(crate) use collector::Collector;
