//! What is recorded in files: the answers of issuers, and what a user then sees.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tokenkeep::{Clock, Error, Moment, Token};

use super::Playback;

/// Head and body to play back, with plain line feeds, or the head of a file and the body of another. `Content-Length` is
/// added unless a header says how the body ends.
pub(crate) fn recorded(answer: &Path, body: &Path) -> (Vec<u8>, Vec<u8>) {
    let text = fs::read(answer).unwrap();
    let blank_line = text.windows(2).position(|pair| pair == b"\n\n");
    if blank_line.is_none() && !text.ends_with(b"\n") {
        return (String::from_utf8(text).unwrap().replace('\n', "\r\n").into_bytes(), Vec::new());
    }
    let split = blank_line.unwrap_or(text.len() - 1);
    let head = std::str::from_utf8(&text[..split]).unwrap().replace('\n', "\r\n");
    let body = fs::read(body).unwrap_or_else(|_| text.get(split + 2..).unwrap_or_default().to_vec());
    let lower = head.to_ascii_lowercase();
    let framed = ["content-length:", "transfer-encoding:", "connection: close"].iter().any(|how| lower.contains(how));
    let length = if framed { String::new() } else { format!("\r\nContent-Length: {}", body.len()) };
    (format!("{head}{length}\r\n\r\n").into_bytes(), body)
}

/// A file without its lines that begin with `#`.
pub(crate) fn without_comments(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect()
}

/// A token in the words of `expected.txt`.
pub(crate) fn tell_token(told: &mut String, token: &Token) {
    let authorization = token.authorization();
    writeln!(told, "authorization: {}", authorization.to_str().unwrap()).unwrap();
    if let Some(scope) = token.scope() {
        writeln!(told, "scope: {scope}").unwrap();
    }
    writeln!(told, "expires_in: {} s", token.expires_in().unwrap().as_secs_f32()).unwrap();
}

/// An error in the words of `expected.txt`.
pub(crate) fn tell_error(told: &mut String, error: &Error, issuer: &Playback) {
    let debug = format!("{error:?} {error}");
    assert!(!debug.contains("planted"), "{debug}");
    writeln!(told, "error: {}", error.code()).unwrap();
    writeln!(told, "what: {}", error.what().replace(&issuer.address().to_string(), "HOST")).unwrap();
    if let Some(next) = error.next() {
        writeln!(told, "next: {next}").unwrap();
    }
    if let Some(after) = error.retry_after().filter(|after| after.as_secs() > 1) {
        writeln!(told, "retry_after: {} s", after.as_secs()).unwrap();
    }
}

/// A clock that stands still at noon of 1 January 2026.
#[derive(Debug)]
pub(crate) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Moment {
        Moment { wall_ms: 1_767_268_800_000, boot_ms: 1_000_000 }
    }

    fn boot_id(&self) -> &'static str {
        "boot"
    }
}
