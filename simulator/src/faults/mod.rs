//! Faults at work: which of them act on a request, and what they do to it.

mod body;
mod messages;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Response, StatusCode};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tokio::sync::Barrier;

pub(crate) use messages::Edits;

use crate::clock::Clock;
use crate::wire::{Body, Connection, Dropped, Received, page};
use crate::world::{Delay, Fault, Misbehaviour, Page, Requests};

/// The faults of one site.
#[derive(Default)]
pub(crate) struct Faults(Vec<Arc<LiveFault>>);

struct LiveFault {
    fault: Fault,
    /// Where chance begins.
    seed: u64,
    /// How many requests have matched.
    seen: AtomicU32,
    barrier: Option<Barrier>,
}

impl Faults {
    /// The faults of a site for which chance begins at `seed`, at another number for each fault.
    pub(crate) fn new(faults: Vec<Fault>, seed: u64) -> Self {
        let live = |(index, fault)| Arc::new(LiveFault::new(fault, seed.wrapping_add(index << 32)));
        Self((0_u64..).zip(faults).map(live).collect())
    }

    /// The faults that act on `received`, which counts as seen.
    pub(crate) fn acting_on(&self, received: &Received) -> Acting {
        if self.0.is_empty() {
            return Acting::default();
        }
        let message = serde_json::from_slice(&received.body).unwrap_or(Value::Null);
        let acts = self.0.iter().filter_map(|fault| fault.act(received, &message)).collect();
        let subscription = (message["method"] == "subscriptions/listen").then(|| message["id"].clone());
        Acting { acts, subscription }
    }
}

impl LiveFault {
    fn new(fault: Fault, seed: u64) -> Self {
        let seed = match &fault.does {
            Misbehaviour::Latency(Delay::Between { seed: Some(own), .. }) => *own,
            _ => seed,
        };
        let barrier = match &fault.does {
            Misbehaviour::Barrier(size) => Some(Barrier::new(size.get())),
            _ => None,
        };
        Self { fault, seed, seen: AtomicU32::new(0), barrier }
    }

    fn act(self: &Arc<Self>, received: &Received, message: &Value) -> Option<Act> {
        if !is_meant(&self.fault.on, received, message) {
            return None;
        }
        let count = self.seen.fetch_add(1, Ordering::Relaxed).checked_sub(self.fault.skip)?;
        if self.fault.times.is_some_and(|times| count >= times.get()) {
            return None;
        }
        Some(Act { fault: Arc::clone(self), count })
    }
}

fn is_meant(on: &Requests, received: &Received, message: &Value) -> bool {
    let holds =
        |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
    holds(&on.http, Some(received.method.as_str()))
        && holds(&on.path, Some(&received.path))
        && holds(&on.method, message["method"].as_str())
        && holds(&on.tool, message["params"]["name"].as_str())
}

/// The faults that act on one request.
#[derive(Default)]
pub(crate) struct Acting {
    acts: Vec<Act>,
    /// The subscription that the request opens, by its id.
    subscription: Option<Value>,
}

struct Act {
    fault: Arc<LiveFault>,
    /// On how many requests it has acted before.
    count: u32,
}

impl Acting {
    fn all(&self) -> impl Iterator<Item = &Misbehaviour> {
        self.acts.iter().map(|act| &act.fault.fault.does)
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.all().map(|does| does.name().to_owned()).collect()
    }

    /// What they do to the messages of the answer.
    pub(crate) fn edits(&self) -> Edits {
        Edits::of(self.all())
    }

    /// The answer that stands for the server's own.
    pub(crate) fn instead(&self) -> Option<Response<Body>> {
        self.all().find_map(|does| match does {
            Misbehaviour::Respond(page) => Some(written(page)),
            _ => None,
        })
    }

    /// Whether the server's sessions are to be forgotten first.
    pub(crate) fn forget_sessions(&self) -> bool {
        self.all().any(|does| matches!(does, Misbehaviour::ForgetSessions))
    }

    /// Whether there will be no answer at all.
    pub(crate) fn leaves_unanswered(&self) -> bool {
        self.all().any(|does| {
            matches!(does, Misbehaviour::Hang | Misbehaviour::Reset | Misbehaviour::Close | Misbehaviour::HalfClose)
        })
    }

    /// What becomes of `response` on its way to the client, after all that they make it wait for.
    pub(crate) async fn deliver(
        &self,
        response: Option<Response<Body>>,
        connection: &Connection,
        clock: &Clock,
    ) -> Result<Response<Body>, Dropped> {
        for act in &self.acts {
            match &act.fault.fault.does {
                Misbehaviour::Latency(delay) => clock.sleep(length(*delay, act.fault.seed, act.count)).await,
                Misbehaviour::Barrier(_) => {
                    if let Some(barrier) = &act.fault.barrier {
                        barrier.wait().await;
                    }
                }
                Misbehaviour::Hang => std::future::pending::<()>().await,
                Misbehaviour::Reset => {
                    connection.reset();
                    return Err(Dropped);
                }
                Misbehaviour::Close => {
                    connection.close();
                    return Err(Dropped);
                }
                Misbehaviour::HalfClose => {
                    connection.end_writing();
                    std::future::pending::<()>().await;
                }
                _ => {}
            }
        }
        let mut response = response.ok_or(Dropped)?;
        for does in self.all() {
            response = match does {
                Misbehaviour::Headers(headers) => {
                    for (name, value) in headers {
                        set_header(&mut response, name, value.as_deref());
                    }
                    response
                }
                _ => body::changed(response, does, self.subscription.as_ref(), clock),
            };
        }
        Ok(response)
    }
}

/// The delay of the request before which a fault has acted on `count` others.
fn length(delay: Delay, seed: u64, count: u32) -> Duration {
    match delay {
        Delay::Fixed(length) => length,
        Delay::Between { from, to, .. } => {
            let mut chance = StdRng::seed_from_u64(seed.wrapping_add(u64::from(count)));
            chance.random_range(from..=to)
        }
    }
}

fn written(of: &Page) -> Response<Body> {
    let mut response = page(StatusCode::from_u16(of.status).unwrap_or_default(), of.body.clone());
    for (name, value) in &of.headers {
        set_header(&mut response, name, Some(value));
    }
    response
}

/// Names and values were judged when the fault was.
fn set_header(response: &mut Response<Body>, name: &str, value: Option<&str>) {
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return };
    match value.map(HeaderValue::from_str) {
        Some(Ok(value)) => {
            response.headers_mut().insert(name, value);
        }
        _ => {
            response.headers_mut().remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn chance_is_the_same_each_time_and_stays_within_its_range() {
        let (from, to) = (Duration::from_millis(10), Duration::from_millis(90));
        let between = Delay::Between { from, to, seed: None };
        let times = |seed| (0..50).map(|count| length(between, seed, count)).collect::<Vec<_>>();
        assert_eq!(times(1), times(1));
        assert_ne!(times(1), times(99));
        assert!(times(1).iter().all(|time| (from..=to).contains(time)));
    }
}
