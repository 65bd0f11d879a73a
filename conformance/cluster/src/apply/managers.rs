//! The managers of an object: `metadata.managedFields`, decoded.

use serde_json::{Map, Value, json};

use super::compare::Comparison;
use super::fieldset::FieldSet;
use super::{Conflict, Operation, UpdateRequest};
use crate::schema::quote;

/// How many managers of operation Update an object has at most; the oldest are then merged.
const MOST_UPDATERS: usize = 10;

/// The manager into which old updates are merged.
const ANCIENT: &str = "ancient-changes";

/// Metadata that only the server writes.
const SERVER_FIELDS: [&str; 5] =
    ["creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "selfLink"];

/// One entry of managedFields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    pub(super) subresource: Option<String>,
    pub(super) time: Option<String>,
    pub(super) fields: FieldSet,
}

impl Entry {
    fn decode(encoded: &Value) -> Option<Self> {
        let text = |name: &str| encoded.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        Some(Self {
            manager: text("manager").unwrap_or_default().to_owned(),
            operation: match text("operation")? {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            },
            api_version: text("apiVersion").unwrap_or_default().to_owned(),
            subresource: text("subresource").map(ToOwned::to_owned),
            time: text("time").map(ToOwned::to_owned),
            fields: FieldSet::decode(encoded.get("fieldsV1").unwrap_or(&Value::Null)),
        })
    }

    fn encode(&self) -> Value {
        let mut encoded = json!({
            "manager": self.manager,
            "operation": match self.operation { Operation::Apply => "Apply", Operation::Update => "Update" },
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.encode(),
        });
        if let Some(time) = &self.time {
            encoded["time"] = json!(time);
        }
        if let Some(subresource) = &self.subresource {
            encoded["subresource"] = json!(subresource);
        }
        encoded
    }

    /// Whether another entry says the same but for the time.
    pub(super) fn same_claim(&self, other: &Self) -> bool {
        self.fields == other.fields && self.api_version == other.api_version
    }

    /// The manager as conflicts name it.
    fn described(&self) -> String {
        let mut text = quote(&self.manager);
        if let Some(subresource) = &self.subresource {
            text = format!("{text} with subresource {}", quote(subresource));
        }
        match self.operation {
            Operation::Apply => text,
            Operation::Update => format!("{text} using {}", self.api_version),
        }
    }
}

/// All managers of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Managers(Vec<Entry>);

/// What a client sent as managedFields.
pub(super) enum Sent {
    /// Nothing of use.
    Nothing,
    /// `[{}]`, which ends the tracking.
    Reset,
    /// Entries, which replace the stored ones.
    Replaced(Managers),
}

/// Reads what a client sent.
pub(super) fn sent(object: &Value) -> Sent {
    match object.pointer("/metadata/managedFields").and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::Object(only)]) if only.values().all(Value::is_null) => Sent::Reset,
        Some(entries) if !entries.is_empty() => match entries.iter().map(Entry::decode).collect::<Option<Vec<_>>>() {
            Some(entries) => Sent::Replaced(Managers(entries)),
            None => Sent::Nothing,
        },
        _ => Sent::Nothing,
    }
}

impl Managers {
    /// The managers of a stored object.
    pub(super) fn of(object: Option<&Value>) -> Self {
        let entries = object.and_then(|object| object.pointer("/metadata/managedFields")).and_then(Value::as_array);
        Self(entries.into_iter().flatten().filter_map(Entry::decode).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    /// Takes out the entry of an applier, which is known by name and subresource alone.
    pub(super) fn take_applier(&mut self, manager: &str, subresource: Option<&str>) -> Option<Entry> {
        let is_it = |entry: &Entry| {
            entry.operation == Operation::Apply
                && entry.manager == manager
                && entry.subresource.as_deref() == subresource
        };
        let index = self.0.iter().position(is_it)?;
        Some(self.0.remove(index))
    }

    /// The fields that anyone owns.
    pub(super) fn owned_by_all(&self) -> FieldSet {
        self.0.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.fields))
    }

    /// What a change takes from whom.
    pub(super) fn conflicts(&self, comparison: &Comparison) -> Vec<(Entry, Vec<String>)> {
        let changed = comparison.taken();
        let taken = self.0.iter().map(|entry| (entry.clone(), entry.fields.intersection(&changed).paths()));
        let mut conflicts: Vec<_> = taken.filter(|(_, paths)| !paths.is_empty()).collect();
        conflicts.sort_by(|(left, _), (right, _)| {
            (&left.manager, left.operation, &left.api_version).cmp(&(
                &right.manager,
                right.operation,
                &right.api_version,
            ))
        });
        conflicts
    }

    /// Takes what was changed or removed from everyone.
    pub(super) fn release(&mut self, comparison: &Comparison) {
        let lost = comparison.taken().union(&comparison.removed);
        for entry in &mut self.0 {
            entry.fields = entry.fields.difference(&lost);
        }
    }

    /// Gives the fields that a write took to its manager.
    pub(super) fn grant(&mut self, request: &UpdateRequest, taken: FieldSet) {
        let is_it = |entry: &&mut Entry| {
            entry.operation == request.operation
                && entry.manager == request.manager
                && entry.subresource == request.subresource
                && (entry.operation == Operation::Apply || entry.api_version == request.api_version)
        };
        // A scale is written through an object of another type, and its entry has no time.
        let time = (request.subresource.as_deref() != Some("scale")).then(|| request.now.clone());
        match self.0.iter_mut().find(is_it) {
            Some(entry) => {
                entry.fields = entry.fields.union(&taken);
                entry.time = time;
            }
            None => self.push(Entry {
                manager: request.manager.clone(),
                operation: request.operation,
                api_version: request.api_version.clone(),
                subresource: request.subresource.clone(),
                time,
                fields: taken,
            }),
        }
    }

    /// Merges the oldest updaters of each API version into one when there are too many.
    pub(super) fn cap(&mut self) {
        self.0.retain(|entry| !entry.fields.is_empty());
        let updaters = |entries: &[Entry]| entries.iter().filter(|entry| entry.operation == Operation::Update).count();
        while updaters(&self.0) > MOST_UPDATERS {
            self.0.sort_by(|left, right| (&left.time, &left.manager).cmp(&(&right.time, &right.manager)));
            let is_updater = |entry: &Entry| entry.operation == Operation::Update;
            let pair = self.0.iter().enumerate().filter(|(_, entry)| is_updater(entry)).find_map(|(oldest, entry)| {
                let same_version =
                    |(_, other): &(usize, &Entry)| is_updater(other) && other.api_version == entry.api_version;
                let (next, _) = self.0.iter().enumerate().skip(oldest + 1).find(same_version)?;
                Some((oldest, next))
            });
            let Some((oldest, next)) = pair else { return };
            let merged = self.0.remove(next);
            let bucket = &mut self.0[oldest];
            bucket.fields = bucket.fields.union(&merged.fields);
            bucket.time = merged.time;
            bucket.subresource = None;
            ANCIENT.clone_into(&mut bucket.manager);
        }
    }

    /// Writes the entries into an object: applies first, then by time and name.
    pub(super) fn write(mut self, object: &mut Value) {
        clear(object);
        self.0.retain(|entry| !entry.fields.is_empty());
        if self.0.is_empty() {
            return;
        }
        self.0.sort_by(|left, right| {
            let order = |entry: &Entry| {
                (
                    entry.operation,
                    entry.time.clone(),
                    entry.manager.clone(),
                    entry.api_version.clone(),
                    entry.subresource.clone(),
                )
            };
            order(left).cmp(&order(right))
        });
        let entries: Vec<Value> = self.0.iter().map(Entry::encode).collect();
        if let Value::Object(fields) = object
            && let Value::Object(metadata) = fields.entry("metadata").or_insert_with(|| Value::Object(Map::new()))
        {
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }
}

/// The causes of a refused apply.
pub(super) fn causes(conflicts: &[(Entry, Vec<String>)]) -> Vec<Conflict> {
    let cause = |entry: &Entry, path: &String| Conflict {
        field: path.clone(),
        message: format!("conflict with {}", entry.described()),
    };
    conflicts.iter().flat_map(|(entry, paths)| paths.iter().map(move |path| cause(entry, path))).collect()
}

/// The message of a refused apply.
pub(super) fn conflict_message(conflicts: &[(Entry, Vec<String>)]) -> String {
    if let [(entry, paths)] = conflicts
        && let [path] = paths.as_slice()
    {
        return format!("Apply failed with 1 conflict: conflict with {}: {path}", entry.described());
    }
    let count: usize = conflicts.iter().map(|(_, paths)| paths.len()).sum();
    let mut lines = Vec::new();
    for (entry, paths) in conflicts {
        lines.push(format!("conflicts with {}:", entry.described()));
        lines.extend(paths.iter().map(|path| format!("- {path}")));
    }
    format!("Apply failed with {count} conflicts: {}", lines.join("\n"))
}

/// Removes managedFields from an object.
pub(super) fn clear(object: &mut Value) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
    }
}

/// A copy without managedFields.
pub(super) fn without_managed_fields(object: &Value) -> Value {
    let mut copy = object.clone();
    clear(&mut copy);
    copy
}

/// Puts back what a configuration cannot set, such as a null `creationTimestamp` that a client's encoder wrote.
pub(super) fn keep_server_fields(object: &mut Value, live: &Value) {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else {
        return;
    };
    for name in SERVER_FIELDS {
        match live.pointer(&format!("/metadata/{name}")) {
            Some(value) => drop(metadata.insert(name.to_owned(), value.clone())),
            None => drop(metadata.remove(name)),
        }
    }
}
