//! The engine's clock, which goes by tokio's.

use std::time::Duration;

use tokenkeep::{Clock, Moment};
use tokio::time::Instant;

/// Stands still with tokio's clock, and jumps with it.
#[derive(Debug)]
pub(crate) struct PausedClock {
    begun: Instant,
}

impl PausedClock {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now() }
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Moment {
        Moment { wall_ms: START_WALL_MS, boot_ms: START_BOOT_MS }.plus(self.begun.elapsed())
    }

    fn boot_id(&self) -> &'static str {
        "paused"
    }
}

/// The minute in which something lies.
pub(crate) fn minute(since: Duration) -> usize {
    usize::try_from(since.as_secs() / 60).unwrap_or(usize::MAX).min(MINUTES - 1)
}

/// What is looked at.
pub(crate) const MINUTES: usize = 120;
const START_BOOT_MS: i64 = 1_000_000;
const START_WALL_MS: i64 = 1_800_000_000_000;
