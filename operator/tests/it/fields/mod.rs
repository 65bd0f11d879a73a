//! Every field of every spec lives: changing it alone changes what the operator makes of the object, or says of it.
//!
//! The fields come from the definitions. A table per kind says of each what a change of it does to the objects of
//! `world/base.yaml`; a field without a row fails, and so does a row without a field.

mod path;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::world::{
    Definition, Id, Objects, Outcome, World, admit, block_on, definition, difference, merge, read, settled_base,
};

pub(crate) use path::{Path, leaves, other};

/// What is said of one field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Row {
    /// The object that is changed; the first of the kind by name when absent.
    #[serde(default)]
    object: Option<String>,
    /// What the spec of that object is before, as a merge patch.
    #[serde(default)]
    given: Option<Value>,
    /// What the field becomes; another value of its type when absent.
    #[serde(default)]
    to: Option<Value>,
    /// What changes with it, as a merge patch of the spec, because the definition wants both or none.
    #[serde(default)]
    with: Option<Value>,
    /// What then stands where. A message is not given whole.
    #[serde(default)]
    effect: BTreeMap<String, Value>,
    /// Why a change has no effect.
    #[serde(default)]
    none: Option<String>,
    /// A part of what a condition of the object then says. Where the field has fields of its own, all of them are
    /// refused in this way; nothing is changed when the object has the field.
    #[serde(default)]
    says: Option<String>,
}

/// The table of `kind`.
fn table(kind: &str) -> BTreeMap<String, Row> {
    read(&format!("fields/{kind}.yaml"))
}

/// What the tables expect: the values of places.
pub(crate) fn expectations() -> impl Iterator<Item = (String, Value)> {
    KINDS.iter().flat_map(|kind| table(kind).into_values().flat_map(|row| row.effect))
}

/// What one row is tried on.
struct Trial<'a> {
    kind: &'a str,
    field: Path,
    is_leaf: bool,
    row: &'a Row,
}

impl Trial<'_> {
    /// Changes the field in one of `objects`. Returns what is wrong.
    async fn problem(&self, objects: &Objects, first: &str) -> Result<(), String> {
        let id = Id { kind: self.kind.to_owned(), name: self.row.object.clone().unwrap_or_else(|| first.to_owned()) };
        let mut object = objects.get(&id).ok_or_else(|| format!("there is no {id}"))?.clone();
        let world = World::resumed(objects.clone());
        if let Some(given) = &self.row.given {
            merge(&mut object["spec"], given);
            admit(&mut object).map_err(|error| format!("what is given is refused: {error}"))?;
            world.apply(object).await;
            object = world.objects().get(&id).ok_or_else(|| format!("{id} is gone"))?.clone();
        }
        let before = world.outcome();
        let unchanged = object["spec"].clone();
        let known = self.field.value(&object["spec"]).cloned().unwrap_or_default();
        if self.is_leaf || self.row.to.is_some() {
            let schema =
                definition(self.kind).and_then(|kind| self.field.schema(&kind.spec)).cloned().unwrap_or_default();
            match self.row.to.clone().or_else(|| other(&schema, &known)) {
                Some(new) => self.field.set(&mut object["spec"], new),
                None if schema["enum"].as_array().is_some_and(|values| values.len() == 1) => return Ok(()),
                None if self.row.with.is_some() => {}
                None => return Err("say what it becomes".to_owned()),
            }
            if let Some(with) = &self.row.with {
                merge(&mut object["spec"], with);
            }
            admit(&mut object).map_err(|error| format!("the change is refused: {error}"))?;
            if object["spec"] == unchanged {
                return Err("that is no change".to_owned());
            }
            world.apply(object).await;
        } else if known.is_null() {
            return Err(format!("{id} has no such field: say what it becomes"));
        }
        let after = world.outcome();
        let differences = difference(&before, &after);
        let seen = || serde_json::to_string_pretty(&differences).unwrap_or_default();
        if let Some(text) = &self.row.says {
            let says = |outcome: &Outcome| {
                let mut messages = outcome.of(&id).filter(|(place, _)| place.ends_with(" message"));
                messages.any(|(_, message)| message.as_str().is_some_and(|message| message.contains(text)))
            };
            return match (says(&before), says(&after)) {
                (true, true) if differences.is_empty() && !self.is_leaf => Ok(()),
                (false, true) => Ok(()),
                _ => Err(format!("no condition of {id} comes to say {text:?}; what changed: {}", seen())),
            };
        }
        if self.row.none.is_some() {
            return if differences.is_empty() { Ok(()) } else { Err(format!("it has an effect: {}", seen())) };
        }
        let is_so = |place: &str, expected: &Value| match differences.get(place) {
            Some((_, Value::String(text))) if place.ends_with(" message") => {
                text.contains(expected.as_str().unwrap_or_default())
            }
            Some((_, value)) => *value == expected,
            None => false,
        };
        let missed: Vec<_> = self.row.effect.iter().filter(|(place, expected)| !is_so(place, expected)).collect();
        if self.row.effect.is_empty() || !missed.is_empty() {
            return Err(format!("missed: {missed:?}; what changed: {}", seen()));
        }
        Ok(())
    }
}

/// Tries the table of `kind`.
fn check(kind: &str) {
    let table = table(kind);
    let Definition { spec, .. } = definition(kind).unwrap();
    let fields = leaves(spec);
    let mut problems = Vec::new();
    for (name, row) in &table {
        let path = Path::parse(name);
        let is_field = if row.says.is_some() { path.schema(spec).is_some() } else { fields.contains(&path) };
        if !is_field {
            problems.push(format!("{kind}.yaml: {name} is no field of the definition"));
        }
        if [row.effect.is_empty(), row.none.is_none(), row.says.is_none()].iter().filter(|absent| !**absent).count()
            != 1
        {
            problems.push(format!("{kind}.yaml: {name} has not exactly one of effect, none and says"));
        }
    }
    for field in &fields {
        let rows = table.iter().filter(|(name, row)| match Path::parse(name) {
            path if row.says.is_some() => path.contains(field),
            path => path == *field,
        });
        if rows.count() != 1 {
            problems.push(format!("{kind}.yaml: {field} has not exactly one row that says what a change of it does"));
        }
    }
    let settled = settled_base();
    let first = settled.iter().find(|(id, _)| id.kind == kind).unwrap_or_else(|| panic!("base.yaml has no {kind}"));
    let first = first.0.name.clone();
    block_on(async {
        for (name, row) in &table {
            let field = Path::parse(name);
            let trial = Trial { kind, is_leaf: fields.contains(&field), field, row };
            if let Err(problem) = trial.problem(&settled, &first).await {
                problems.push(format!("{kind} {name}: {problem}"));
            }
        }
    });
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

macro_rules! kinds {
    ($($name:ident => $kind:literal,)+) => {
        /// The kinds that have a table.
        const KINDS: &[&str] = &[$($kind),+];

        $(
            #[test]
            fn $name() {
                check($kind);
            }
        )+
    };
}

kinds! {
    fields_of_groups_live => "MCPGroup",
    fields_of_auth_configs_live => "MCPExternalAuthConfig",
    fields_of_oidc_configs_live => "MCPOIDCConfig",
    fields_of_tool_configs_live => "MCPToolConfig",
    fields_of_telemetry_configs_live => "MCPTelemetryConfig",
    fields_of_authz_configs_live => "MCPAuthzConfig",
    fields_of_composite_tools_live => "VirtualMCPCompositeToolDefinition",
    fields_of_entries_live => "MCPServerEntry",
    fields_of_remote_proxies_live => "MCPRemoteProxy",
    fields_of_servers_live => "MCPServer",
    fields_of_virtual_servers_live => "VirtualMCPServer",
}

#[test]
fn every_kind_that_is_installed_has_a_table() {
    let installed = operator_api::crds().into_iter().map(|crd| crd.spec.names.kind);
    let without: Vec<_> = installed.filter(|kind| !KINDS.contains(&kind.as_str())).collect();
    assert_eq!(without, Vec::<String>::new(), "kinds without a table of their fields");
}
