//! Enums for the types and reasons of conditions, and what is found among conditions.

use crate::Condition;

/// Declares an enum whose variants are written as their own names.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name as it stands in a condition.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl From<$name> for std::borrow::Cow<'static, str> {
            fn from(name: $name) -> Self {
                Self::Borrowed(name.as_str())
            }
        }

        impl From<$name> for &'static str {
            fn from(name: $name) -> Self {
                name.as_str()
            }
        }
    };
}
pub(crate) use names;

names! {
    /// What a condition says.
    ConditionStatus {
        /// The condition holds.
        True,
        /// The condition does not hold.
        False,
        /// Nobody knows yet.
        Unknown,
    }
}

/// The condition of the type `kind` among `conditions`.
pub fn find_condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// Whether the condition of the type `kind` is there and True.
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    condition_status(conditions, kind) == Some(ConditionStatus::True)
}

/// What the condition of the type `kind` says, when it is there.
pub fn condition_status(conditions: &[Condition], kind: &str) -> Option<ConditionStatus> {
    find_condition(conditions, kind).map(|condition| match condition.status.as_str() {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    })
}
