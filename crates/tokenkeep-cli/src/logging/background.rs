//! Writes the log on a thread of its own, so that a request does not wait for whoever reads it.
//!
//! No line is lost: when too much waits to be written, whoever has something to say waits too. What waits is one text, so
//! a line costs its copy, and many lines are one call of the system.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Where lines go in. Clones are the same log.
#[derive(Debug, Clone)]
pub(super) struct BackgroundLog(Arc<Shared>);

/// Waits, when it is dropped, until all lines are written, or nobody has read any for a while.
#[derive(Debug)]
#[must_use]
pub(crate) struct LogEnd(Arc<Shared>);

/// Starts the thread, which lives as long as the process.
pub(super) fn start(to: impl Write + Send + 'static) -> (BackgroundLog, LogEnd) {
    let shared = Arc::new(Shared::default());
    let own = Arc::clone(&shared);
    let started = std::thread::Builder::new().name("log".into()).spawn(move || own.write_all(to));
    if let Err(error) = started {
        crate::output::warning(&format!("there is no log: {error}"));
        shared.lock().is_closed = true;
    }
    (BackgroundLog(Arc::clone(&shared)), LogEnd(shared))
}

impl Write for &BackgroundLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for BackgroundLog {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Drop for LogEnd {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_ending = true;
        self.0.ending.notify_one();
        while !state.waiting.is_empty() || state.is_writing {
            let (after, waited) = self.0.written.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return;
            }
            state = after;
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// There is room, or all is written.
    written: Condvar,
    /// What waits is to be written at once.
    ending: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    is_writing: bool,
    /// Somebody waits for all to be written.
    is_ending: bool,
    /// Nobody writes.
    is_closed: bool,
}

impl Shared {
    fn add(&self, line: &[u8]) {
        let mut state = self.lock();
        while state.waiting.len() >= MAX_WAITING {
            state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_closed {
            return;
        }
        if state.waiting.is_empty() {
            self.filled.notify_one();
        }
        state.waiting.extend_from_slice(line);
    }

    fn write_all(&self, mut to: impl Write) {
        let mut lines = Vec::new();
        let mut state = self.lock();
        loop {
            while state.waiting.is_empty() {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if !state.is_ending {
                // Whoever had to be woken for each line would take more time than the lines.
                let gathered = self.ending.wait_timeout(state, GATHERING);
                (state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut state.waiting, &mut lines);
            state.is_writing = true;
            drop(state);
            self.written.notify_all(); // there is room
            // There is no place to say that this fails.
            to.write_all(&lines).and_then(|()| to.flush()).ok();
            lines.clear();
            state = self.lock();
            state.is_writing = false;
            self.written.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many bytes may wait to be written.
const MAX_WAITING: usize = 4 * 1024 * 1024;
/// For how long lines are gathered before they are written together.
const GATHERING: Duration = Duration::from_millis(5);
/// How long, at the end, whoever reads the log may read nothing.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Each write waits for a permit.
    struct Held {
        permits: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Held {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            self.permits.recv().map_err(io::Error::other)?;
            self.written.lock().unwrap().extend_from_slice(lines);
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_line_is_lost_and_whoever_says_too_much_waits() {
        let (permit, permits) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let (log, end) = start(Held { permits, written: Arc::clone(&written) });
        let line = [b'x'; 1024];
        let lines = 3 * MAX_WAITING / line.len();
        let saying = std::thread::spawn(move || (0..lines).for_each(|_| log.make_writer().write_all(&line).unwrap()));
        while has_room(&end.0) {
            std::thread::yield_now();
        }
        assert!(!saying.is_finished());
        drop(std::thread::spawn(move || while permit.send(()).is_ok() {}));
        saying.join().unwrap();
        drop(end);
        assert_eq!(written.lock().unwrap().len(), lines * line.len());
    }

    fn has_room(shared: &Shared) -> bool {
        shared.lock().waiting.len() < MAX_WAITING
    }
}
