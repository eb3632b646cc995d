//! Writes the log on a thread of its own, so that a request does not wait for whoever reads it.
//!
//! No line is lost: when too much waits to be written, whoever has something to say waits too. Only when the program is to
//! end nobody waits: what finds no room then is counted. What waits is one text, so a line costs its copy, and many lines
//! are one call of the system.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// Where lines go in. Clones are the same log.
#[derive(Debug, Clone)]
pub(crate) struct BackgroundLog(Arc<Shared>);

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

impl BackgroundLog {
    /// Says something to the person at the terminal, among the lines of the log.
    pub(crate) fn talk(&self, text: &str) {
        self.0.add(format!("{text}\n").as_bytes());
    }

    /// From now on nobody waits for whoever reads the log: a line that finds no room is dropped.
    pub(crate) fn wait_no_more(&self) {
        self.0.lock().dropped.get_or_insert(0);
        self.0.written.notify_all();
    }
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

impl LogEnd {
    /// The log that this is the end of.
    pub(crate) fn log(&self) -> BackgroundLog {
        BackgroundLog(Arc::clone(&self.0))
    }
}

impl Drop for LogEnd {
    fn drop(&mut self) {
        let is_written = self.0.finish();
        let lines = self.0.lock().dropped.unwrap_or_default();
        if is_written && lines > 0 {
            warn!(lines, "lines of the log were dropped: nobody read it when the program was to end");
            self.0.finish();
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
    /// How many lines found no room, since nobody waits for any.
    dropped: Option<usize>,
    /// Nobody writes.
    is_closed: bool,
}

impl Shared {
    fn add(&self, line: &[u8]) {
        let mut state = self.lock();
        while state.waiting.len() >= MAX_WAITING {
            if let Some(dropped) = &mut state.dropped {
                *dropped += 1;
                return;
            }
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

    /// Waits until all lines are written: `false` if nobody has read any for a while.
    fn finish(&self) -> bool {
        let mut state = self.lock();
        state.is_ending = true;
        self.ending.notify_one();
        while !state.waiting.is_empty() || state.is_writing {
            let (after, waited) = self.written.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return false;
            }
            state = after;
        }
        true
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

    #[test]
    fn when_the_program_is_to_end_nobody_waits_and_what_finds_no_room_is_counted() {
        let (permit, permits) = mpsc::channel();
        let (log, end) = start(Held { permits, written: Arc::default() });
        let (saying, own) = (log.clone(), log.clone());
        let lines = 3 * MAX_WAITING / 1024;
        let saying = std::thread::spawn(move || (0..lines).for_each(|_| saying.talk(&"x".repeat(1023))));
        while has_room(&end.0) {
            std::thread::yield_now();
        }
        own.wait_no_more();
        saying.join().unwrap();
        assert!((1..lines).contains(&end.0.lock().dropped.unwrap()));
        drop(permit);
    }

    fn has_room(shared: &Shared) -> bool {
        shared.lock().waiting.len() < MAX_WAITING
    }
}
