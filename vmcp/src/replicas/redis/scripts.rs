//! What Redis does in one step, so that replicas do not get between.

use redis::Script;

/// The scripts. Redis knows each by its hash, once it has seen it.
#[derive(Debug)]
pub(super) struct Scripts {
    /// Notes a session.
    pub(super) create: Script,
    /// Reads a session.
    pub(super) load: Script,
    /// Notes the use of a session.
    pub(super) touch: Script,
    /// Ends a session that is too old.
    pub(super) expire: Script,
    /// Ends a session.
    pub(super) end: Script,
    /// Notes something of a session.
    pub(super) note: Script,
    /// Adds to a stream.
    pub(super) say: Script,
    /// Ends a stream.
    pub(super) end_stream: Script,
    /// Reads a stream.
    pub(super) read: Script,
    /// Asks for a session with a backend.
    pub(super) enter: Script,
    /// Notes what came of opening one.
    pub(super) opened: Script,
    /// Asks to listen to a backend.
    pub(super) listen: Script,
    /// Stops using a session with a backend.
    pub(super) leave: Script,
    /// Asks to end a session with a backend.
    pub(super) release: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        let timed = |code: &str| Script::new(&format!("{}\n{code}", include_str!("scripts/clock.lua")));
        Self {
            create: timed(include_str!("scripts/create.lua")),
            load: timed(include_str!("scripts/load.lua")),
            touch: timed(include_str!("scripts/touch.lua")),
            expire: timed(include_str!("scripts/expire.lua")),
            end: Script::new(include_str!("scripts/end.lua")),
            note: Script::new(include_str!("scripts/note.lua")),
            say: timed(include_str!("scripts/say.lua")),
            end_stream: Script::new(include_str!("scripts/end_stream.lua")),
            read: Script::new(include_str!("scripts/read.lua")),
            enter: timed(include_str!("scripts/enter.lua")),
            opened: Script::new(include_str!("scripts/opened.lua")),
            listen: Script::new(include_str!("scripts/listen.lua")),
            leave: Script::new(include_str!("scripts/leave.lua")),
            release: Script::new(include_str!("scripts/release.lua")),
        }
    }
}
