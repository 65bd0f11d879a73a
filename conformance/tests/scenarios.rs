//! Every scenario is a test, and so is the proof that the complete example can fail.
//!
//! All tests share one cluster, as scenarios of a run do; it starts with the first test and ends after the last.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock, RwLock};

use conformance::language::{Isolation, Library, Scenario};
use conformance::play::{PlayOptions, Played, Verdict, play};
use conformance::target::{Embedded, EmbeddedOptions, Programs};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

/// Scenarios wait more than they compute.
const AT_ONCE: usize = 8;

/// The cluster that all tests share.
struct Shared {
    runtime: Runtime,
    target: OnceLock<Result<Embedded, String>>,
    /// Held for writing by a scenario that needs the cluster for itself.
    turn: RwLock<()>,
}

impl Shared {
    fn target(&self) -> Result<&Embedded, Failed> {
        let started = self.target.get_or_init(|| {
            let programs = Programs::find().map_err(|error| error.to_string())?;
            self.runtime.block_on(Embedded::start(EmbeddedOptions { programs })).map_err(|error| error.to_string())
        });
        started.as_ref().map_err(|error| Failed::from(error.clone()))
    }

    fn play(&self, library: &Library, scenario: &Scenario) -> Result<Played, Failed> {
        let target = self.target()?;
        let options =
            PlayOptions { bundles: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance")), keep: false };
        let poisoned = || Failed::from("another test panicked");
        let playing = play(target, library, scenario, &options);
        if scenario.isolation == Isolation::Cluster {
            let _alone = self.turn.write().map_err(|_| poisoned())?;
            Ok(self.runtime.block_on(playing))
        } else {
            let _beside = self.turn.read().map_err(|_| poisoned())?;
            Ok(self.runtime.block_on(playing))
        }
    }
}

fn main() -> ExitCode {
    // Only fails when a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let library = match Library::embedded() {
        Ok(library) => Arc::new(library),
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let shared = Arc::new(Shared { runtime, target: OnceLock::new(), turn: RwLock::default() });
    let mut trials: Vec<Trial> =
        library.scenarios().iter().map(|scenario| trial(&shared, &library, scenario)).collect();
    trials.extend(breakages(&shared));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(shared) = Arc::into_inner(shared)
        && let Some(Ok(target)) = shared.target.into_inner()
    {
        shared.runtime.block_on(target.shutdown());
    }
    conclusion.exit_code()
}

fn trial(shared: &Arc<Shared>, library: &Arc<Library>, scenario: &Arc<Scenario>) -> Trial {
    let (shared, library, played) = (shared.clone(), library.clone(), scenario.clone());
    let lacks = Embedded::lacks(scenario).map(|reason| format!(" (skipped: {reason})"));
    let is_ignored = scenario.skip.is_some() || lacks.is_some();
    Trial::test(format!("{}{}", scenario.id, lacks.unwrap_or_default()), move || {
        let played = shared.play(&library, &played)?;
        match played.verdict {
            Verdict::Passed => Ok(()),
            _ => Err(Failed::from(played.message.unwrap_or_default())),
        }
    })
    .with_kind("scenario")
    .with_ignored_flag(is_ignored)
}

/// A way to break the complete example, and the behaviour that its failure must name.
struct Breakage {
    name: &'static str,
    behaviour: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const BREAKAGES: &[Breakage] = &[
    Breakage {
        name: "the tenant header is dropped",
        behaviour: "ENTRY-033",
        file: "complete-entry.yaml",
        from: "      X-Tenant-ID: engineering\n",
        to: "      X-Other: engineering\n",
    },
    Breakage {
        name: "the token is not exchanged",
        behaviour: "ENTRY-029",
        file: "complete-entry.yaml",
        from: "  externalAuthConfigRef:\n    name: remote-auth\n",
        to: "",
    },
    Breakage {
        name: "the private authority is not trusted",
        behaviour: "ENTRY-031",
        file: "surroundings.yaml",
        from: "${ca['partner-ca']}",
        to: "${ca['public']}",
    },
];

/// The complete example with one thing left out: as for a gateway that does not do it.
fn breakages(shared: &Arc<Shared>) -> Vec<Trial> {
    BREAKAGES
        .iter()
        .map(|breakage| {
            let shared = shared.clone();
            Trial::test(format!("broken/{}", breakage.name.replace(' ', "-")), move || shows(&shared, breakage))
                .with_kind("breakage")
        })
        .collect()
}

fn shows(shared: &Shared, breakage: &Breakage) -> Result<(), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/mcpserverentry-guide/complete-example");
    let mut texts = Vec::new();
    for file in ["scenario.yaml", "complete-entry.yaml", "surroundings.yaml"] {
        let mut text = std::fs::read_to_string(folder.join(file))?;
        if file == breakage.file {
            if !text.contains(breakage.from) {
                return Err(format!("{file} does not hold what this test leaves out").into());
            }
            text = text.replace(breakage.from, breakage.to);
        }
        // A failure that is expected need not wait as long as a success may take.
        text = text.replace("\ndefaults:\n", "\ndefaults:\n  deadlines: {ready: 45s}\n");
        texts.push((format!("broken/example/{file}"), text));
    }
    let library = Library::of_texts(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())))?;
    let scenario = &library.scenarios()[0];
    let played = shared.play(&library, scenario)?;
    let message = played.message.unwrap_or_default();
    if played.verdict == Verdict::Failed && message.contains(breakage.behaviour) {
        return Ok(());
    }
    let expected = format!("a failure that names {}, got {:?}: {message}", breakage.behaviour, played.verdict);
    Err(expected.into())
}
