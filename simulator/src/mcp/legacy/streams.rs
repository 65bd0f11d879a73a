//! The event streams of one session: those that a client opens for whatever the server has to say, and those that answer a request.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::replay::{EventId, ReplayLog};
use crate::wire::server_sent_event;

/// Messages that wait for a slow reader of a stream; further ones are lost, as on a connection that broke.
const STREAM_BUFFER: usize = 256;
/// General streams of one session; a further one ends the oldest.
const MOST_GENERAL: usize = 8;

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlet {
    /// The newest stream that is not for one request.
    General,
    /// The stream that answers a request.
    Own(u64),
}

/// All streams of a session.
pub(super) struct Streams {
    all: BTreeMap<u64, Stream>,
    next: u64,
    /// What clients can resume, where they can.
    log: Option<ReplayLog>,
}

struct Stream {
    is_general: bool,
    /// `None` while the client is away.
    reader: Option<mpsc::Sender<Bytes>>,
    next_event: u64,
}

impl Stream {
    fn is_read(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| !reader.is_closed())
    }
}

impl Streams {
    pub(super) fn new(resumable: bool) -> Self {
        Self { all: BTreeMap::new(), next: 0, log: resumable.then(ReplayLog::default) }
    }

    /// Opens a stream that belongs to no request. `primed`: it begins with an event that says where to resume.
    pub(super) fn open_general(&mut self, primed: bool) -> mpsc::Receiver<Bytes> {
        if self.log.is_none() {
            self.all.retain(|_, stream| !stream.is_general || stream.is_read());
        }
        let general: Vec<u64> = self.all.iter().filter(|(_, stream)| stream.is_general).map(|(id, _)| *id).collect();
        if general.len() >= MOST_GENERAL {
            self.all.remove(&general[0]);
        }
        self.open(true, STREAM_BUFFER, primed).1
    }

    /// Opens the stream that answers a request with at most so many messages.
    pub(super) fn open_own(&mut self, messages: usize, primed: bool) -> (Outlet, mpsc::Receiver<Bytes>) {
        // Two more, for the events with which streams begin and pause.
        let (id, events) = self.open(false, messages + 2, primed);
        (Outlet::Own(id), events)
    }

    fn open(&mut self, is_general: bool, buffer: usize, primed: bool) -> (u64, mpsc::Receiver<Bytes>) {
        let (reader, events) = mpsc::channel(buffer);
        let id = self.next;
        self.next += 1;
        self.all.insert(id, Stream { is_general, reader: Some(reader), next_event: 0 });
        if primed && self.log.is_some() {
            self.emit(id, &Bytes::from_static(b"data: \n\n"));
        }
        (id, events)
    }

    /// Sends a message on one stream, and on no other; `false` when nobody reads it and nobody can come back for it.
    pub(super) fn send(&mut self, outlet: Outlet, message: &str) -> bool {
        self.send_event(outlet, &server_sent_event("message", message))
    }

    /// Sends a whole event.
    pub(super) fn send_event(&mut self, outlet: Outlet, event: &Bytes) -> bool {
        match outlet {
            Outlet::Own(id) => self.emit(id, event),
            Outlet::General => {
                let general = || self.all.iter().rev().filter(|(_, stream)| stream.is_general);
                let read = general().find(|(_, stream)| stream.is_read()).or_else(|| general().next());
                let id = read.map(|(id, _)| *id);
                id.is_some_and(|id| self.emit(id, event))
            }
        }
    }

    fn emit(&mut self, id: u64, event: &Bytes) -> bool {
        let Some(stream) = self.all.get_mut(&id) else { return false };
        let mut event = event.clone();
        if let Some(log) = &mut self.log {
            let id = EventId { stream: id, number: stream.next_event };
            stream.next_event += 1;
            event = [format!("id: {id}\n").as_bytes(), &event].concat().into();
            log.record(id, event.clone());
        }
        let sent = stream.reader.as_ref().is_some_and(|reader| reader.try_send(event).is_ok());
        sent || self.log.is_some()
    }

    /// Ends the connection of a stream that goes on when the client resumes it, after `retry` at the earliest.
    pub(super) fn disconnect(&mut self, outlet: Outlet, retry: Option<Duration>) {
        let Outlet::Own(id) = outlet else { return };
        if let Some(reader) = self.all.get_mut(&id).and_then(|stream| stream.reader.take())
            && let Some(retry) = retry
        {
            // A client that has left needs no hint.
            let _sent = reader.try_send(format!("retry: {}\n\n", retry.as_millis()).into());
        }
    }

    /// Ends the stream that answered a request.
    pub(super) fn finish(&mut self, outlet: Outlet) {
        if let Outlet::Own(id) = outlet {
            self.all.remove(&id);
        }
    }

    /// Goes on with the stream of the event `last`: first with what came after it. `None` when that event is not known.
    pub(super) fn resume(&mut self, last: EventId) -> Option<mpsc::Receiver<Bytes>> {
        let missed = self.log.as_ref()?.after(last)?;
        let (reader, events) = mpsc::channel(missed.len() + STREAM_BUFFER);
        for event in missed {
            // The channel is new and has room for all.
            let _sent = reader.try_send(event);
        }
        // One that has ended is not there any more: then the reader goes, and what was missed is all.
        if let Some(stream) = self.all.get_mut(&last.stream) {
            stream.reader = Some(reader);
        }
        Some(events)
    }

    /// Ends all.
    pub(super) fn close(&mut self) {
        self.all.clear();
    }
}
