//! Reads server-sent events, as the HTML standard has them, from bytes that come in any pieces.

use std::time::Duration;

use zeroize::Zeroizing;

/// What was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Its kind; `message` if it names none.
    pub(super) kind: String,
    /// Its lines, with line feeds between.
    pub(super) data: Zeroizing<String>,
    /// The last id that was sent up to its end.
    pub(super) id: Option<String>,
}

/// Puts pieces together. An event may hold a secret, so what was read is wiped.
#[derive(Default)]
pub(super) struct EventReader {
    /// What has come and is not read yet.
    buffer: Zeroizing<Vec<u8>>,
    /// How much of it was looked at and has no end of a line.
    searched: usize,
    /// Whether the last line ended with a carriage return: a line feed after it belongs to it.
    is_after_return: bool,
    kind: String,
    data: Zeroizing<String>,
    id: Option<String>,
    retry: Option<Duration>,
}

/// An event is longer than any token can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl EventReader {
    /// Takes what has come.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.buffer.len() + self.data.len() + bytes.len() > MAX_EVENT {
            return Err(TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// After how long whoever sends this wants to be asked again when the connection ends, if that was said.
    pub(super) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The next event that is there as a whole.
    pub(super) fn next(&mut self) -> Option<Event> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                let kind = std::mem::take(&mut self.kind);
                let mut data = std::mem::take(&mut self.data);
                if data.pop().is_some() {
                    let kind = if kind.is_empty() { "message".to_owned() } else { kind };
                    return Some(Event { kind, data, id: self.id.clone() });
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.kind),
                "data" => {
                    self.data.push_str(value);
                    self.data.push('\n');
                }
                "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
                "retry" => self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry),
                // A line without a field's name is a comment; what is not known is passed over.
                _ => {}
            }
        }
        None
    }

    /// The next whole line without its end, which is CR, LF or both.
    fn line(&mut self) -> Option<Zeroizing<String>> {
        if self.is_after_return && self.buffer.first() == Some(&b'\n') {
            self.buffer.remove(0);
            self.is_after_return = false;
        }
        let end = self.buffer[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(end) = end.map(|end| end + self.searched) else {
            self.searched = self.buffer.len();
            return None;
        };
        self.is_after_return = self.buffer[end] == b'\r';
        self.searched = 0;
        let line = Zeroizing::new(String::from_utf8_lossy(&self.buffer[..end]).into_owned());
        self.buffer.drain(..=end);
        Some(line)
    }
}

/// In bytes.
const MAX_EVENT: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, data: &str, id: &str) -> Event {
        Event { kind: kind.to_owned(), data: Zeroizing::new(data.to_owned()), id: Some(id.to_owned()) }
    }

    fn all(reader: &mut EventReader) -> Vec<Event> {
        std::iter::from_fn(|| reader.next()).collect()
    }

    #[test]
    fn events_are_the_same_in_whatever_pieces_they_come_and_however_lines_end() {
        let text = ": hello\nretry: 1500\nid: 7\nevent: token\ndata: {\"a\":1}\n\n:\n\ndata:one\ndata: two\nid:8\nodd\nretry: soon\n\nevent: nothing\n\n";
        let expected = [event("token", "{\"a\":1}", "7"), event("message", "one\ntwo", "8")];
        for end in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', end);
            for size in 1..text.len() {
                let mut reader = EventReader::default();
                let mut events = Vec::new();
                for piece in text.as_bytes().chunks(size) {
                    reader.push(piece).unwrap();
                    events.extend(all(&mut reader));
                }
                assert_eq!(events, expected, "{end:?} {size}");
                assert_eq!(reader.retry(), Some(Duration::from_millis(1500)));
            }
        }
    }

    #[test]
    fn an_event_that_was_cut_off_is_none() {
        let mut reader = EventReader::default();
        reader.push(b"event: token\ndata: half\n").unwrap();
        assert_eq!(all(&mut reader), []);
    }

    #[test]
    fn what_never_ends_is_not_kept_for_ever() {
        let mut reader = EventReader::default();
        let long = vec![b'a'; 64 * 1024];
        assert!((0..=16).any(|_| reader.push(&long).is_err()));
        let mut reader = EventReader::default();
        let lines = (0..=16).any(|_| {
            let line = [b"data: ", &*long, b"\n"].concat();
            let pushed = reader.push(&line);
            assert_eq!(reader.next(), None);
            pushed.is_err()
        });
        assert!(lines);
    }
}
