//! A stored object in its two forms: a tree of values for whoever looks into it, and text for whoever passes it on.
//!
//! The tree takes about ten times the memory of the text, and most objects of a large collection are only listed. The store
//! therefore [packs](Object::pack) objects that have not changed lately: of those the text alone is kept, and the tree is
//! made anew when somebody asks for it. The text is made at most once, however many watches and lists show it.

use parking_lot::Mutex;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use serde::Deserialize as _;
use serde_json::Value;

/// An object as it is stored, with its resourceVersion; it never changes.
#[derive(Debug)]
pub(crate) struct Object {
    /// The parsed form, unless the object is packed.
    tree: Mutex<Option<Arc<Value>>>,
    text: OnceLock<Text>,
}

/// JSON that begins with `apiVersion` and `kind`, so that these can be shown otherwise or left out.
#[derive(Debug)]
struct Text {
    json: Box<str>,
    /// Where the rest begins: the comma behind the kind, or the closing brace of an object without other fields.
    rest: usize,
}

impl Object {
    /// An object that was just parsed or made.
    pub(crate) fn new(tree: Arc<Value>) -> Self {
        Self { tree: Mutex::new(Some(tree)), text: OnceLock::new() }
    }

    /// The parsed form, made anew each time for a packed object.
    pub(crate) fn value(&self) -> Arc<Value> {
        let tree = self.tree.lock();
        if let Some(tree) = &*tree {
            return tree.clone();
        }
        let json = self.text.get().map(|text| &*text.json).unwrap_or_default();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        // The text was written from a tree, so that it always parses; managedFields nest deeper than what was sent.
        deserializer.disable_recursion_limit();
        Arc::new(Value::deserialize(&mut deserializer).unwrap_or_default())
    }

    /// Gives up the parsed form.
    pub(crate) fn pack(&self) {
        self.text();
        *self.tree.lock() = None;
    }

    /// Whether the text alone is kept.
    #[cfg(test)]
    pub(crate) fn is_packed(&self) -> bool {
        self.tree.lock().is_none()
    }

    /// Appends the object as JSON, as one of this apiVersion and kind.
    pub(crate) fn write_as(&self, api_version: &str, kind: &str, out: &mut String) {
        write_head(api_version, kind, out);
        out.push_str(self.rest());
    }

    /// Appends the object as JSON without apiVersion and kind.
    pub(crate) fn write_untyped(&self, out: &mut String) {
        out.push('{');
        out.push_str(self.rest().trim_start_matches(','));
    }

    fn rest(&self) -> &str {
        let Text { json, rest } = self.text();
        &json[*rest..]
    }

    fn text(&self) -> &Text {
        self.text.get_or_init(|| Text::of(&self.value()))
    }
}

impl Text {
    fn of(object: &Value) -> Self {
        let field = |name: &str| object[name].as_str().unwrap_or_default();
        let mut json = String::new();
        write_head(field("apiVersion"), field("kind"), &mut json);
        let rest = json.len();
        for (name, value) in object.as_object().into_iter().flatten() {
            if name != "apiVersion" && name != "kind" {
                let _ = write!(json, ",{}:{value}", Value::from(name.as_str()));
            }
        }
        json.push('}');
        Self { json: json.into(), rest }
    }
}

fn write_head(api_version: &str, kind: &str, out: &mut String) {
    // Writing to a string does not fail.
    let _ = write!(out, "{{\"apiVersion\":{},\"kind\":{}", Value::from(api_version), Value::from(kind));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    fn shown(write: impl Fn(&mut String)) -> Value {
        let mut text = String::new();
        write(&mut text);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_packed_object_reads_as_before() {
        let tree =
            json!({"apiVersion": "v1", "kind": "Box", "metadata": {"name": "a\"b"}, "size": 2, "of": [1.5, null]});
        let object = Object::new(Arc::new(tree.clone()));
        object.pack();
        assert_eq!(*object.value(), tree);
        let mut without_type = tree.clone();
        without_type.as_object_mut().unwrap().retain(|field, _| field != "apiVersion" && field != "kind");
        assert_eq!(shown(|text| object.write_untyped(text)), without_type);
        let mut other = tree;
        other["apiVersion"] = "v2".into();
        assert_eq!(shown(|text| object.write_as("v2", "Box", text)), other);
    }

    #[test]
    fn an_object_of_nothing_but_its_type_is_written_too() {
        let object = Object::new(Arc::new(json!({"apiVersion": "v1", "kind": "Box"})));
        assert_eq!(shown(|text| object.write_as("v1", "Box", text)), json!({"apiVersion": "v1", "kind": "Box"}));
        assert_eq!(shown(|text| object.write_untyped(text)), json!({}));
    }
}
