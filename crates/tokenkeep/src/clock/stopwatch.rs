//! How long something takes, for people to look at. Nothing is decided by it, so it need not be told the time.

use std::time::{Duration, Instant};

/// Runs from its making on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock's own module; the coarse clocks are too coarse for a store"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it has run.
    pub(crate) fn read(self) -> Duration {
        self.0.elapsed()
    }
}
