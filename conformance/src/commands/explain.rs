//! `conformance explain`

use conformance::catalogue::Behaviour;
use conformance::diagnostic::did_you_mean;
use conformance::language::{Library, Scenario, describe};

use super::{PASSED, WRONG_USAGE};

/// Explains a behaviour or a scenario.
pub(crate) fn explain(library: &Library, subject: &str) -> u8 {
    let catalogue = library.catalogue();
    if let Some(behaviour) = catalogue.behaviour(subject) {
        explain_behaviour(library, behaviour);
        return PASSED;
    }
    if let Some(scenario) = library.find(subject) {
        explain_scenario(library, scenario);
        return PASSED;
    }
    let scenarios = library.scenarios().iter().map(|scenario| scenario.id.as_str());
    let hint = did_you_mean(subject, catalogue.ids().chain(scenarios));
    eprintln!("`{subject}` is neither a behaviour nor a scenario{hint}");
    WRONG_USAGE
}

fn explain_behaviour(library: &Library, behaviour: &Behaviour) {
    println!("{}  ({})", behaviour.id, behaviour.document);
    println!("  {}", behaviour.behaviour);
    println!("  checked by: {}", behaviour.verify);
    match &behaviour.note {
        Some(note) => println!("  existing implementation: {} ({note})", behaviour.reference),
        None => println!("  existing implementation: {}", behaviour.reference),
    }
    let decisions = behaviour.decisions.iter();
    for decision in decisions.filter_map(|id| library.catalogue().decision(id)) {
        println!("\n{}  {}", decision.id, decision.topic);
        println!("  documents: {}", decision.documents_say);
        println!("  existing implementation: {}", decision.reference_does);
        println!("  we: {}", decision.we_do);
        println!("  demanded of others: {}", decision.suite_demands);
    }
    println!("\nverified by:");
    let mut any = false;
    for scenario in library.scenarios() {
        for (at, what) in describe::steps_that_verify(scenario, &behaviour.id) {
            any = true;
            println!("  {}:{at}  {}: {what}", scenario.source.name, scenario.id);
        }
    }
    if !any {
        println!("  no scenario yet");
    }
}

fn explain_scenario(library: &Library, scenario: &Scenario) {
    println!("{}: {}", scenario.id, scenario.title);
    println!("  {}, profile {}", scenario.source.name, scenario.profile.name());
    if let Some(reason) = &scenario.skip {
        println!("  skipped: {reason}");
    }
    if let Some(description) = &scenario.description {
        println!("\n{}", description.trim());
    }
    if let Some(world) = &scenario.world {
        println!("\nThe world:");
        for line in describe::world(world) {
            println!("  {line}");
        }
    }
    for line in describe::images(scenario) {
        println!("\n{line}");
    }
    println!("\nSteps:");
    for line in describe::steps(scenario) {
        println!("  {line}");
    }
    println!("\nVerifies:");
    for behaviour in scenario.verifies().into_iter().filter_map(|id| library.catalogue().behaviour(id)) {
        println!("  {}  {}", behaviour.id, behaviour.behaviour);
    }
}
