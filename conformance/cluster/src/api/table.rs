//! Tables and partial metadata: the representations that `kubectl get` and metadata watches ask for.

use jiff::Timestamp;
use jsonpath_rust::JsonPath;
use serde_json::{Value, json};

/// One column of a kind's table.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) cell: Cell,
}

/// How a cell is computed.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    /// `metadata.name`.
    Name,
    /// The time since `metadata.creationTimestamp`.
    Age,
    /// A `JSONPath` of a `CustomResourceDefinition`, such as `.spec.size`.
    Path(String),
    /// A built-in kind's own computation.
    Computed(fn(&Value, Timestamp) -> Value),
}

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources \
may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for \
creation idempotence and configuration definition. Cannot be updated. More info: \
https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

/// The API's own description of `creationTimestamp`.
pub(crate) const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was \
created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this \
value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: \
https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

impl Column {
    /// The first column of every table.
    pub(crate) fn name() -> Self {
        Self::new("Name", "string", NAME, 0, Cell::Name).formatted("name")
    }

    /// The age column of built-in kinds.
    pub(crate) fn age() -> Self {
        Self::new("Age", "string", CREATED, 0, Cell::Age)
    }

    /// A column without a format.
    pub(crate) fn new(name: &str, kind: &str, description: &str, priority: i64, cell: Cell) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            format: String::new(),
            description: description.into(),
            priority,
            cell,
        }
    }

    /// The same with a format.
    pub(crate) fn formatted(mut self, format: &str) -> Self {
        self.format = format.into();
        self
    }

    fn definition(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.kind,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        })
    }

    fn value(&self, object: &Value, now: Timestamp) -> Value {
        match &self.cell {
            Cell::Name => object["metadata"]["name"].clone(),
            Cell::Age => age(&object["metadata"]["creationTimestamp"], now),
            Cell::Path(path) => by_path(object, path, &self.kind, now),
            Cell::Computed(compute) => compute(object, now),
        }
    }
}

/// Which object goes into each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowObject {
    Metadata,
    Object,
    None,
}

impl RowObject {
    /// Reads the `includeObject` parameter.
    pub(crate) fn parse(value: Option<&str>) -> Self {
        match value {
            Some("None") => Self::None,
            Some("Object") => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// A table of the objects; `metadata` is the list's.
pub(crate) fn table<'a>(
    columns: &[Column],
    objects: impl Iterator<Item = &'a Value>,
    metadata: &Value,
    row_object: RowObject,
    now: Timestamp,
) -> Value {
    let rows: Vec<Value> = objects
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|column| column.value(object, now)).collect();
            let shown = match row_object {
                RowObject::Metadata => partial(object),
                RowObject::Object => object.clone(),
                RowObject::None => Value::Null,
            };
            json!({"cells": cells, "object": shown})
        })
        .collect();
    let definitions: Vec<Value> = columns.iter().map(Column::definition).collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

/// An object's metadata alone.
pub(crate) fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

fn by_path(object: &Value, path: &str, kind: &str, now: Timestamp) -> Value {
    let Ok(found) = object.query(&format!("${path}")) else { return Value::Null };
    let Some(first) = found.first() else { return Value::Null };
    match kind {
        "date" => age(first, now),
        "integer" => first.as_i64().map_or(Value::Null, Value::from),
        "number" => first.as_f64().map_or(Value::Null, Value::from),
        "boolean" => first.as_bool().map_or(Value::Null, Value::from),
        _ => match first {
            Value::String(_) => (*first).clone(),
            Value::Null => Value::Null,
            other => other.to_string().into(),
        },
    }
}

/// The time since a timestamp, as kubectl shows it; `<unknown>` when there is none.
pub(crate) fn age(timestamp: &Value, now: Timestamp) -> Value {
    let parsed = timestamp.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    parsed.map_or_else(|| "<unknown>".into(), |time| human_duration(now.duration_since(time).as_secs()).into())
}

/// The time between two moments, as ages are shown; until now when the second has not come.
pub(crate) fn duration(from: &Value, to: &Value, now: Timestamp) -> Option<String> {
    let parsed = |time: &Value| time.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let seconds = parsed(to).unwrap_or(now).duration_since(parsed(from)?).as_secs();
    Some(human_duration(seconds))
}

/// A duration in the two most telling units: `45s`, `3m20s`, `5d4h`.
fn human_duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: char, small: i64, small_unit: char| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    };
    match () {
        () if seconds < -1 => "<invalid>".into(),
        () if seconds < 0 => "0s".into(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, 'd', hours % 24, 'h'),
        () if days < 730 => format!("{days}d"),
        () if days < 2920 => two(days / 365, 'y', days % 365, 'd'),
        () => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_kubectl_shows_them() {
        for (seconds, text) in
            [(0, "0s"), (119, "119s"), (200, "3m20s"), (600, "10m"), (10_800, "3h"), (187_200, "2d4h")]
        {
            assert_eq!(human_duration(seconds), text);
        }
    }

    #[test]
    fn conditions_are_found_by_filter() {
        let object = json!({"status": {"conditions": [{"type": "Valid", "status": "False"}, {"type": "Ready", "status": "True"}]}});
        let path = ".status.conditions[?(@.type=='Ready')].status";
        assert_eq!(by_path(&object, path, "string", Timestamp::UNIX_EPOCH), "True");
    }
}
