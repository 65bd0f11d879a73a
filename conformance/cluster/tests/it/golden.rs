//! The answers of a recorded Kubernetes against those of a fresh embedded server with its controllers.
//!
//! [`recording`] reads the transcripts, [`exchange`] sends requests, [`watching`] follows watches, [`compare`] finds where
//! two answers differ, and [`differences`] judges that against the list of known ones. See `tests/golden/README.md`.

mod compare;
mod definitions;
mod differences;
mod discovery;
mod exchange;
mod placeholders;
mod recording;
mod replay;
mod watching;

use std::fmt::Write as _;

use embedded_cluster::ApiServer;
use embedded_cluster::controllers::{ControllerOptions, Controllers};

use self::definitions::Definitions;
use self::differences::{Known, Verdict};
use self::exchange::Exchange;
use self::replay::Replay;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_as_the_recorded_one() {
    let api = ApiServer::default();
    let served = api.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let options = ControllerOptions { root_ca: Some(served.ca_pem().to_owned()) };
    let controllers = Controllers::start(&api.client("default"), options);
    let definitions = Definitions::load();
    let known = Known::load(definitions.are_recorded());
    let exchange = Exchange::new(&served, api.admin_token());
    let mut replay = Replay::new(exchange, definitions);
    replay.set_up(&recording::setup()).await;
    let (mut equal, mut total, mut skipped, mut report) = (0, 0, 0, String::new());
    for topic in recording::topics() {
        for (step, outcome) in replay.topic(&topic).await {
            let Some(found) = outcome else {
                skipped += 1;
                continue;
            };
            total += 1;
            equal += usize::from(found.is_empty());
            match known.judge(&step, &found) {
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
    }
    let unknown = known.unknown_steps(replay.seen());
    if !unknown.is_empty() {
        writeln!(report, "listed, but there is no such step: {}", unknown.join(", ")).unwrap();
    }
    println!(
        "golden: {equal}/{total} steps equal, {skipped} skipped because this repository has no definition of their kind"
    );
    controllers.stop().await;
    served.shutdown().await;
    assert!(report.is_empty(), "{equal}/{total} steps equal\n{report}");
}
