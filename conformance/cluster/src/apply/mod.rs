//! Field ownership: server-side apply, and the bookkeeping in `metadata.managedFields`.
//!
//! Every manager owns a [set of fields](fieldset), recorded per operation, API version and subresource. [`apply()`] merges
//! what a manager sends into the stored object, refuses what others own with another value, and removes what the manager
//! owned, no longer sends and nobody else owns. [`track`] gives the fields that an ordinary write changed to its manager.
//! What is a list of maps, a set or one value is told by the [`TypeModel`].

mod builtin;
mod compare;
mod fieldset;
mod managers;
mod merge;
mod model;
mod remove;
mod typed;

#[cfg(test)]
mod tests;

pub use fieldset::FieldSet;
pub use model::TypeModel;

use serde_json::Value;
use thiserror::Error;

use compare::compare;
use managers::{Entry, Managers};

/// The manager that owns what an object had before the first apply, when nothing was tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// A server-side apply as requested.
#[derive(Clone, Debug)]
pub struct ApplyRequest {
    /// The field manager.
    pub manager: String,
    /// Whether conflicting fields are taken over.
    pub force: bool,
    /// The subresource that the request is for: `status`, `scale`, or none.
    pub subresource: Option<String>,
    /// The apiVersion of the request.
    pub api_version: String,
    /// The time of the request, as written into managedFields: `2026-01-02T03:04:05Z`.
    pub now: String,
}

/// How a manager came to own its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By anything else: create, update, patch.
    Update,
}

/// A create, update or patch.
#[derive(Clone, Debug)]
pub struct UpdateRequest {
    /// The field manager.
    pub manager: String,
    /// The subresource that the request is for, or none.
    pub subresource: Option<String>,
    /// The apiVersion of the request.
    pub api_version: String,
    /// The time of the request, as written into managedFields.
    pub now: String,
    /// The operation to record, normally [`Operation::Update`].
    pub operation: Operation,
}

/// A field that another manager owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The field, as a path: `.spec.replicas`.
    pub field: String,
    /// The cause's message: `conflict with "kubectl" using apps/v1`.
    pub message: String,
}

/// Why an apply was refused.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// Others own what was sent: HTTP 409 with reason `Conflict`, and a cause `FieldManagerConflict` for each conflict.
    #[error("{message}")]
    Conflicts {
        /// The message of the `Status`.
        message: String,
        /// One per field and manager.
        conflicts: Vec<Conflict>,
    },
    /// What was sent cannot be applied.
    #[error("{message}")]
    Invalid {
        /// The HTTP status code: 400, or 500 where the API server, too, blames itself for a configuration without a type.
        code: u16,
        /// The message of the `Status`.
        message: String,
    },
}

/// Applies `applied` to the `live` object, or creates it, and returns the object with its managedFields.
///
/// When nothing changes, the result equals `live`.
pub fn apply(
    live: Option<&Value>,
    applied: &Value,
    request: &ApplyRequest,
    model: &TypeModel,
) -> Result<Value, ApplyError> {
    if applied
        .pointer("/metadata/managedFields")
        .is_some_and(|fields| !fields.is_null() && fields != &Value::from([(); 0]))
    {
        let message = "metadata.managedFields must be nil".to_owned();
        return Err(ApplyError::Invalid { code: 400, message });
    }
    let problems = typed::problems(model.root(), applied);
    if !problems.is_empty() {
        let message =
            format!("failed to create typed patch object ({}): {}", typed::name(applied), problems.join("\n  "));
        return Err(ApplyError::Invalid { code: 500, message });
    }
    let mut config = applied.clone();
    model.reset(&mut config, request.subresource.as_deref());

    let mut managers = Managers::of(live);
    let base = live.map_or_else(|| model.empty(), managers::without_managed_fields);
    if let Some(live) = live
        && managers.is_empty()
    {
        managers.push(Entry {
            manager: BEFORE_FIRST_APPLY.to_owned(),
            operation: Operation::Update,
            api_version: request.api_version.clone(),
            subresource: None,
            time: Some(request.now.clone()),
            fields: owned(model, None, live),
        });
    }

    let previous = managers.take_applier(&request.manager, request.subresource.as_deref());
    let mut fields = FieldSet::of(model.root(), &config);
    fields.strip_unowned();
    let merged = match live {
        Some(_) => merge::merge(model.root(), &base, &config),
        None => config,
    };
    let pruned = match &previous {
        Some(previous) => remove::dropped(model.root(), &merged, &previous.fields, &fields, &managers.owned_by_all()),
        None => merged.clone(),
    };
    let comparison = compare(model.root(), &base, &pruned);
    let conflicts = managers.conflicts(&comparison);
    if !request.force && !conflicts.is_empty() {
        return Err(ApplyError::Conflicts {
            message: managers::conflict_message(&conflicts),
            conflicts: managers::causes(&conflicts),
        });
    }
    managers.release(&comparison);

    let mut object = remove::settle(model.root(), pruned, &merged);
    if let Some(live) = live {
        managers::keep_server_fields(&mut object, live);
    }
    let unchanged = live.is_some_and(|live| managers::without_managed_fields(live) == object);
    let entry = Entry {
        manager: request.manager.clone(),
        operation: Operation::Apply,
        api_version: request.api_version.clone(),
        subresource: request.subresource.clone(),
        time: Some(request.now.clone()),
        fields,
    };
    managers.push(match previous {
        Some(previous) if unchanged && previous.same_claim(&entry) => previous,
        _ => entry,
    });
    managers.cap();
    managers.write(&mut object);
    Ok(object)
}

/// Maintains `metadata.managedFields` of `new`, which a create (`old` is none), update or patch is about to store.
///
/// A `new` object that brings managedFields of its own replaces the stored ones, as clients may; `[{}]` ends the tracking.
pub fn track(old: Option<&Value>, new: &mut Value, request: &UpdateRequest, model: &TypeModel) {
    let subresource = request.subresource.as_deref();
    let mut managers = match managers::sent(new) {
        managers::Sent::Reset if subresource.is_none() => Managers::default(),
        managers::Sent::Replaced(managers) if subresource.is_none() => managers,
        _ => Managers::of(old),
    };
    managers::clear(new);
    if managers.is_empty() && old.is_some() {
        return; // not tracked before: a write does not begin it
    }
    let base = old.map_or_else(|| model.empty(), managers::without_managed_fields);
    let comparison = compare(model.root(), &base, new);
    managers.release(&comparison);
    let mut taken = comparison.taken();
    taken.strip_unowned();
    model.strip_reset(&mut taken, subresource);
    if !taken.is_empty() {
        managers.grant(request, taken);
    }
    managers.cap();
    managers.write(new);
}

/// What the manager of a write from `old` to `new` comes to own.
fn owned(model: &TypeModel, old: Option<&Value>, new: &Value) -> FieldSet {
    let base = old.map_or_else(|| model.empty(), Clone::clone);
    let mut taken = compare(model.root(), &base, &managers::without_managed_fields(new)).taken();
    taken.strip_unowned();
    taken
}
