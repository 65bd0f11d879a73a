//! Where a value stands in a document.
//!
//! Readers go down documents with a place in hand at every step, and nearly never need its name: it is a chain of borrowed
//! steps, written out only when something is wrong there.

/// A place, as steps from the root.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// The document itself.
    Root,
    /// A field of an object.
    Field(&'a Place<'a>, &'a str),
    /// The value of a key of a map.
    Entry(&'a Place<'a>, &'a str),
    /// An item of a list.
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// With keys and indices: `spec.containers[0].name`.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(parent, name) | Self::Entry(parent, name) => join(&parent.path(), name),
            Self::Item(parent, index) => format!("{}[{index}]", parent.path()),
        }
    }

    /// The names of fields alone, as Go's decoder shows it: `spec.containers.name`.
    pub(crate) fn fields(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(parent, name) => join(&parent.fields(), name),
            Self::Entry(parent, _) | Self::Item(parent, _) => parent.fields(),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_with_and_without_keys_and_indices() {
        let labels = Place::Field(&Place::Root, "labels");
        let entry = Place::Entry(&labels, "app");
        let item = Place::Item(&entry, 2);
        let field = Place::Field(&item, "name");
        assert_eq!((field.path().as_str(), field.fields().as_str()), ("labels.app[2].name", "labels.name"));
        assert_eq!(Place::Root.path(), "");
    }
}
