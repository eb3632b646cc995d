//! What is read from stdin: lines that a person types, or all that another program writes.
//!
//! The hard problem is a signal while a person types a password: the terminal would stay silent. So stdin is read on a
//! thread of its own, which is left to itself when nobody waits for it any more, and whoever waits has the terminal's
//! silence in the future that a signal drops.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, StdinLock, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokenkeep::Secret;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::exit::Failure;

/// Whether a person is at stdin.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// A line; a person is asked for it.
pub(crate) async fn line(prompt: &str) -> Result<String, Failure> {
    Ok(read_line(prompt).await?.to_string())
}

/// A line that is not shown while it is typed. Cancel safe, but for what was typed.
pub(crate) async fn secret_line(prompt: &str) -> Result<Secret, Failure> {
    let silence = Silence::begin();
    let line = read_line(prompt).await;
    drop(silence);
    Ok(Secret::new(line?.as_str()))
}

/// All of stdin.
pub(crate) async fn all() -> Result<Secret, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(1024));
    let text = read(move |stdin| stdin.take(MAX_INPUT).read_to_string(&mut text).map(|_| text)).await?;
    Ok(Secret::new(text.as_str()))
}

async fn read_line(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if is_terminal() {
        write!(io::stderr(), "{prompt}").and_then(|()| io::stderr().flush()).ok();
    }
    let mut line = Zeroizing::new(String::with_capacity(1024));
    let mut line = read(move |stdin| stdin.take(MAX_INPUT).read_line(&mut line).map(|_| line)).await?;
    let length = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(length);
    Ok(line)
}

async fn read<T: Send + 'static>(
    act: impl FnOnce(StdinLock<'static>) -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let done = spawn_blocking(|| act(io::stdin().lock())).await;
    done.unwrap_or_else(|error| Err(error.into())).map_err(|error| unreadable(&error))
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read stdin: {}", error.kind()), "give text on stdin, e.g. with < FILE")
}

/// The terminal shows nothing of what is typed until this is dropped.
struct Silence(Termios);

impl Silence {
    /// `None` where stdin is no terminal, or one that cannot be silent.
    fn begin() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent).ok()?;
        Some(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
        // The Enter was not shown either.
        writeln!(io::stderr()).ok();
    }
}

/// More than any credentials.
const MAX_INPUT: u64 = 1024 * 1024;
