//! `conformance explain`

use std::io::{self, Write};

use conformance::catalogue::Behaviour;
use conformance::diagnostic::did_you_mean;
use conformance::language::{Library, Scenario, describe};

use super::{WRONG_USAGE, print};

/// Explains a behaviour or a scenario.
pub(crate) fn explain(library: &Library, subject: &str) -> u8 {
    let catalogue = library.catalogue();
    if let Some(behaviour) = catalogue.behaviour(subject) {
        return print(|out| explain_behaviour(out, library, behaviour));
    }
    if let Some(scenario) = library.find(subject) {
        return print(|out| explain_scenario(out, library, scenario));
    }
    let scenarios = library.scenarios().iter().map(|scenario| scenario.id.as_str());
    let hint = did_you_mean(subject, catalogue.ids().chain(scenarios));
    eprintln!("`{subject}` is neither a behaviour nor a scenario{hint}");
    WRONG_USAGE
}

fn explain_behaviour(out: &mut dyn Write, library: &Library, behaviour: &Behaviour) -> io::Result<()> {
    writeln!(out, "{}  ({})", behaviour.id, behaviour.document)?;
    writeln!(out, "  {}", behaviour.behaviour)?;
    writeln!(out, "  checked by: {}", behaviour.verify)?;
    match &behaviour.note {
        Some(note) => writeln!(out, "  existing implementation: {} ({note})", behaviour.reference)?,
        None => writeln!(out, "  existing implementation: {}", behaviour.reference)?,
    }
    let decisions = behaviour.decisions.iter();
    for decision in decisions.filter_map(|id| library.catalogue().decision(id)) {
        writeln!(out, "\n{}  {}", decision.id, decision.topic)?;
        writeln!(out, "  documents: {}", decision.documents_say)?;
        writeln!(out, "  existing implementation: {}", decision.reference_does)?;
        writeln!(out, "  we: {}", decision.we_do)?;
        writeln!(out, "  demanded of others: {}", decision.suite_demands)?;
    }
    writeln!(out, "\nverified by:")?;
    let mut any = false;
    for scenario in library.scenarios() {
        for (at, what) in describe::steps_that_verify(scenario, &behaviour.id) {
            any = true;
            writeln!(out, "  {}:{at}  {}: {what}", scenario.source.name, scenario.id)?;
        }
    }
    if !any {
        writeln!(out, "  no scenario yet")?;
    }
    Ok(())
}

fn explain_scenario(out: &mut dyn Write, library: &Library, scenario: &Scenario) -> io::Result<()> {
    writeln!(out, "{}: {}", scenario.id, scenario.title)?;
    writeln!(out, "  {}, profile {}", scenario.source.name, scenario.profile.name())?;
    if let Some(reason) = &scenario.skip {
        writeln!(out, "  skipped: {reason}")?;
    }
    if let Some(description) = &scenario.description {
        writeln!(out, "\n{}", description.trim())?;
    }
    if let Some(world) = &scenario.world {
        writeln!(out, "\nThe world:")?;
        for line in describe::world(world) {
            writeln!(out, "  {line}")?;
        }
    }
    for line in describe::images(scenario) {
        writeln!(out, "\n{line}")?;
    }
    writeln!(out, "\nSteps:")?;
    for line in describe::steps(scenario) {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "\nVerifies:")?;
    for behaviour in scenario.verifies().into_iter().filter_map(|id| library.catalogue().behaviour(id)) {
        writeln!(out, "  {}  {}", behaviour.id, behaviour.behaviour)?;
    }
    Ok(())
}
