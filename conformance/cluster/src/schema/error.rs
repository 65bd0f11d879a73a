//! Field errors: one cause of a `Status` with reason `Invalid`, in the API server's words.

use std::fmt;

use serde_json::Value;

use super::render;

/// What is wrong with a field; decides the reason of the `Status` cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The field is absent.
    Required,
    /// The value breaks a rule.
    Invalid,
    /// The value has another type.
    TypeInvalid,
    /// The value is none of the allowed ones.
    NotSupported,
    /// The value occurs already.
    Duplicate,
    /// The field may not be set.
    Forbidden,
    /// What the value refers to does not exist.
    NotFound,
    /// The string is too long.
    TooLong,
    /// The list or map has too many items.
    TooMany,
    /// The check itself failed.
    Internal,
}

impl ErrorKind {
    /// The `reason` of the cause in a `Status`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::NotFound => "FieldValueNotFound",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
        }
    }

    /// The words with which the cause's message begins.
    fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }

    /// Whether such an error keeps the CEL rules from being checked: they may count on what it says is broken.
    pub(super) fn blocks_rules(self) -> bool {
        matches!(self, Self::NotSupported | Self::Required | Self::TooLong | Self::TooMany | Self::TypeInvalid)
    }
}

/// One error of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where: `spec.items[0].name`; `<nil>` when the error is of no field.
    pub field: String,
    /// The cause's message, which begins with the kind: `Invalid value: 0: must be positive`.
    pub message: String,
}

impl FieldError {
    /// An error without a value; an empty `detail` adds nothing.
    pub fn without_value(kind: ErrorKind, field: impl Into<String>, detail: &str) -> Self {
        let words = kind.words();
        let message = if detail.is_empty() { words.to_owned() } else { format!("{words}: {detail}") };
        Self { kind, field: field.into(), message }
    }

    /// An error that shows the value.
    pub fn with_value(kind: ErrorKind, field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::with_rendered(kind, field, &render::value(value), detail)
    }

    /// An error that shows a value already rendered, which need not be JSON.
    pub fn with_rendered(kind: ErrorKind, field: impl Into<String>, value: &str, detail: &str) -> Self {
        let words = kind.words();
        let message =
            if detail.is_empty() { format!("{words}: {value}") } else { format!("{words}: {value}: {detail}") };
        Self { kind, field: field.into(), message }
    }

    /// `Invalid value: "x": detail`.
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::with_value(ErrorKind::Invalid, field, value, detail)
    }

    /// `Required value`, with a detail when it is not empty.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::without_value(ErrorKind::Required, field, detail)
    }

    /// `Forbidden: detail`.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::without_value(ErrorKind::Forbidden, field, detail)
    }

    /// `Unsupported value: "x": supported values: "a", "b"`.
    pub fn not_supported<S: AsRef<str>>(field: impl Into<String>, value: &Value, supported: &[S]) -> Self {
        let mut detail = String::from("supported values: ");
        for (index, value) in supported.iter().enumerate() {
            if index > 0 {
                detail.push_str(", ");
            }
            detail.push_str(&render::quote(value.as_ref()));
        }
        Self::with_value(ErrorKind::NotSupported, field, value, &detail)
    }

    /// The `reason` of the cause.
    pub fn reason(&self) -> &'static str {
        self.kind.reason()
    }

    /// The same error below another field: `inside("spec", "name: ...")` is about `spec.name`.
    #[must_use]
    pub fn inside(mut self, parent: &str) -> Self {
        self.field = join(parent, &self.field);
        self
    }

    /// What follows `is invalid: ` in the message of a `Status` with these causes: `field: message`, each once, in
    /// brackets when there are several.
    pub fn aggregate(errors: &[Self]) -> String {
        let mut texts: Vec<String> = Vec::new();
        for error in errors {
            let text = error.to_string();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        match texts.as_slice() {
            [only] => only.clone(),
            _ => format!("[{}]", texts.join(", ")),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.message)
    }
}

/// Joins two field paths; either may be empty.
pub(super) fn join(parent: &str, child: &str) -> String {
    if parent.is_empty() {
        child.to_owned()
    } else if child.is_empty() || child.starts_with('[') {
        format!("{parent}{child}")
    } else {
        format!("{parent}.{child}")
    }
}
