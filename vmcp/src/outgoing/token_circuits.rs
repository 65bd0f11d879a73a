//! Circuit breakers of token endpoints: one that keeps failing is left alone, whoever asks for tokens.
//!
//! They are apart from those of backends: that no token can be had says nothing about the backend that it is for.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use url::Url;

use crate::circuit::{Circuit, CircuitSettings, Moment};
use crate::egress::{Cause, EgressError, Verdict};

/// The circuits, by token URL. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct TokenCircuits {
    settings: Arc<ArcSwapOption<CircuitSettings>>,
    circuits: Arc<Mutex<HashMap<Url, Circuit>>>,
}

impl TokenCircuits {
    /// From now on circuits have these settings; without any, every request passes.
    pub(super) fn configure(&self, settings: Option<CircuitSettings>) {
        self.settings.store(settings.map(Arc::new));
        let mut circuits = self.lock();
        match settings {
            Some(settings) => circuits.values_mut().for_each(|circuit| circuit.configure(settings)),
            None => circuits.clear(),
        }
    }

    /// Runs a request to the token endpoint at `url`, unless its circuit is open.
    pub(super) async fn guard<T>(
        &self,
        url: &Url,
        request: impl Future<Output = Result<T, EgressError>>,
    ) -> Result<T, EgressError> {
        let Some(settings) = self.settings.load().as_deref().copied() else { return request.await };
        let ticket =
            self.at(url, settings, |circuit| circuit.admit(Moment::now()).map_err(|shut| circuit.left_alone(shut)))?;
        let outcome = request.await;
        let verdict = outcome.as_ref().map_or_else(verdict, |_| Verdict::Answered);
        self.at(url, settings, |circuit| circuit.settle(ticket, verdict, Moment::now()));
        outcome
    }

    /// Forgets the circuits of all other token endpoints.
    pub(super) fn retain(&self, used: &[&Url]) {
        self.lock().retain(|url, _| used.contains(&url));
    }

    fn at<T>(&self, url: &Url, settings: CircuitSettings, act: impl FnOnce(&mut Circuit) -> T) -> T {
        act(self.lock().entry(url.clone()).or_insert_with(|| Circuit::new(settings, 0)))
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<Url, Circuit>> {
        self.circuits.lock()
    }
}

/// What a failed request shows of the token endpoint. A refusal is an answer: it concerns the client or the subject.
fn verdict(error: &EgressError) -> Verdict {
    match error.cause() {
        Cause::Unauthorized => Verdict::Answered,
        Cause::Blocked | Cause::CircuitOpen | Cause::Overloaded => Verdict::Nothing,
        Cause::Timeout | Cause::Tls | Cause::Dns | Cause::Refused | Cause::Protocol => {
            Verdict::Failed(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    fn circuits(settings: CircuitSettings) -> TokenCircuits {
        let circuits = TokenCircuits::default();
        circuits.configure(Some(settings));
        circuits
    }

    async fn ask(circuits: &TokenCircuits, url: &Url, outcome: Result<(), Cause>) -> Result<(), Cause> {
        let outcome = outcome.map_err(|cause| EgressError::new(cause, "why"));
        circuits.guard(url, async { outcome }).await.map_err(|error| error.cause())
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_keeps_failing_is_left_alone_and_others_are_not() {
        let timeout = Duration::from_mins(1);
        let circuits = circuits(CircuitSettings { threshold: 3, timeout });
        let (url, other) = ("https://a.example/token".parse().unwrap(), "https://b.example/token".parse().unwrap());
        for cause in [Cause::Timeout, Cause::Refused, Cause::Unauthorized, Cause::Blocked, Cause::Dns, Cause::Protocol]
        {
            assert_eq!(ask(&circuits, &url, Err(cause)).await, Err(cause));
        }
        assert_eq!(ask(&circuits, &url, Err(Cause::Tls)).await, Err(Cause::Tls), "refusals start the count over");
        assert_eq!(ask(&circuits, &url, Ok(())).await, Err(Cause::CircuitOpen));
        assert_eq!(ask(&circuits, &other, Ok(())).await, Ok(()));
        tokio::time::advance(timeout).await;
        assert_eq!(ask(&circuits, &url, Ok(())).await, Ok(()));
        assert_eq!(ask(&circuits, &url, Ok(())).await, Ok(()));
    }

    #[tokio::test]
    async fn circuits_of_endpoints_that_are_not_configured_any_more_are_forgotten() {
        let circuits = circuits(CircuitSettings { threshold: 1, timeout: Duration::from_hours(1) });
        let url = "https://a.example/token".parse().unwrap();
        let _ = ask(&circuits, &url, Err(Cause::Refused)).await;
        circuits.retain(&[&url]);
        assert_eq!(ask(&circuits, &url, Ok(())).await, Err(Cause::CircuitOpen));
        circuits.retain(&[]);
        assert_eq!(ask(&circuits, &url, Ok(())).await, Ok(()));
    }

    #[tokio::test]
    async fn without_settings_every_request_passes() {
        let (circuits, url) = (TokenCircuits::default(), "https://a.example/token".parse().unwrap());
        for _ in 0..100 {
            assert_eq!(ask(&circuits, &url, Err(Cause::Refused)).await, Err(Cause::Refused));
        }
    }

    #[tokio::test]
    async fn other_settings_count_at_once_and_keep_open_circuits_open() {
        let timeout = Duration::from_hours(1);
        let circuits = circuits(CircuitSettings { threshold: 3, timeout });
        let url = "https://a.example/token".parse().unwrap();
        let _ = ask(&circuits, &url, Err(Cause::Refused)).await;
        circuits.configure(Some(CircuitSettings { threshold: 2, timeout }));
        let _ = ask(&circuits, &url, Err(Cause::Refused)).await;
        assert_eq!(ask(&circuits, &url, Ok(())).await, Err(Cause::CircuitOpen), "the first failure counts too");
        circuits.configure(Some(CircuitSettings { threshold: 9, timeout }));
        assert_eq!(ask(&circuits, &url, Ok(())).await, Err(Cause::CircuitOpen));
        circuits.configure(None);
        assert_eq!(ask(&circuits, &url, Ok(())).await, Ok(()));
    }
}
