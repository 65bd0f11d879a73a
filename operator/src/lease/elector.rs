//! Reads and writes the Lease for a candidate.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::candidate::{Candidate, Claim, Loss, Record, Step, Terms};

/// How long giving up the Lease may take, when the program ends.
const RELEASE: Duration = Duration::from_millis(500);

/// A leader leads no more.
#[derive(Debug, thiserror::Error)]
#[error("the Lease {lease} was lost: {loss}; another replica takes over, and this one ends")]
pub struct Lost {
    lease: String,
    loss: Loss,
}

/// Why the Lease could not be read or written.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
}

impl LeaseError {
    /// Whether the API server answered that the Lease is not as the candidate last saw it.
    fn is_outdated(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(status)) if matches!(status.code, 404 | 409))
    }
}

/// A candidate with a client.
pub struct Elector {
    api: Api<Lease>,
    namespace: String,
    name: String,
    candidate: Candidate,
    /// Whether the last request failed: an outage is told once.
    failing: bool,
}

impl Elector {
    /// Stands for election as `identity` by the Lease `name` in `namespace`.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, terms: Terms) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            candidate: Candidate::new(identity, terms),
            failing: false,
        }
    }

    /// Waits until this replica leads.
    pub async fn acquire(&mut self) {
        loop {
            self.look().await;
            if let Step::Claim(claim) = self.candidate.next(Instant::now()) {
                self.claim(&claim).await;
            }
            if self.candidate.leads(Instant::now()) {
                return;
            }
            sleep(self.candidate.terms().retry).await;
        }
    }

    /// Renews the Lease for as long as that succeeds; returns in time for this replica to end before another leads.
    pub async fn keep(&mut self) -> Lost {
        loop {
            let now = Instant::now();
            let deadline = self.candidate.deadline().unwrap_or(now);
            sleep_until(deadline.min(now + self.candidate.terms().retry)).await;
            match self.candidate.next(Instant::now()) {
                Step::Lost(loss) => return self.lost(loss),
                Step::Wait => {}
                Step::Claim(claim) => {
                    // An attempt that takes longer ends with the deadline.
                    let renewal = async {
                        if !self.claim(&claim).await {
                            self.look().await;
                        }
                    };
                    drop(tokio::time::timeout_at(deadline, renewal).await);
                    if let Step::Lost(loss) = self.candidate.next(Instant::now()) {
                        return self.lost(loss);
                    }
                }
            }
        }
    }

    /// Gives up the Lease, so that another replica need not wait until it is over. Only when the work has ended.
    pub async fn release(&mut self) {
        if self.candidate.deadline().is_none() {
            return;
        }
        let result = timeout(RELEASE, async {
            // The last renewal may have been cut off: what it left is read first.
            let Some(record) = self.api.get_opt(&self.name).await?.as_ref().map(record) else { return Ok(()) };
            if record.holder.as_deref() != Some(self.candidate.identity()) {
                return Ok(());
            }
            let patch = json!({
                "metadata": {"resourceVersion": record.version},
                "spec": {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now()},
            });
            self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
        });
        match result.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(lease = self.key(), %error, "failed to release the Lease"),
            Err(_) => tracing::warn!(lease = self.key(), "the Lease was not released in time: it runs out"),
        }
    }

    /// Reads the Lease.
    async fn look(&mut self) {
        let read = self.bounded(self.api.get_opt(&self.name)).await;
        match read {
            Ok(lease) => {
                self.candidate.observe(lease.as_ref().map(record), Instant::now());
                self.failing = false;
            }
            Err(error) => self.failed("read", &error),
        }
    }

    /// Writes the Lease; returns whether the candidate still knows how it is.
    async fn claim(&mut self, claim: &Claim) -> bool {
        let asked = Instant::now();
        match self.bounded(self.write(claim)).await {
            Ok(lease) => {
                self.candidate.claimed(record(&lease), asked, Instant::now());
                self.failing = false;
                true
            }
            Err(error) if error.is_outdated() => false,
            Err(error) => {
                self.failed("write", &error);
                true
            }
        }
    }

    async fn write(&self, claim: &Claim) -> kube::Result<Lease> {
        let mut spec = json!({
            "holderIdentity": self.candidate.identity(),
            "leaseDurationSeconds": self.candidate.terms().duration.as_secs(),
            "leaseTransitions": claim.transitions,
            "renewTime": now(),
        });
        if claim.acquires {
            spec["acquireTime"] = spec["renewTime"].clone();
        }
        if let Some(version) = &claim.replaces {
            let patch = json!({"metadata": {"resourceVersion": version}, "spec": spec});
            return self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await;
        }
        let lease = json!({"metadata": {"name": self.name, "namespace": self.namespace}, "spec": spec});
        let lease = serde_json::from_value(lease).map_err(kube::Error::SerdeError)?;
        self.api.create(&PostParams::default(), &lease).await
    }

    /// A request that leaves time for another attempt before the deadline.
    async fn bounded<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, LeaseError> {
        let limit = self.candidate.terms().renew_deadline / 3;
        Ok(timeout(limit, request).await.map_err(|_| LeaseError::NoAnswer(limit))??)
    }

    fn failed(&mut self, what: &str, error: &LeaseError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(lease = self.key(), %error, "failed to {what} the Lease; will try again");
        }
    }

    fn lost(&self, loss: Loss) -> Lost {
        Lost { lease: self.key(), loss }
    }

    fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// What an election looks at in a Lease.
fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Record {
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: Duration::from_secs(seconds.unwrap_or_default()),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}

fn now() -> Value {
    json!(MicroTime(Timestamp::now()))
}
