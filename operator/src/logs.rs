//! What the operator tells: logs on standard error, and traces to a collector when there is one.
//!
//! Logs are JSON for machines and text for people at a terminal. Every line of a reconciliation carries its span, with the
//! `kind`, `namespace` and `name` of the object. `RUST_LOG` says what is logged, such as `info,operator=debug`; traces do not
//! depend on it.

use std::{env, io::IsTerminal};

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::traces::Traces;

/// Starts telling; once per process, in its runtime. The traces are the caller's to end.
pub(crate) fn init() -> anyhow::Result<Option<Traces>> {
    let filter = match env::var("RUST_LOG").ok().filter(|value| !value.is_empty()) {
        Some(filter) => EnvFilter::try_new(&filter)
            .with_context(|| format!("read RUST_LOG: {filter:?} is no filter such as info,operator=debug"))?,
        None => EnvFilter::new("info"),
    };
    let traces = Traces::from_environment().context("export traces")?;
    let logs = fmt::layer().with_writer(std::io::stderr);
    let logs = if std::io::stderr().is_terminal() {
        logs.boxed()
    } else {
        logs.json().flatten_event(true).with_span_list(false).boxed()
    };
    tracing_subscriber::registry().with(logs.with_filter(filter)).with(traces.as_ref().map(Traces::layer)).init();
    Ok(traces)
}
