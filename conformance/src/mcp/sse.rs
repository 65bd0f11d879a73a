//! Server-sent events (WHATWG HTML, 9.2), as far as MCP uses them.

use serde::Serialize;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its type; `message` when none is given.
    pub event: String,
    /// The lines of data, joined.
    pub data: String,
}

/// Turns bytes into events, however they are cut.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    after_return: bool,
    event: Option<String>,
    data: Option<String>,
}

impl Decoder {
    /// Takes bytes and returns the events that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    let line = String::from_utf8_lossy(&line);
                    events.extend(self.line(line.trim_start_matches('\u{feff}')));
                }
                _ => {
                    self.after_return = false;
                    self.line.push(*byte);
                }
            }
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = self.event.take().unwrap_or_else(|| "message".to_owned());
            return self.data.take().map(|data| Event { event, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => self.event = Some(value.to_owned()).filter(|event| !event.is_empty()),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", data) => *data = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&str]) -> Vec<String> {
        let mut decoder = Decoder::default();
        chunks.iter().flat_map(|chunk| decoder.feed(chunk.as_bytes())).map(|event| event.data).collect()
    }

    #[test]
    fn events_survive_any_cut_and_any_line_end() {
        assert_eq!(decode(&["data: a\r", "\ndata: b\r\n\r\n: comment\nda", "ta:c\n\n"]), ["a\nb", "c"]);
    }

    #[test]
    fn an_event_without_data_is_none() {
        assert!(decode(&["id: 1\n\n", "event: endpoint\n\n"]).is_empty());
    }

    #[test]
    fn the_type_of_an_event_is_its_own() {
        let events = Decoder::default().feed(b"event: endpoint\ndata: /a\n\ndata: b\n\n");
        let events: Vec<_> = events.iter().map(|event| (event.event.as_str(), event.data.as_str())).collect();
        assert_eq!(events, [("endpoint", "/a"), ("message", "b")]);
    }
}
