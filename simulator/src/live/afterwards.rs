//! What becomes of a request after its answer has begun: the journal has its entry already, and tells the rest in another.

use tokio::sync::mpsc;

use super::LiveWorld;
use crate::journal::JournalEntry;
use crate::wire::Received;

/// An entry about what became of a request to `server`.
pub(super) fn entry(received: &Received, server: Option<String>) -> JournalEntry {
    let Received { at, host, connection, .. } = received;
    let mut entry = JournalEntry::connection(*at, host, received.url(), connection.peer);
    entry.server = server;
    entry.path.clone_from(&received.path);
    entry.tls.clone_from(&connection.tls);
    entry
}

/// Notes the failures of the request of the journal's entry `sequence` as they come, until there can be none any more.
pub(super) fn note_failures(
    world: &LiveWorld,
    received: &Received,
    server: Option<String>,
    sequence: u64,
    mut failures: mpsc::Receiver<String>,
) {
    let (journal, clock, entry) = (world.journal.clone(), world.clock.clone(), entry(received, server));
    tokio::spawn(async move {
        while let Some(failure) = failures.recv().await {
            let mut entry = entry.clone();
            entry.at = clock.now();
            entry.verdict = Some(format!("request {sequence} failed after its answer had begun: {failure}"));
            entry.fails = Some(sequence);
            journal.record(entry);
        }
    });
}
