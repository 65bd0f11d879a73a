//! `conformance run`

use std::time::Instant;

use conformance::language::Library;
use conformance::play::{PlayOptions, Played, Verdict};
use conformance::report::{Progress, Report, print_summary};
use conformance::suite::{self, Claims, Selection};
use conformance::target::Target;

use super::target::exit_code;
use super::{FAILED, HARNESS, INTERRUPTED, PASSED, RunArguments, WRONG_USAGE};

/// Plays the scenarios and reports.
pub(crate) async fn run(arguments: RunArguments) -> u8 {
    let library = match arguments.library.open() {
        Ok(library) => library,
        Err(code) => return code,
    };
    if let Err(code) = arguments.target.proceed() {
        return code;
    }
    let claims = match arguments.claims.as_deref().map(Claims::read).transpose() {
        Ok(claims) => claims,
        Err(error) => {
            eprintln!("{error}");
            return WRONG_USAGE;
        }
    };
    let selection = Selection { only: arguments.only.clone(), claims };
    let chosen = match suite::select(&library, &selection) {
        Ok(chosen) => chosen,
        Err(error) => {
            eprintln!("{error}");
            return WRONG_USAGE;
        }
    };
    let start = Instant::now();
    let mut played: Vec<Played> = Vec::new();
    let mut to_play = Vec::new();
    for scenario in chosen {
        match suite::left_out(&scenario, &selection) {
            Some(not) => played.push(not),
            None => to_play.push(scenario),
        }
    }
    let progress = Progress::new(to_play.len() + played.len());
    for not in &played {
        progress.ended(not);
    }
    let options = PlayOptions { bundles: Some(arguments.report.clone()), keep: arguments.keep };
    let mut target_name = "embedded";
    if !to_play.is_empty() {
        let target = arguments.target.start(&progress).await;
        let target = match target {
            Ok(target) => target,
            Err(error) => {
                progress.finish();
                eprintln!("{error}");
                return exit_code(&error);
            }
        };
        target_name = target.name();
        let jobs = usize::from(arguments.jobs);
        let outcome = tokio::select! {
            outcome = suite::run(target.as_ref(), &library, &to_play, jobs, &options, |played| progress.ended(played)) => Some(outcome),
            _ = tokio::signal::ctrl_c() => None,
        };
        if let (true, Some(_)) = (arguments.keep, &outcome) {
            stay(target.as_ref(), &progress).await;
        }
        target.end().await;
        let Some(outcome) = outcome else {
            progress.finish();
            eprintln!("interrupted");
            return INTERRUPTED;
        };
        played.extend(outcome);
        played.sort_by(|a, b| a.id.cmp(&b.id));
    }
    progress.finish();
    conclude(&library, target_name, &played, start, &arguments)
}

fn conclude(library: &Library, target: &str, played: &[Played], start: Instant, arguments: &RunArguments) -> u8 {
    let report = Report::new(target, library.catalogue(), played, start.elapsed());
    print_summary(&report, played);
    match report.write(&arguments.report) {
        Ok(path) => println!("report: {}", path.display()),
        Err(error) => {
            eprintln!("{error}");
            return HARNESS;
        }
    }
    let has = |verdict| played.iter().any(|scenario| scenario.verdict == verdict);
    if has(Verdict::Error) {
        HARNESS
    } else if has(Verdict::Failed) {
        FAILED
    } else {
        PASSED
    }
}

/// Keeps the cluster until Ctrl-C.
async fn stay(target: &dyn Target, progress: &Progress) {
    let file = std::env::temp_dir().join(format!("conformance-{}.kubeconfig", std::process::id()));
    match super::up::write_private(&file, &target.kubeconfig()) {
        Ok(()) => progress
            .stage(&format!("the cluster stays until Ctrl-C: kubectl --kubeconfig {} get namespaces", file.display())),
        Err(error) => eprintln!("failed to write {}: {error}", file.display()),
    }
    let _ = tokio::signal::ctrl_c().await;
    let _ = std::fs::remove_file(&file);
}
