//! A decoder for server-sent events (WHATWG HTML, section 9.2.6): bytes in, events out, no I/O.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// The type; `message` when the server names none.
    pub event: String,
    /// The data lines, joined by line feeds.
    pub data: String,
    /// The last event id that the server has set, on this event or an earlier one.
    pub id: Option<String>,
}

/// An event is larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is larger than {0} bytes")]
pub struct EventTooLarge(usize);

/// Turns the bytes of a stream, in whatever pieces they come, into events.
#[derive(Debug)]
pub struct SseDecoder {
    max_bytes: usize,
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no line end.
    scanned: usize,
    at_start: bool,
    /// The last line ended with a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    event: String,
    data: Vec<u8>,
    has_data: bool,
    id: Option<String>,
    retry: Option<u64>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl SseDecoder {
    /// A decoder that refuses events of more than `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            buffer: Vec::new(),
            scanned: 0,
            at_start: true,
            after_return: false,
            event: String::new(),
            data: Vec::new(),
            has_data: false,
            id: None,
            retry: None,
        }
    }

    /// Takes the next piece of the stream and returns the events that it completes.
    ///
    /// Events without data set the id and nothing else, as the standard asks.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<SseEvent>, EventTooLarge> {
        self.buffer.extend_from_slice(piece);
        if self.at_start {
            if self.buffer.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.buffer) {
                return Ok(Vec::new());
            }
            self.at_start = false;
            if self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.buffer.drain(..BYTE_ORDER_MARK.len());
            }
        }
        let mut events = Vec::new();
        let buffer = std::mem::take(&mut self.buffer);
        let mut start = 0;
        let mut scan = self.scanned;
        while scan < buffer.len() {
            match buffer[scan] {
                b'\n' if self.after_return && scan == start => {
                    self.after_return = false;
                    scan += 1;
                    start = scan;
                }
                end @ (b'\n' | b'\r') => {
                    events.extend(self.line(&buffer[start..scan])?);
                    self.after_return = end == b'\r';
                    scan += 1;
                    start = scan;
                }
                _ => {
                    self.after_return = false;
                    scan += 1;
                }
            }
        }
        // A line that goes on stays where it is: copied at every piece, a long one in small pieces would cost its square.
        self.buffer = buffer;
        self.buffer.drain(..start);
        self.scanned = self.buffer.len();
        self.check_size(self.buffer.len())?;
        Ok(events)
    }

    /// The id of the last event, to resume after.
    pub fn last_id(&self) -> Option<&str> {
        self.id.as_deref().filter(|id| !id.is_empty())
    }

    /// The reconnection time that the server asked for, in milliseconds.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    fn check_size(&self, more: usize) -> Result<(), EventTooLarge> {
        if self.data.len() + more > self.max_bytes { Err(EventTooLarge(self.max_bytes)) } else { Ok(()) }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<SseEvent>, EventTooLarge> {
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        // Whatever it holds: whether a long comment is refused must not depend on the pieces in which it comes.
        self.check_size(line.len())?;
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            // A comment.
            Some(0) => return Ok(None),
            Some(colon) => (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..])),
            None => (line, &b""[..]),
        };
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => self.event = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => self.id = Some(String::from_utf8_lossy(value).into_owned()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            }
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        Some(SseEvent {
            event: if event.is_empty() { "message".to_owned() } else { event },
            data: String::from_utf8_lossy(&data).into_owned(),
            id: self.id.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut decoder = SseDecoder::new(1 << 16);
        pieces.iter().flat_map(|piece| decoder.push(piece).unwrap()).map(|event| (event.event, event.data)).collect()
    }

    fn one(event: &str, data: &str) -> Vec<(String, String)> {
        vec![(event.to_owned(), data.to_owned())]
    }

    #[test]
    fn an_event_ends_with_an_empty_line() {
        assert_eq!(decode(&[b"data: a\n"]), vec![]);
        assert_eq!(decode(&[b"data: a\n\n"]), one("message", "a"));
        assert_eq!(decode(&[b"event: endpoint\ndata: /messages\n\n"]), one("endpoint", "/messages"));
    }

    #[test]
    fn all_line_ends_are_taken() {
        for text in
            ["data: a\ndata: b\n\n", "data: a\r\ndata: b\r\n\r\n", "data: a\rdata: b\r\r", "data: a\r\ndata: b\n\r"]
        {
            assert_eq!(decode(&[text.as_bytes()]), one("message", "a\nb"), "{text:?}");
        }
    }

    #[test]
    fn a_carriage_return_and_its_line_feed_may_come_apart() {
        assert_eq!(decode(&[b"data: a\r", b"\n\r", b"\n"]), one("message", "a"));
    }

    #[test]
    fn a_byte_order_mark_is_skipped_even_in_pieces() {
        assert_eq!(decode(&[b"\xef\xbb\xbfdata: a\n\n"]), one("message", "a"));
        assert_eq!(decode(&[b"\xef", b"\xbb", b"\xbfdata: a\n\n"]), one("message", "a"));
    }

    #[test]
    fn comments_unknown_fields_and_events_without_data_are_no_events() {
        assert_eq!(decode(&[b": keep-alive\n\nnonsense: 1\n\nevent: x\nid: 7\n\n"]), vec![]);
    }

    #[test]
    fn only_one_space_after_the_colon_is_dropped() {
        assert_eq!(decode(&[b"data:  a \n\n"]), one("message", " a "));
        assert_eq!(decode(&[b"data:a\n\n"]), one("message", "a"));
        assert_eq!(decode(&[b"data\n\n"]), one("message", ""));
    }

    #[test]
    fn id_and_retry_are_kept() {
        let mut decoder = SseDecoder::new(100);
        let events = decoder.push(b"id: 7\nretry: 1500\ndata: a\n\ndata: b\n\n").unwrap();
        assert_eq!(events[1].id.as_deref(), Some("7"));
        assert_eq!((decoder.last_id(), decoder.retry()), (Some("7"), Some(1500)));
        decoder.push(b"retry: 1x\nid\n\n").unwrap();
        assert_eq!((decoder.last_id(), decoder.retry()), (None, Some(1500)));
    }

    #[test]
    fn an_event_beyond_the_limit_is_refused() {
        assert!(SseDecoder::new(8).push(b"data: 123456789").is_err());
        let mut decoder = SseDecoder::new(12);
        decoder.push(b"data: 123\n").unwrap();
        assert!(decoder.push(b"data: 456789\n").is_err());
    }

    #[test]
    fn a_line_beyond_the_limit_is_refused_whatever_its_pieces() {
        for line in [": a comment", "unknown: x", "data: x", "id: 12345"] {
            let stream = format!("{line}\n");
            assert!(SseDecoder::new(line.len()).push(stream.as_bytes()).is_ok());
            assert!(SseDecoder::new(line.len() - 1).push(stream.as_bytes()).is_err(), "{line}");
            let mut decoder = SseDecoder::new(line.len() - 1);
            assert!(stream.as_bytes().iter().any(|byte| decoder.push(&[*byte]).is_err()), "{line}");
        }
    }

    #[test]
    fn a_long_line_may_come_byte_by_byte() {
        let mut decoder = SseDecoder::new(8 << 20);
        let line = format!("data: {}", "x".repeat(2 << 20));
        for byte in line.as_bytes() {
            assert!(decoder.push(&[*byte]).unwrap().is_empty());
        }
        assert_eq!(decoder.push(b"\n\n").unwrap()[0].data.len(), 2 << 20);
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            text in "(data: [a-z\u{e9}]{0,5}|event: [a-z]{1,3}|id: [0-9]|:x|\u{feff}|retry: 5|)(\n|\r|\r\n){1,2}".prop_map(|text| text.repeat(3)),
            cuts in proptest::collection::vec(0_usize..60, 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            prop_assert_eq!(decode(&pieces), decode(&[bytes]));
        }

        #[test]
        fn no_bytes_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..10)) {
            let mut decoder = SseDecoder::new(64);
            for piece in pieces {
                if decoder.push(&piece).is_err() {
                    break;
                }
            }
        }

        #[test]
        fn data_survives(lines in proptest::collection::vec("[^\r\n]{0,30}", 1..5)) {
            let text = lines.iter().fold(String::new(), |text, line| text + "data: " + line + "\n") + "\n";
            prop_assert_eq!(decode(&[text.as_bytes()]), one("message", &lines.join("\n")));
        }
    }
}
