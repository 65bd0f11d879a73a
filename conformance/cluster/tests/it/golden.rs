//! The answers of a recorded Kubernetes against those of a fresh embedded server with its controllers.
//!
//! [`recording`] reads the transcripts, [`exchange`] sends requests, [`watching`] follows watches, [`pacing`] keeps the
//! controllers as far as the recorded ones were, [`compare`] finds where two answers differ, and [`differences`] judges
//! that against the list of known ones. See `tests/golden/README.md`.

mod compare;
mod definitions;
mod differences;
mod discovery;
mod exchange;
mod pacing;
mod placeholders;
mod recording;
mod replay;
mod watching;

use std::fmt::{self, Write as _};

use embedded_cluster::ApiServer;
use embedded_cluster::controllers::{ControllerOptions, Controllers};

use self::compare::Difference;
use self::definitions::Definitions;
use self::differences::{Known, Verdict};
use self::exchange::Exchange;
use self::pacing::Pacing;
use self::replay::Replay;
use crate::gate::Gate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_as_the_recorded_one() {
    let api = ApiServer::default();
    let served = api.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let options = ControllerOptions { root_ca: Some(served.ca_pem().to_owned()), ..ControllerOptions::default() };
    let gate = Gate::default();
    let controllers = Controllers::start(&gate.client(&api), options);
    let definitions = Definitions::load();
    let known = Known::load(definitions.are_recorded());
    let exchange = Exchange::new(&served, api.admin_token());
    let mut replay = Replay::new(exchange, definitions, Pacing::load(gate));
    replay.set_up(&recording::setup()).await;
    let (mut all, mut report) = (Figure::default(), String::new());
    for topic in recording::topics() {
        let mut figure = Figure::default();
        for (step, outcome) in replay.topic(&topic).await {
            figure.count(outcome.as_deref());
            match outcome.map_or(Verdict::AsListed, |found| known.judge(&step, &found)) {
                Verdict::AsListed => {}
                Verdict::Unlisted(unlisted) => {
                    writeln!(report, "{step}: differs and is not listed").unwrap();
                    for difference in unlisted {
                        writeln!(report, "  {difference}").unwrap();
                    }
                }
                Verdict::Vanished(paths) => {
                    writeln!(report, "{step}: listed, but no longer different: {}", paths.join(", ")).unwrap();
                }
            }
        }
        println!("golden: {}: {figure}", topic.topic);
        all.add(&figure);
    }
    let unknown = [known.unknown_steps(replay.seen()), replay.unknown_paced_steps()].concat();
    if !unknown.is_empty() {
        writeln!(report, "listed, but there is no such step: {}", unknown.join(", ")).unwrap();
    }
    println!("golden: {all}");
    controllers.stop().await;
    served.shutdown().await;
    assert!(report.is_empty(), "{all}\n{report}");
}

/// How many steps are equal.
#[derive(Default)]
struct Figure {
    equal: usize,
    total: usize,
    /// Those of a kind that this repository has no definition of.
    skipped: usize,
}

impl Figure {
    fn count(&mut self, found: Option<&[Difference]>) {
        self.total += usize::from(found.is_some());
        self.equal += usize::from(found.is_some_and(<[_]>::is_empty));
        self.skipped += usize::from(found.is_none());
    }

    fn add(&mut self, other: &Self) {
        self.equal += other.equal;
        self.total += other.total;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{} steps equal", self.equal, self.total)?;
        if self.skipped > 0 {
            write!(formatter, ", {} skipped because this repository has no definition of their kind", self.skipped)?;
        }
        Ok(())
    }
}
