//! What an MCP server offers besides tools, and what happens before it answers.

mod item;
mod placeholder;
mod problems;
mod step;
mod uri_template;

pub use item::{Prompt, PromptArgument, Resource, ResourceTemplate, Scripted};
pub use step::{Announcement, Disconnect, Inquiry, LogLevel, LogMessage, Progress, Question, Step, TaskSettings};
pub use uri_template::UriTemplate;

pub(crate) use placeholder::{Piece, pieces};
pub(super) use problems::problems;
pub(crate) use step::most_messages;
