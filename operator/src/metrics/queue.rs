//! The state of the queue, read when Prometheus asks.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::runtime::worker::Work;

/// Tells how much waits in a queue, and for how long.
#[derive(Debug)]
pub(super) struct QueueState(pub(super) Work);

impl Collector for QueueState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let state = self.0.state();
        let mut depth =
            encoder.encode_descriptor("queue_depth", "Objects in the queue, by state", None, MetricType::Gauge)?;
        for (name, count) in [("ready", state.ready), ("running", state.running), ("delayed", state.delayed)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            ConstGauge::new(count).encode(depth.encode_family(&[("state", name)])?)?;
        }
        let oldest = encoder.encode_descriptor(
            "queue_oldest_seconds",
            "How long the object that waits longest has been ready",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(state.oldest.as_secs_f64()).encode(oldest)
    }
}
