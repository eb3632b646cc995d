//! A clock that stands still until it is told otherwise.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Moment};

/// A clock for tests, on both of its sides moved by hand.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Moment>,
    boot: u32,
    boot_id: String,
}

impl ManualClock {
    /// Some day, some time after the first boot.
    pub fn new() -> Self {
        Self::booted(1, 1_700_000_000_000)
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.change(|now| now.plus(by));
    }

    /// Sets the wall clock back, as a person or a time server does.
    pub fn set_wall_back(&self, by: Duration) {
        self.change(|now| Moment { wall_ms: now.minus(by).wall_ms, ..now });
    }

    /// Sets the wall clock forward.
    pub fn set_wall_forward(&self, by: Duration) {
        self.change(|now| Moment { wall_ms: now.plus(by).wall_ms, ..now });
    }

    /// The clock of the processes after a reboot: the wall clock goes on, the boot clock starts again under another
    /// name.
    #[must_use]
    pub fn rebooted(&self) -> Self {
        Self::booted(self.boot + 1, self.now().wall_ms)
    }

    fn booted(boot: u32, wall_ms: i64) -> Self {
        Self { now: Mutex::new(Moment { wall_ms, boot_ms: UPTIME_MS }), boot, boot_id: format!("boot-{boot}") }
    }

    fn change(&self, change: impl FnOnce(Moment) -> Moment) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = change(*now);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }
}

const UPTIME_MS: i64 = 60_000;
