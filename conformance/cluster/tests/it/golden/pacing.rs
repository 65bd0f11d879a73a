//! Keeps the controllers as far as the recorded ones had come.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::compare::{Difference, compare};
use super::exchange::Exchange;
use super::placeholders::Uids;
use super::recording::{self, Request, Step};
use super::watching;
use crate::gate::{Gate, Requests};

/// How long controllers may take until they have come as far, on a machine that is busy with other things.
pub(super) const SETTLING: Duration = Duration::from_secs(30);

/// What the file says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    holds: Vec<Hold>,
    waits: Vec<Wait>,
}

/// Requests of controllers that the recorded ones had not sent yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hold {
    requests: Requests,
    /// `TOPIC/STEP`: held from the moment that it is sent.
    from: String,
    /// `TOPIC/STEP`: held until it is answered.
    until: String,
    /// How the recording shows it.
    why: String,
}

/// What the recorded controllers had written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// `TOPIC/STEP`: sent when it is so.
    before: String,
    /// The path of the object.
    object: String,
    /// Which of its parts are those of the step's answer; by default it need only be there.
    #[serde(default)]
    recorded: Vec<String>,
    /// What had happened.
    why: String,
}

/// The pace of the controllers.
pub(super) struct Pacing {
    script: Script,
    gate: Gate,
}

impl Pacing {
    /// Reads the script, for controllers whose client goes through the gate.
    pub(super) fn load(gate: Gate) -> Self {
        let text = std::fs::read_to_string(recording::folder().join("pacing.yaml")).unwrap();
        let script: Script = serde_saphyr::from_str(&text).unwrap();
        let reasons = script.holds.iter().map(|hold| &hold.why).chain(script.waits.iter().map(|wait| &wait.why));
        assert!(reasons.into_iter().all(|why| !why.is_empty()), "pacing.yaml: a reason is missing");
        Self { script, gate }
    }

    /// The steps of the script that were not among those replayed.
    pub(super) fn unknown_steps<'a>(&'a self, replayed: &BTreeSet<String>) -> Vec<&'a str> {
        let held = self.script.holds.iter().flat_map(|hold| [&hold.from, &hold.until]);
        let awaited = self.script.waits.iter().map(|wait| &wait.before);
        held.chain(awaited).map(String::as_str).filter(|step| !replayed.contains(*step)).collect()
    }

    /// Brings the controllers as far as they were when the step was recorded; what they fail to come to.
    pub(super) async fn before(&self, name: &str, step: &Step, exchange: &Exchange, uids: &Uids) -> Vec<Difference> {
        for hold in self.script.holds.iter().filter(|hold| hold.from == name) {
            self.gate.hold(hold.requests.clone());
        }
        let mut missing = Vec::new();
        for wait in self.script.waits.iter().filter(|wait| wait.before == name) {
            missing.extend(wait.until_recorded(step, exchange, uids).await);
        }
        missing
    }

    /// Lets the controllers go on after a step; which of the script's holds were for nothing.
    pub(super) async fn after(&self, name: &str) -> Vec<Difference> {
        let mut idle = Vec::new();
        for hold in self.script.holds.iter().filter(|hold| hold.until == name) {
            if tokio::time::timeout(SETTLING, self.gate.has_held(&hold.requests)).await.is_err() {
                let requests = format!("{} {}", hold.requests.method, hold.requests.path);
                idle.push(Difference::new("pacing", &requests, &"no such request of a controller"));
            }
            self.gate.release(&hold.requests);
        }
        idle
    }
}

impl Wait {
    async fn until_recorded(&self, step: &Step, exchange: &Exchange, uids: &Uids) -> Vec<Difference> {
        let recorded = step.response.body.clone().unwrap_or_default();
        let (collection, object) = self.object.rsplit_once('/').unwrap();
        let mut missing = vec![Difference::new("pacing", &self.object, &"no such object")];
        let watched = async {
            let watch = Request::get(format!("{collection}?watch=1&fieldSelector=metadata.name={object}"));
            let mut events = watching::Events::new(exchange.open(&watch).await.into_body());
            while let Some(event) = events.next().await {
                missing.clear();
                for part in &self.recorded {
                    let (recorded, live) = (at(&recorded, part), at(&event["object"], part));
                    compare(recorded, live, &format!("pacing.{part}"), &mut uids.clone(), &mut missing);
                }
                if missing.is_empty() {
                    return;
                }
            }
        };
        // The caller tells what is still missing after that time.
        let _ = tokio::time::timeout(SETTLING, watched).await;
        missing
    }
}

/// A part of an object, by the names of fields.
fn at<'a>(object: &'a Value, part: &str) -> &'a Value {
    part.split('.').fold(object, |value, field| &value[field])
}
