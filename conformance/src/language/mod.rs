//! The scenario language: what files say, read and checked before anything runs.
//!
//! `scenarios/README.md` is its reference.

mod check;
mod deadline;
pub mod describe;
mod image;
mod library;
mod load;
mod reader;
mod scenario;
mod sessions;
mod step;
mod template;

pub(crate) use check::{OBJECT_KEYS, entry_keys, message_keys};
pub(crate) use deadline::duration;
pub use deadline::{Deadline, Moment};
pub use image::{ForeignProgram, Image};
pub use library::{Library, LoadErrors, Manifest};
pub use scenario::{Defaults, Isolation, Profile, Scenario};
pub use step::{
    Action, Apply, Call, Change, Connect, Count, Delete, Disconnect, Expect, Heard, Journal, List, ListKind, Listen,
    Logs, Message, Never, Operator, OperatorState, Patch, Request, Row, Step, Subresource, Target, Token, Until,
    Validation, Wait, What,
};
pub use template::{resolve_text, resolve_value};
