//! What field ownership knows of a type: which maps and lists are owned part by part, and which are one value.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::builtin;
use super::fieldset::FieldSet;

/// The merge behaviour of a type.
#[derive(Clone, Debug)]
pub struct TypeModel {
    root: Arc<Type>,
    /// What an object has before anyone set it: decoded into the server's own types, some fields are never absent.
    empty: Value,
    has_status: bool,
}

impl TypeModel {
    /// The model of a custom resource, of its `openAPIV3Schema`.
    pub fn from_schema(schema: &Value) -> Self {
        let mut root = convert(schema);
        if let Type::Map { fields, .. } = &mut root {
            builtin::add_type_and_metadata(fields);
        }
        Self { root: Arc::new(root), empty: json!({}), has_status: false }
    }

    /// The model of a built-in kind; of one without a table, a model in which every list is one value.
    pub fn builtin(group: &str, kind: &str) -> Self {
        let (root, empty, has_status) = builtin::model(group, kind);
        Self { root: Arc::new(root), empty, has_status }
    }

    /// The model of objects without a schema: maps are owned key by key, lists are one value.
    pub fn deduced() -> Self {
        Self { root: Arc::new(Type::Deduced), empty: json!({}), has_status: false }
    }

    /// Says whether the status is written by a subresource of its own only. Built-in kinds know it.
    #[must_use]
    pub fn with_status_subresource(mut self, has_status: bool) -> Self {
        self.has_status = has_status;
        self
    }

    pub(super) fn root(&self) -> &Type {
        &self.root
    }

    /// What a new object is compared with.
    pub(super) fn empty(&self) -> Value {
        self.empty.clone()
    }

    /// Takes out of a configuration what the endpoint does not write.
    pub(super) fn reset(&self, config: &mut Value, subresource: Option<&str>) {
        let Value::Object(fields) = config else {
            return;
        };
        match subresource {
            Some("status") => {
                fields.retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
                if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
                    let identity = ["name", "namespace", "uid", "resourceVersion"];
                    metadata.retain(|name, _| identity.contains(&name.as_str()));
                }
            }
            None if self.has_status => drop(fields.remove("status")),
            _ => {}
        }
    }

    /// The same for a set of fields that were changed.
    pub(super) fn strip_reset(&self, fields: &mut FieldSet, subresource: Option<&str>) {
        match subresource {
            // Controllers of built-in kinds do write metadata together with the status.
            Some("status") if self.has_status => fields.take_out(&["f:spec"], true),
            Some("status") => fields.keep_only("f:status"),
            None if self.has_status => fields.take_out(&["f:status"], true),
            _ => {}
        }
    }
}

/// How values of a type are owned.
#[derive(Clone, Debug)]
pub(super) enum Type {
    /// Nothing is known: maps key by key, lists as one value.
    Deduced,
    /// An object of which only some or no fields are listed here: as above, but its fields are declared ones.
    Open,
    /// One value, whatever is inside.
    Atomic,
    /// An object with declared fields, a map, or both.
    Map { fields: BTreeMap<String, Arc<Type>>, others: Others },
    /// A list in which every value stands for itself.
    Set,
    /// A list whose items are told apart by keys.
    MapList { keys: Vec<ListKey>, item: Arc<Type> },
}

/// What the fields of an object are that are not declared.
#[derive(Clone, Debug)]
pub(super) enum Others {
    /// There are none.
    Unknown,
    /// Keys of a map, with values of this type.
    Keys(Arc<Type>),
    /// Fields all the same; the table lists only what is special.
    Fields,
}

/// A key of a map list, and its value in items that do not state it.
#[derive(Clone, Debug)]
pub(super) struct ListKey {
    pub(super) name: String,
    pub(super) default: Option<Value>,
}

/// A value seen through its type.
pub(super) enum Shape<'a> {
    /// Owned as one.
    Leaf,
    /// Owned field by field.
    Fields(&'a Map<String, Value>),
    /// Owned item by item; each with its path element.
    Items(Vec<(String, &'a Value)>),
}

impl Type {
    /// How `value` is owned.
    pub(super) fn shape<'a>(&self, value: &'a Value) -> Shape<'a> {
        match (self, value) {
            (Self::Deduced | Self::Open | Self::Map { .. }, Value::Object(fields)) => Shape::Fields(fields),
            (Self::Set | Self::MapList { .. }, Value::Array(items)) => {
                Shape::Items(items.iter().enumerate().map(|(index, item)| (self.element(index, item), item)).collect())
            }
            _ => Shape::Leaf,
        }
    }

    /// The type of a field, and whether it is a declared field rather than a key of a map.
    pub(super) fn field(&self, name: &str) -> (&Self, bool) {
        match self {
            Self::Open => (&Self::Open, true),
            Self::Map { fields, others } => match (fields.get(name), others) {
                (Some(kind), _) => (kind, true),
                (None, Others::Keys(kind)) => (kind, false),
                (None, Others::Fields) => (&Self::Open, true),
                (None, Others::Unknown) => (&Self::Deduced, false),
            },
            _ => (&Self::Deduced, false),
        }
    }

    /// The type of the items of a list.
    pub(super) fn item(&self) -> &Self {
        match self {
            Self::MapList { item, .. } => item,
            _ => &Self::Deduced,
        }
    }

    /// The path element of an item; an item without the keys that it should have is known by its position.
    fn element(&self, index: usize, item: &Value) -> String {
        match self {
            Self::Set => format!("v:{item}"),
            Self::MapList { keys, .. } => match key_values(keys, item) {
                Some(values) => format!("k:{}", json!(values)),
                None => format!("i:{index}"),
            },
            _ => format!("i:{index}"),
        }
    }
}

/// The keys of an item that has them, sorted by name.
pub(super) fn key_values<'a>(keys: &'a [ListKey], item: &'a Value) -> Option<BTreeMap<&'a str, &'a Value>> {
    let fields = item.as_object()?;
    let value =
        |key: &'a ListKey| fields.get(&key.name).or(key.default.as_ref()).map(|value| (key.name.as_str(), value));
    let values: BTreeMap<_, _> = keys.iter().filter_map(value).collect();
    (!values.is_empty()).then_some(values)
}

fn convert(schema: &Value) -> Type {
    let flag = |name: &str| schema.get(name) == Some(&Value::Bool(true));
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    if flag("x-kubernetes-int-or-string") {
        return Type::Deduced;
    }
    match text("type") {
        Some("object") if text("x-kubernetes-map-type") == Some("atomic") => Type::Atomic,
        Some("object") => object(schema, flag("x-kubernetes-preserve-unknown-fields")),
        Some("array") => match text("x-kubernetes-list-type") {
            Some("set") => Type::Set,
            Some("map") => map_list(schema),
            _ => Type::Atomic,
        },
        _ => Type::Deduced,
    }
}

fn object(schema: &Value, preserves: bool) -> Type {
    let mut fields = BTreeMap::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        fields.insert(name.clone(), Arc::new(convert(property)));
    }
    if schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true)) {
        builtin::add_type_and_metadata(&mut fields);
    }
    let others = match schema.get("additionalProperties") {
        Some(values @ Value::Object(_)) => Others::Keys(Arc::new(convert(values))),
        Some(Value::Bool(true)) => Others::Keys(Arc::new(Type::Deduced)),
        _ if preserves || fields.is_empty() => Others::Keys(Arc::new(Type::Deduced)),
        _ => Others::Unknown,
    };
    Type::Map { fields, others }
}

fn map_list(schema: &Value) -> Type {
    let items = schema.get("items").unwrap_or(&Value::Null);
    let names = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
    let key = |name: &str| ListKey {
        name: name.to_owned(),
        default: items.get("properties").and_then(|properties| properties.get(name)?.get("default")).cloned(),
    };
    let keys = names.filter_map(Value::as_str).map(key).collect();
    Type::MapList { keys, item: Arc::new(convert(items)) }
}
