//! Logs on standard error: JSON for machines, text for people at a terminal.
//!
//! Every line of a reconciliation carries its span, with the `kind`, `namespace` and `name` of the object. `RUST_LOG` says what is
//! told, such as `info,operator=debug`.

use std::{env, io::IsTerminal};

use anyhow::{Context as _, bail};
use tracing_subscriber::EnvFilter;

/// Where OpenTelemetry programs are told of a collector for their traces.
const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Starts telling; once per process.
pub(crate) fn init() -> anyhow::Result<()> {
    let given = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if given(COLLECTOR).is_some() {
        bail!("export traces: {COLLECTOR} is set, but this release of the operator exports none; unset it");
    }
    let filter = match given("RUST_LOG") {
        Some(filter) => EnvFilter::try_new(&filter)
            .with_context(|| format!("read RUST_LOG: {filter:?} is no filter such as info,operator=debug"))?,
        None => EnvFilter::new("info"),
    };
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.init();
    } else {
        logs.json().flatten_event(true).with_span_list(false).init();
    }
    Ok(())
}
