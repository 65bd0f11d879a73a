//! What one replica tells the others about a session.

use super::Interest;
use serde::{Deserialize, Serialize};

/// Something that other replicas must know at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// The session has ended.
    Ended,
    /// The client has answered something that this replica did not ask: the message as it came.
    Answered(String),
    /// The client does not want the answer to a request that is not under way at this replica: its id, as JSON.
    Cancelled(String),
    /// Something was said on a stream.
    Said(u64),
    /// The client reads its own stream at this replica from now on, or not any more.
    Reading(bool),
    /// What the client wants to hear of has changed.
    Interest(Interest),
    /// A session with a backend was opened, was not, or is listened to no more.
    Backend,
    /// A backend says, with a notification of this method, that lists of its own have changed.
    ListsChanged {
        /// The backend.
        backend: String,
        /// The method.
        method: String,
    },
    /// What a backend tells or asks the client while a request of the client's is under way, to be told on the stream of its answer: the
    /// message as the client gets it.
    Meanwhile {
        /// The backend.
        backend: String,
        /// The message.
        message: String,
    },
}

/// A signal with whose it is and who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// The session's id.
    pub(crate) id: String,
    /// The replica that sent it.
    pub(crate) from: String,
    /// What is told.
    pub(crate) signal: Signal,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::catalog::Level;
    use proptest::prelude::*;

    fn signals() -> impl Strategy<Value = Signal> {
        prop_oneof![
            Just(Signal::Ended),
            ".*".prop_map(Signal::Answered),
            ".*".prop_map(Signal::Cancelled),
            any::<u64>().prop_map(Signal::Said),
            any::<bool>().prop_map(Signal::Reading),
            (".*", ".*").prop_map(|(uri, backend)| Signal::Interest(Interest::Subscribed { uri, backend })),
            ".*".prop_map(|uri| Signal::Interest(Interest::Unsubscribed { uri })),
            Just(Signal::Interest(Interest::Level(Level::Alert))),
            Just(Signal::Backend),
            (".*", ".*").prop_map(|(backend, method)| Signal::ListsChanged { backend, method }),
            (".*", ".*").prop_map(|(backend, message)| Signal::Meanwhile { backend, message }),
        ]
    }

    proptest! {
        #[test]
        fn a_letter_is_read_as_it_was_written(id in ".*", from in ".*", signal in signals()) {
            let letter = Letter { id, from, signal };
            let text = serde_json::to_vec(&letter).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Letter>(&text).unwrap(), letter);
        }
    }
}
