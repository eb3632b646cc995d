//! The fields of a line for a log without colors: `name=value`, text in quotes.
//!
//! They look as those of `tracing-subscriber` do, whose own way prepares each word for being colored and takes four times
//! as long: a broker writes a line for each token that it hands out. Nothing of a value can begin a line or steer a
//! terminal.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes fields without colors.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_empty: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'w> {
    writer: Writer<'w>,
    is_empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn add(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        self.result = self.result.and_then(|()| {
            if !std::mem::take(&mut self.is_empty) {
                self.writer.write_char(' ')?;
            }
            if field.name() != MESSAGE {
                self.writer.write_str(field.name().trim_start_matches("r#"))?;
                self.writer.write_char('=')?;
            }
            write(&mut self.writer)
        });
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |writer| match value {
            _ if field.name() == MESSAGE => Escaping(writer).write_str(value),
            _ if value.bytes().all(is_plain) => {
                writer.write_char('"')?;
                writer.write_str(value)?;
                writer.write_char('"')
            }
            _ => write!(Escaping(writer), "{value:?}"),
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |writer| write!(writer, "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, |writer| write!(Escaping(writer), "{value:?}"));
    }
}

/// Shows control characters by their numbers.
struct Escaping<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, control)) = rest.char_indices().find(|(_, c)| c.is_control()) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", control.escape_debug())?;
            rest = &rest[at + control.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// Whether a character stands for itself between quotes.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

const MESSAGE: &str = "message";

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::{Level, info};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Log {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// The lines of a log with these fields and with those of the library.
    fn lines(write: impl Fn()) -> [String; 2] {
        let (ours, theirs) = (Log::default(), Log::default());
        let log = || tracing_subscriber::fmt().without_time().with_max_level(Level::INFO).with_ansi(false);
        tracing::subscriber::with_default(log().fmt_fields(PlainFields).with_writer(ours.clone()).finish(), &write);
        tracing::subscriber::with_default(log().with_writer(theirs.clone()).finish(), &write);
        [ours, theirs].map(|log| String::from_utf8(log.0.lock().unwrap().clone()).unwrap())
    }

    #[test]
    fn a_line_looks_as_the_library_writes_it() {
        let error = io::Error::other("no \"room\"");
        let [ours, theirs] = lines(|| {
            info!(target: "audit", key = "bluestakes:1", %error, count = 7_u64, left = -1, is_it = true, "it is {}", "so");
            info!(none = None::<&str>, text = "say \"ü\" \\", path = ?std::path::Path::new("/a b"), r#type = "x", "a\tb");
            info!(only = 1.5);
            info!("");
        });
        assert_eq!(ours.replace("a\\tb", "a\tb"), theirs);
    }

    #[test]
    fn no_value_begins_a_line_or_steers_a_terminal() {
        let [ours, _] = lines(|| {
            let text = "a\nb\u{1b}[2J\u{9b}c";
            info!(shown = %text, quoted = text, debug = ?text, "message {text}");
            let error: &dyn std::error::Error = &io::Error::other(text);
            info!(error);
        });
        assert_eq!(ours.lines().count(), 2, "{ours}");
        assert!(ours.chars().all(|c| c == '\n' || !c.is_control()), "{ours}");
    }
}
