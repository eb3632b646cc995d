//! All that is printed: data to stdout, talk to stderr, colours to terminals only.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use tokenkeep::{Code, Error};
use tokenkeep_api::TokenAnswer;

use crate::exit::Failure;

/// Prints data.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n"));
    written.and_then(|()| stdout.flush()).map_err(not_written)
}

/// Prints data as it is: nothing is added, and what looks like a colour stays.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(not_written)
}

#[expect(clippy::needless_pass_by_value, reason = "so it fits where an error is mapped")]
fn not_written(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::Error(
            Error::new(Code::Internal, format!("cannot write to stdout: {error}")).with_next("check where it goes to"),
        ),
    }
}

/// Makes room for what comes next; where that is no terminal, by an empty line.
pub(crate) fn clear_screen() -> Result<(), Failure> {
    data(if io::stdout().is_terminal() { "\x1b[2J\x1b[H" } else { "" })
}

/// Prints data as JSON.
pub(crate) fn json(data_: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(data_).map_err(|error| Failure::internal("cannot write JSON", &error))?;
    data(&harmless(&text))
}

/// Prints data as JSON on one line, for one of many.
pub(crate) fn json_line(data_: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(data_).map_err(|error| Failure::internal("cannot write JSON", &error))?;
    data(&harmless(&text))
}

/// The same JSON with what could steer a terminal escaped: only strings hold such characters, but for the ends of lines.
fn harmless(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut text, c| {
        match c {
            '\n' => text.push(c),
            _ if steers(c) => text.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            _ => text.push(c),
        }
        text
    })
}

/// Says something to the person at the terminal.
pub(crate) fn talk(text: &str) {
    // Nobody can be told that stderr does not work.
    writeln!(anstream::stderr(), "{text}").ok();
}

/// Says what went wrong, and what to try.
pub(crate) fn error(what: &str, next_: Option<&str>) {
    labelled("error", AnsiColor::Red, what);
    if let Some(advice) = next_ {
        next(advice);
    }
}

/// Says what to try.
pub(crate) fn next(advice: &str) {
    labelled("next", AnsiColor::Cyan, advice);
}

/// Says what is not as it should be, though it works.
pub(crate) fn warning(what: &str) {
    labelled("warning", AnsiColor::Yellow, what);
}

/// Says what is not as it should be though there is this token.
pub(crate) fn warnings_of(token: &TokenAnswer) {
    for told in &token.warnings {
        warning(&on_one_line(&format!("{}: {}", token.key, told.detail)));
    }
}

/// What somebody else said, with its control characters escaped: it can neither begin a line nor steer the terminal.
pub(crate) fn on_one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if steers(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        line
    })
}

/// Whether a terminal does something else than show it: it obeys it, ends a line, or turns the order of others around.
fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Says what was done to a key, and how a name was understood that is not the whole of it.
pub(crate) fn done(name: &str, key: &str, what: &str) {
    if name != key {
        let provider = key.split(':').next().unwrap_or_default();
        let taken = format!("{key}: `{name}` is no provider, so it was taken as an account of {provider}");
        talk(&on_one_line(&taken));
    }
    talk(&on_one_line(&format!("{key}: {what}")));
}

fn labelled(label: &str, color: AnsiColor, text: &str) {
    let style = color.on_default().bold();
    talk(&format!("{style}{label}{style:#}: {text}"));
}

/// So many of something, e.g. `1 call`, `2 calls`.
pub(crate) fn counted(count: impl Display, what: &str) -> String {
    let count = count.to_string();
    format!("{count} {what}{}", if count == "1" { "" } else { "s" })
}

/// Prints a table: fitted to the width of a terminal, else plain columns with each row on one line. What could steer a
/// terminal is escaped.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<(), Failure> {
    let escaped = |row: Vec<String>| row.iter().map(|cell| on_one_line(cell)).collect::<Vec<_>>();
    let rows: Vec<_> = rows.into_iter().map(escaped).collect();
    let words: Vec<_> = (0..header.len()).map(|at| longest_word(header, &rows, at)).collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec()).add_rows(rows);
    match terminal_width() {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for (at, (column, word)) in table.column_iter_mut().zip(words).enumerate() {
        column.set_padding((0, GAP));
        if at + PROSE < header.len() {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(word.min(LONGEST_WORD) + GAP)));
        }
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let bold = Style::new().bold();
    match lines.split_first() {
        Some((header, rows)) => data(&format!("{bold}{header}{bold:#}\n{}", rows.join("\n"))),
        None => Ok(()),
    }
}

/// How long the longest word of a column is.
fn longest_word(header: &[&str], rows: &[Vec<String>], at: usize) -> u16 {
    let cells =
        header.get(at).copied().into_iter().chain(rows.iter().filter_map(|row| row.get(at)).map(String::as_str));
    let longest = cells.flat_map(str::split_whitespace).map(|word| word.chars().count()).max();
    longest.and_then(|longest| longest.try_into().ok()).unwrap_or(u16::MAX)
}

fn terminal_width() -> Option<u16> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    // Some terminals know no width and say 0.
    rustix::termios::tcgetwinsize(&stdout).ok().map(|size| size.ws_col).filter(|width| *width >= NARROWEST).or(Some(80))
}

/// Spaces between columns.
const GAP: u16 = 2;
/// The last columns hold sentences, which may be broken; the words of the others are kept whole.
const PROSE: usize = 2;
/// But for what would leave no room for a sentence.
const LONGEST_WORD: u16 = 20;
/// In less than this no table fits.
const NARROWEST: u16 = 40;
