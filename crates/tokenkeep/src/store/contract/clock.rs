//! A clock that stands still until it is told otherwise.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Moment};

/// A clock for tests, on both of its sides moved by hand.
///
/// ```
/// use std::time::Duration;
/// use tokenkeep::Clock;
/// use tokenkeep::store::contract::ManualClock;
///
/// let clock = ManualClock::new();
/// let then = clock.now();
/// assert_eq!(clock.now(), then); // it stands still
/// clock.advance(Duration::from_hours(24));
/// assert_eq!(clock.now().since(then), Duration::from_hours(24));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Moment>,
    boot: u32,
    boot_id: String,
}

impl ManualClock {
    /// Some day, some time after the first boot.
    ///
    /// ```
    /// # use tokenkeep::Clock;
    /// # use tokenkeep::store::contract::ManualClock;
    /// let clock = ManualClock::new();
    /// assert_eq!(clock.boot_id(), "boot-1");
    /// assert_eq!(clock.now(), ManualClock::new().now()); // the same day each time
    /// ```
    pub fn new() -> Self {
        Self::booted(1, 1_700_000_000_000)
    }

    /// Lets time pass.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Clock;
    /// # use tokenkeep::store::contract::ManualClock;
    /// let clock = ManualClock::new();
    /// let end = clock.now().plus(Duration::from_mins(10));
    /// clock.advance(Duration::from_mins(10));
    /// assert!(end.is_reached(clock.now()));
    /// ```
    pub fn advance(&self, by: Duration) {
        self.change(|now| now.plus(by));
    }

    /// Sets the wall clock back, as a person or a time server does.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Clock;
    /// # use tokenkeep::store::contract::ManualClock;
    /// let clock = ManualClock::new();
    /// let before = clock.now();
    /// clock.set_wall_back(Duration::from_mins(5));
    /// assert_eq!(clock.now().wall_ms, before.wall_ms - 300_000);
    /// assert_eq!(clock.now().boot_ms, before.boot_ms); // no time has passed
    /// ```
    pub fn set_wall_back(&self, by: Duration) {
        self.change(|now| Moment { wall_ms: now.minus(by).wall_ms, ..now });
    }

    /// Sets the wall clock forward.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Clock;
    /// # use tokenkeep::store::contract::ManualClock;
    /// let clock = ManualClock::new();
    /// let before = clock.now();
    /// clock.set_wall_forward(Duration::from_mins(5));
    /// assert_eq!(clock.now().wall_ms, before.wall_ms + 300_000);
    /// assert_eq!(clock.now().boot_ms, before.boot_ms); // no time has passed
    /// ```
    pub fn set_wall_forward(&self, by: Duration) {
        self.change(|now| Moment { wall_ms: now.plus(by).wall_ms, ..now });
    }

    /// The clock of the processes after a reboot: the wall clock goes on, the boot clock starts again under another
    /// name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Clock;
    /// # use tokenkeep::store::contract::ManualClock;
    /// let clock = ManualClock::new();
    /// clock.advance(Duration::from_hours(1));
    /// let rebooted = clock.rebooted();
    /// assert_eq!(rebooted.now().wall_ms, clock.now().wall_ms);
    /// assert!(rebooted.now().boot_ms < clock.now().boot_ms && rebooted.boot_id() != clock.boot_id());
    /// ```
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
