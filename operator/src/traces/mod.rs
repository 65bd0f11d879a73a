//! Traces, for a collector that speaks OTLP over HTTP: a span for every reconciliation, and one for every API call in it.
//!
//! [`settings`] says from the standard `OTEL_*` variables whether and where to. Spans wait in a bounded queue that a thread of its
//! own empties by [`collector`]'s client. What the queue cannot hold is dropped: a collector that is slow or gone
//! costs spans, and never holds a reconciliation.

mod collector;
mod settings;

use std::time::Duration;

use opentelemetry::{InstrumentationScope, KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter, registry::LookupSpan};

use collector::{Collector, TrustError};
use settings::{Settings, SettingsError};

use crate::NAME;

/// How long the last spans may take to reach the collector when the operator ends.
const FLUSH: Duration = Duration::from_secs(2);

/// Why no traces can be exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TracesError {
    /// A variable is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A certificate cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The exporter refuses what it is given.
    #[error("start the exporter")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// The export of traces.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts exporting to the collector that the environment names; `None` when it names none. Requests run on the
    /// runtime that this is called in.
    pub(crate) fn from_environment() -> Result<Option<Self>, TracesError> {
        let variable = |name: &str| std::env::var(name).ok();
        Ok(match Settings::read(&variable)? {
            Some(settings) => Some(Self::start(settings)?),
            None => None,
        })
    }

    fn start(settings: Settings) -> Result<Self, TracesError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(&settings)?)
            .with_endpoint(settings.endpoint)
            .with_headers(settings.headers)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(settings.timeout)
            .build()?;
        let mut resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        if !settings.names_service {
            resource = resource.with_service_name(NAME);
        }
        let mut provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build());
        if let Some(sampler) = settings.sampler {
            provider = provider.with_sampler(sampler);
        }
        Ok(Self { provider: provider.build() })
    }

    /// What takes the operator's spans, whatever the logs tell; other crates' spans, those of the export among them, are left
    /// out.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let scope = InstrumentationScope::builder(NAME).with_version(env!("CARGO_PKG_VERSION")).build();
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer_with_scope(scope))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter::filter_fn(is_exported).with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Exports what is left, for two seconds at most.
    pub(crate) async fn end(self) {
        let shutdown = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH));
        if let Ok(Err(error)) = shutdown.await {
            tracing::warn!(%error, "failed to export the last spans");
        }
    }
}

/// Spans of this crate, and in them what it tells about its work.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    let level = if metadata.is_span() { Level::DEBUG } else { Level::INFO };
    metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME")) && *metadata.level() <= level
}
