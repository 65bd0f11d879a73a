//! Structural schemas of custom resources: what a `CustomResourceDefinition`'s `openAPIV3Schema` means.
//!
//! A schema is [compiled](Schema::compile) once. Objects then pass through [`Schema::default`], [`Schema::prune`] and
//! [`Schema::validate`], in this order; each does what the API server does with a decoded request, in its words.

mod binding;
mod compile;
mod compile_rules;
mod defaults;
mod embedded;
mod error;
mod format;
mod keywords;
mod list_type;
mod node;
mod prune;
mod render;
mod rules;
mod structural;
mod type_check;
mod values;

#[cfg(test)]
mod tests;

pub use error::{ErrorKind, FieldError};
pub(crate) use prune::METADATA_FIELDS;
pub(crate) use render::quote;

use serde_json::Value;

use node::Node;

/// A compiled structural schema.
#[derive(Debug)]
pub struct Schema {
    root: Node,
}

impl Schema {
    /// Compiles an `openAPIV3Schema`.
    ///
    /// The errors say what is not structural or cannot work (defaults that are invalid, rules that do not compile); their
    /// fields are relative to the schema: `properties[spec].type`.
    pub fn compile(schema: &Value) -> Result<Self, Vec<FieldError>> {
        compile::root(schema).map(|root| Self { root })
    }

    /// Fills in the defaults of what is absent, and drops nulls where null is not allowed.
    pub fn default(&self, object: &mut Value) {
        defaults::apply(&self.root, object);
    }

    /// Drops what the schema does not know and returns the paths of what was dropped, sorted, as warnings spell them:
    /// each path belongs into `unknown field "PATH"`.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        prune::apply(&self.root, object)
    }

    /// Validates an object; on update, `old` is the stored one.
    ///
    /// Rules are checked only when the values are sound enough for them; that they were not is then one of the errors.
    pub fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let mut errors = self.validate_values(object, old);
        errors.extend(self.validate_invariants(object, old, &errors));
        errors
    }

    /// The first half of [`validate`](Self::validate): types, bounds, patterns and the like.
    ///
    /// For callers who have errors of their own to put between (names, scale): these count as found so far.
    pub fn validate_values(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        values::validate(&self.root, object, old, "")
    }

    /// The second half of [`validate`](Self::validate): embedded resources, list types, and the rules unless one of the
    /// errors `found` so far stands against it.
    pub fn validate_invariants(&self, object: &Value, old: Option<&Value>, found: &[FieldError]) -> Vec<FieldError> {
        let mut errors = Vec::new();
        embedded::check(&self.root, object, "", &mut errors);
        errors.extend(self.list_errors(object, old));
        if !self.root.has_rules {
            return errors;
        }
        if found.iter().chain(&errors).any(|error| error.kind.blocks_rules()) {
            let detail = "some validation rules were not checked because the object was invalid; \
                          correct the existing errors to complete validation";
            errors.push(FieldError::invalid("<nil>", &Value::Null, detail));
        } else {
            errors.extend(rules::check(&self.root, object, old));
        }
        errors
    }

    /// Lists that were broken already do not stop an update.
    fn list_errors(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let broken = |object: &Value| {
            let mut errors = Vec::new();
            list_type::check(&self.root, object, "", &mut errors);
            errors
        };
        match old {
            Some(old) if !broken(old).is_empty() => Vec::new(),
            _ => broken(object),
        }
    }
}
