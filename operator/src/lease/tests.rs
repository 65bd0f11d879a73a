#![allow(clippy::unwrap_used, clippy::panic)]
use std::{cmp::Reverse, collections::BinaryHeap};

use proptest::prelude::*;

use super::*;

fn record(version: &str, holder: Option<&str>) -> Record {
    let duration = Terms::default().duration;
    Record { version: version.to_owned(), holder: holder.map(str::to_owned), duration, transitions: 4 }
}

fn claims(replaces: Option<&str>, transitions: i32, acquires: bool) -> Step {
    Step::Claim(Claim { replaces: replaces.map(str::to_owned), transitions, acquires })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_candidate_takes_what_nobody_holds_and_waits_for_what_another_holds() {
    let start = Instant::now();
    let long = Record { duration: seconds(60), ..record("7", Some("b")) };
    let table = [
        ("no Lease", vec![(None, 0)], 0, claims(None, 0, true)),
        ("released", vec![(Some(record("7", None)), 0)], 0, claims(Some("7"), 5, true)),
        ("its own, of a life before", vec![(Some(record("7", Some("a"))), 0)], 0, claims(Some("7"), 4, true)),
        ("another's, just seen", vec![(Some(record("7", Some("b"))), 0)], 14, Step::Wait),
        ("another's, over", vec![(Some(record("7", Some("b"))), 0)], 15, claims(Some("7"), 5, true)),
        (
            "another's, seen again unchanged",
            vec![(Some(record("7", Some("b"))), 0), (Some(record("7", Some("b"))), 14)],
            15,
            claims(Some("7"), 5, true),
        ),
        (
            "another's, renewed meanwhile",
            vec![(Some(record("7", Some("b"))), 0), (Some(record("8", Some("b"))), 14)],
            28,
            Step::Wait,
        ),
        ("another's, that asks for longer", vec![(Some(long.clone()), 0)], 59, Step::Wait),
        ("another's, that asked for longer", vec![(Some(long), 0)], 60, claims(Some("7"), 5, true)),
        ("another's, deleted", vec![(Some(record("7", Some("b"))), 0), (None, 1)], 14, Step::Wait),
        ("another's, deleted and over", vec![(Some(record("7", Some("b"))), 0), (None, 1)], 15, claims(None, 0, true)),
    ];
    for (case, answers, now, expected) in table {
        let mut candidate = Candidate::new("a", Terms::default());
        assert_eq!(candidate.next(start), Step::Wait, "it has not looked yet");
        for (answer, at) in answers {
            candidate.observe(answer, start + seconds(at));
        }
        assert_eq!(candidate.next(start + seconds(now)), expected, "{case}");
        assert!(!candidate.leads(start + seconds(now)), "{case}");
    }
}

#[test]
fn a_leader_renews_until_it_loses_the_lease() {
    let start = Instant::now();
    let table = [
        ("renewed", None, 9, claims(Some("7"), 4, false)),
        ("not renewed", None, 10, Step::Lost(Loss::NotRenewed(seconds(10)))),
        ("edited by somebody", Some(Some(record("8", Some("a")))), 9, claims(Some("8"), 4, false)),
        ("taken", Some(Some(record("8", Some("b")))), 9, Step::Lost(Loss::Taken("b".to_owned()))),
        ("cleared", Some(Some(record("8", None))), 9, Step::Lost(Loss::Released)),
        ("deleted", Some(None), 9, Step::Lost(Loss::Deleted)),
    ];
    for (case, answer, now, expected) in table {
        let mut candidate = Candidate::new("a", Terms::default());
        candidate.claimed(record("7", Some("a")), start, start + seconds(1));
        if let Some(answer) = answer {
            candidate.observe(answer, start + seconds(2));
        }
        assert_eq!(candidate.next(start + seconds(now)), expected, "{case}");
    }
}

#[test]
fn a_claim_counts_from_when_it_was_asked_for() {
    let start = Instant::now();
    let mut candidate = Candidate::new("a", Terms::default());
    candidate.claimed(record("7", Some("a")), start, start + seconds(9));
    assert_eq!(candidate.deadline(), Some(start + seconds(10)));

    let mut late = Candidate::new("a", Terms::default());
    late.claimed(record("7", Some("a")), start, start + seconds(10));
    assert!(!late.leads(start + seconds(10)), "others may have waited long enough");
    assert_eq!(late.next(start + seconds(10)), claims(Some("7"), 4, true));
}

/// How a request fares: milliseconds until it arrives and until its answer is back, and which of the two is lost.
#[derive(Debug, Clone)]
struct Journey {
    there: u64,
    back: u64,
    lost: Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    Nothing,
    Request,
    Answer,
}

/// A replica: how fast its clock runs (1000 is true), and when it ends, releasing the Lease or not.
#[derive(Debug, Clone)]
struct Replica {
    rate: u64,
    starts: u64,
    ends: u64,
    releases: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Request {
    Read,
    Claim { replaces: Option<String>, transitions: i32 },
    Release { replaces: String },
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Act,
    Arrives(u64, Request),
    Answered(u64, Request),
    TimedOut(u64),
    Ends,
}

/// An API server and replicas in a time of milliseconds.
struct Model {
    lease: Option<(u64, Option<String>, i32)>,
    versions: u64,
    start: Instant,
    replicas: Vec<Replica>,
    candidates: Vec<Option<Candidate>>,
    /// The number of the request that each waits for, and what it was.
    waiting: Vec<Option<(u64, Instant)>>,
    answers: Vec<(u64, Result<Option<Record>, ()>)>,
    events: BinaryHeap<Reverse<(u64, u64, usize, Event)>>,
    journeys: Vec<Journey>,
    sent: u64,
    sequence: u64,
    /// How many times somebody began to lead.
    reigns: u64,
}

impl Model {
    fn new(replicas: Vec<Replica>, journeys: Vec<Journey>) -> Self {
        let mut model = Self {
            lease: None,
            versions: 0,
            start: Instant::now(),
            candidates: (0..replicas.len()).map(|n| Some(Candidate::new(format!("r{n}"), Terms::default()))).collect(),
            waiting: vec![None; replicas.len()],
            answers: Vec::new(),
            events: BinaryHeap::new(),
            journeys,
            sent: 0,
            sequence: 0,
            reigns: 0,
            replicas,
        };
        for n in 0..model.replicas.len() {
            let (starts, ends) = (model.replicas[n].starts, model.replicas[n].ends);
            model.push(starts, n, Event::Act);
            model.push(ends, n, Event::Ends);
        }
        model
    }

    fn push(&mut self, at: u64, replica: usize, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, replica, event)));
    }

    /// What the clock of `replica` shows at `at`.
    fn clock(&self, replica: usize, at: u64) -> Instant {
        self.start + Duration::from_millis(at * self.replicas[replica].rate / 1000)
    }

    /// The true time that `duration` takes by the clock of `replica`.
    fn lasts(&self, replica: usize, duration: Duration) -> u64 {
        u64::try_from(duration.as_millis()).unwrap() * 1000 / self.replicas[replica].rate
    }

    fn record(&self) -> Option<Record> {
        let (version, holder, transitions) = self.lease.clone()?;
        Some(Record { version: version.to_string(), holder, duration: Terms::default().duration, transitions })
    }

    fn send(&mut self, at: u64, replica: usize, request: Request) {
        let number = self.sent;
        self.sent += 1;
        let journey = self.journeys[usize::try_from(number).unwrap() % self.journeys.len()].clone();
        self.waiting[replica] = Some((number, self.clock(replica, at)));
        let limit = self.lasts(replica, Terms::default().renew_deadline / 3);
        self.push(at + limit, replica, Event::TimedOut(number));
        if journey.lost != Lost::Request {
            self.push(at + journey.there, replica, Event::Arrives(number, request.clone()));
            if journey.lost != Lost::Answer {
                self.push(at + journey.there + journey.back, replica, Event::Answered(number, request));
            }
        }
    }

    fn serve(&mut self, replica: usize, request: Request) -> Result<Option<Record>, ()> {
        let version = self.lease.as_ref().map(|(version, ..)| version.to_string());
        let (replaces, holder, transitions) = match request {
            Request::Read => return Ok(self.record()),
            Request::Claim { replaces, transitions } => (replaces, Some(format!("r{replica}")), transitions),
            Request::Release { replaces } => (Some(replaces), None, 0),
        };
        if version != replaces {
            return Err(());
        }
        self.versions += 1;
        self.lease = Some((self.versions, holder, transitions));
        Ok(self.record())
    }

    fn step(&mut self, at: u64, replica: usize, event: Event) {
        let now = self.clock(replica, at);
        match event {
            Event::Arrives(number, request) => {
                let answer = self.serve(replica, request);
                self.answers.push((number, answer));
            }
            Event::Ends => {
                let Some(candidate) = self.candidates[replica].take() else { return };
                if let (true, Some((record, _))) = (self.replicas[replica].releases, candidate.seen)
                    && record.holder.as_deref() == Some(&*candidate.identity)
                {
                    self.send(at, replica, Request::Release { replaces: record.version });
                }
            }
            Event::Act => self.act(at, replica),
            Event::TimedOut(number) => {
                if self.waiting[replica].is_some_and(|(waiting, _)| waiting == number) {
                    self.waiting[replica] = None;
                    self.act(at, replica);
                }
            }
            Event::Answered(number, request) => {
                let Some((_, asked)) = self.waiting[replica].take_if(|(waiting, _)| *waiting == number) else { return };
                let place = self.answers.iter().position(|(answered, _)| *answered == number).unwrap();
                let (_, answer) = self.answers.swap_remove(place);
                let Some(candidate) = &mut self.candidates[replica] else { return };
                match (request, answer) {
                    (Request::Read, Ok(record)) => {
                        candidate.observe(record, now);
                        if let (Step::Claim(claim), None) = (candidate.next(now), candidate.deadline()) {
                            let (replaces, transitions) = (claim.replaces, claim.transitions);
                            return self.send(at, replica, Request::Claim { replaces, transitions });
                        }
                    }
                    (_, Ok(record)) => {
                        let led = candidate.leads(now);
                        candidate.claimed(record.unwrap(), asked, now);
                        self.reigns += u64::from(!led && candidate.leads(now));
                    }
                    (_, Err(())) => return self.send(at, replica, Request::Read),
                }
                let retry = self.lasts(replica, Terms::default().retry);
                self.push(at + retry, replica, Event::Act);
            }
        }
    }

    fn act(&mut self, at: u64, replica: usize) {
        let now = self.clock(replica, at);
        let Some(candidate) = &self.candidates[replica] else { return };
        let leading = candidate.deadline().is_some();
        match candidate.next(now) {
            Step::Lost(_) => self.candidates[replica] = None,
            Step::Claim(Claim { replaces, transitions, .. }) if leading => {
                self.send(at, replica, Request::Claim { replaces, transitions });
            }
            _ => self.send(at, replica, Request::Read),
        }
    }

    /// Runs for `end` milliseconds; fails when two lead at once.
    fn run(&mut self, end: u64) -> Result<(), TestCaseError> {
        while let Some(Reverse((at, _, replica, event))) = self.events.pop() {
            if at > end {
                break;
            }
            self.step(at, replica, event);
            let leads = |n: &usize| self.candidates[*n].as_ref().is_some_and(|c| c.leads(self.clock(*n, at)));
            let leaders: Vec<_> = (0..self.candidates.len()).filter(leads).collect();
            prop_assert!(leaders.len() < 2, "at {at} ms {leaders:?} lead");
        }
        Ok(())
    }
}

fn journeys() -> impl Strategy<Value = Vec<Journey>> {
    let time = || prop_oneof![4 => 0_u64..50, 2 => 50_u64..4_000, 1 => 4_000_u64..30_000];
    let lost = prop_oneof![6 => Just(Lost::Nothing), 1 => Just(Lost::Request), 1 => Just(Lost::Answer)];
    let journey = (time(), time(), lost).prop_map(|(there, back, lost)| Journey { there, back, lost });
    proptest::collection::vec(journey, 1..120)
}

fn replicas() -> impl Strategy<Value = Vec<Replica>> {
    let replica = (900_u64..1100, 0_u64..40_000, 0_u64..400_000, any::<bool>())
        .prop_map(|(rate, starts, lives, releases)| Replica { rate, starts, ends: starts + lives, releases });
    proptest::collection::vec(replica, 2..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn two_replicas_never_lead_at_once(replicas in replicas(), journeys in journeys()) {
        Model::new(replicas, journeys).run(400_000)?;
    }
}

#[test]
fn when_a_leader_dies_the_other_leads() {
    let prompt = Journey { there: 5, back: 5, lost: Lost::Nothing };
    for releases in [false, true] {
        let mortal = Replica { rate: 1000, starts: 0, ends: 60_000, releases };
        let heir = Replica { rate: 1000, starts: 1, ends: 600_000, releases: false };
        let mut model = Model::new(vec![mortal, heir], vec![prompt.clone()]);
        model.run(59_000).unwrap();
        assert_eq!((model.reigns, model.candidates[0].as_ref().unwrap().deadline().is_some()), (1, true));
        let limit = if releases { 63_000 } else { 78_000 };
        model.run(limit).unwrap();
        assert_eq!(model.reigns, 2, "released: {releases}");
    }
}
