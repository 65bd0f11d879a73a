//! The shape of `report.json`.

use std::time::Duration;

use conformance::catalogue::Catalogue;
use conformance::diagnostic::{Position, Source};
use conformance::play::{Played, Proof, Verdict};
use conformance::report::Report;

const CATALOGUE: &str = "
behaviours:
- {id: A-1, document: d, behaviour: b, verify: v, reference: agrees}
- {id: A-2, document: d, behaviour: b, verify: v, reference: agrees, decisions: [D-01]}
- {id: A-3, document: d, behaviour: b, verify: v, reference: agrees}
decisions:
- {id: D-01, topic: t, documents_say: a, reference_does: b, we_do: c, suite_demands: d}
";

fn played(id: &str, verdict: Verdict, proofs: &[(&str, bool)]) -> Played {
    Played {
        id: id.to_owned(),
        title: format!("Title of {id}"),
        verdict,
        took: Duration::from_millis(1234),
        message: (verdict != Verdict::Passed).then(|| "why".to_owned()),
        proofs: proofs
            .iter()
            .map(|(behaviour, passed)| Proof {
                behaviours: vec![(*behaviour).to_owned()],
                passed: *passed,
                at: Position::default(),
            })
            .collect(),
        bundle: None,
    }
}

#[test]
fn the_report_has_counts_scenarios_and_the_whole_catalogue() {
    let catalogue = Catalogue::read(&Source::new("behaviours.yaml", CATALOGUE)).unwrap();
    let all = [
        played("x/failed", Verdict::Failed, &[("A-1", true), ("A-2", false)]),
        played("x/passed", Verdict::Passed, &[("A-1", true), ("A-2", true)]),
        played("x/skipped", Verdict::Skipped, &[]),
        played("x/error", Verdict::Error, &[]),
        played("x/unsupported", Verdict::Unsupported, &[]),
    ];
    let report = Report::new("embedded", &catalogue, &all, Duration::from_millis(20_500));
    insta::assert_json_snapshot!(report);
}

#[test]
fn the_committed_catalogue_has_every_behaviour_and_decision() {
    let library = conformance::language::Library::embedded().unwrap();
    let catalogue = library.catalogue();
    assert_eq!(catalogue.behaviours().len(), 318);
    assert!(catalogue.decision("D-47").is_some());
}
