//! Every reason of every condition is given by some object: one that nothing produces is no reason.

use std::collections::{BTreeMap, BTreeSet};

use operator_api::{
    ConfigCondition, ConfigReason, EntryCondition, EntryReason, GroupCondition, GroupReason, ProxyCondition,
    ProxyReason, VirtualServerCondition, VirtualServerReason, WorkflowCondition, WorkflowReason,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    fields,
    world::{Id, World, admit, block_on, merge, read, settled_base},
};

/// What follows from a change of the objects that the tests begin with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What is changed, one after the other, as merge patches that name the object; what is not there is made. A status
    /// is what other writers say.
    #[serde(default)]
    change: Vec<Value>,
    /// What is deleted then.
    #[serde(default)]
    delete: Vec<String>,
    /// Which conditions follow, each with its status and its reason.
    #[serde(default)]
    conditions: BTreeMap<String, String>,
    /// Which conditions stand on the way there, until the operator has mended what they are about.
    #[serde(default)]
    passing: BTreeMap<String, String>,
}

/// The cases, each under the rule that it shows.
fn cases() -> BTreeMap<String, Case> {
    read("reasons/cases.yaml")
}

#[test]
fn each_case_has_its_conditions() {
    let mut problems = Vec::new();
    let settled = settled_base();
    block_on(async {
        for (rule, case) in cases() {
            let world = World::resumed(settled.clone());
            for change in &case.change {
                let id = Id::of(change);
                let mut object = world.objects().get(&id).cloned().unwrap_or_else(|| json!({}));
                let mut patch = change.clone();
                let status = patch.as_object_mut().and_then(|patch| patch.remove("status"));
                merge(&mut object, &patch);
                admit(&mut object).unwrap_or_else(|error| panic!("{rule}: {id}: {error}"));
                world.apply(object).await;
                if let Some(status) = status {
                    world.report(&id, &status).await;
                }
            }
            for id in &case.delete {
                world.delete(&Id::parse(id)).await;
            }
            let outcome = world.outcome();
            for (place, expected) in &case.conditions {
                let found = outcome.at(place);
                if found != expected {
                    let message = outcome.at(&format!("{place} message"));
                    problems.push(format!("{rule}: {place} is {found}, not {expected:?}: {message}"));
                }
            }
            let passing = case.passing.iter().filter(|(place, value)| !world.has_said(place, value));
            problems.extend(passing.map(|(place, value)| format!("{rule}: {place} never was {value:?}")));
        }
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The conditions that the tables expect: kind of the object, type and reason.
fn expected() -> BTreeSet<(String, String, String)> {
    let cases = cases().into_values().flat_map(|case| case.conditions.into_iter().chain(case.passing));
    let values = fields::expectations().filter_map(|(place, value)| Some((place, value.as_str()?.to_owned())));
    cases
        .chain(values)
        .filter_map(|(place, value)| {
            let (kind, rest) = place.split_once('/')?;
            let (_, condition) = rest.split_once(' ')?;
            let (status, reason) = value.split_once(' ')?;
            matches!(status, "True" | "False" | "Unknown")
                .then(|| (kind.to_owned(), condition.to_owned(), reason.to_owned()))
        })
        .collect()
}

macro_rules! names {
    ($names:ty) => {
        <$names>::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>()
    };
}

/// What the pods of gateways say themselves: the condition, and its reason.
const OF_PODS: &str = "BackendsDiscovered";

#[test]
fn every_condition_and_every_reason_is_produced() {
    let expected = expected();
    let configurations =
        ["MCPExternalAuthConfig", "MCPOIDCConfig", "MCPToolConfig", "MCPTelemetryConfig", "MCPAuthzConfig"];
    let vocabularies = [
        (&["MCPGroup"][..], names!(GroupCondition), names!(GroupReason)),
        (&configurations[..], names!(ConfigCondition), names!(ConfigReason)),
        (&["VirtualMCPCompositeToolDefinition"][..], names!(WorkflowCondition), names!(WorkflowReason)),
        (&["MCPServerEntry"][..], names!(EntryCondition), names!(EntryReason)),
        (&["MCPRemoteProxy", "MCPServer"][..], names!(ProxyCondition), names!(ProxyReason)),
        (&["VirtualMCPServer"][..], names!(VirtualServerCondition), names!(VirtualServerReason)),
    ];
    let mut missing = Vec::new();
    for (kinds, conditions, reasons) in vocabularies {
        let of_kinds = || expected.iter().filter(|(kind, ..)| kinds.contains(&kind.as_str()));
        // Conditions about one backend have its name behind theirs.
        let is = |condition: &str, name: &str| condition.split('-').next() == Some(name) || name == OF_PODS;
        let unseen = conditions.into_iter().filter(|name| !of_kinds().any(|(_, condition, _)| is(condition, name)));
        missing.extend(unseen.map(|name| format!("condition {name} of {}", kinds[0])));
        let unseen =
            reasons.into_iter().filter(|name| !of_kinds().any(|(_, _, reason)| reason == name || *name == OF_PODS));
        missing.extend(unseen.map(|name| format!("reason {name} of {}", kinds[0])));
    }
    assert!(missing.is_empty(), "no table shows the {}", missing.join(", the "));
}
