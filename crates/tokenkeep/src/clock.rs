//! Time on two clocks at once, because each alone can be fooled.
//!
//! The wall clock can be set back, which would revive an expired token; the boot clock cannot, and it also counts
//! suspended time, but means nothing on another machine. So every point in time is kept on both, and it has come as
//! soon as *either* clock says so.
//!
//! Reading the two exact clocks would cost more than handing out a token. [`SystemClock`] reads the kernel's coarse
//! clocks instead (a few nanoseconds each) and looks at the exact boot clock only when the distance between wall and
//! monotonic time has changed, which is what a suspend or a clock change does to it.

pub(crate) mod stopwatch;

use std::fmt;
use std::time::{Duration, SystemTime};

/// A point in time on the wall clock and on the boot clock, both in milliseconds.
///
/// ```
/// use std::time::Duration;
/// use tokenkeep::Moment;
///
/// let noon = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
/// let end = noon.plus(Duration::from_hours(1));
/// // Two hours later, with a wall clock that was set back by two hours:
/// let now = Moment { boot_ms: noon.boot_ms + 7_200_000, ..noon };
/// assert!(end.is_reached(now));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: i64,
    /// Milliseconds since this machine was started, suspended time included.
    pub boot_ms: i64,
}

impl Moment {
    /// A moment that does not come.
    pub const NEVER: Self = Self { wall_ms: i64::MAX, boot_ms: i64::MAX };

    /// This moment and `duration` later, [`Moment::NEVER`] when that is out of range.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Moment;
    /// # let noon = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// assert_eq!(noon.plus(Duration::from_secs(1)).boot_ms, 61_000);
    /// assert!(Moment::NEVER.plus(Duration::from_secs(1)).is_never());
    /// ```
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        if self.is_never() { self } else { self.plus_millis(millis(duration)) }
    }

    /// As [`Self::plus`], for a moment that does come.
    pub(crate) fn plus_millis(self, ms: i64) -> Self {
        Self { wall_ms: self.wall_ms.saturating_add(ms), boot_ms: self.boot_ms.saturating_add(ms) }
    }

    /// This moment and `duration` earlier.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Moment;
    /// # let noon = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// let due = noon.minus(Duration::from_secs(30));
    /// assert_eq!(noon.since(due), Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let ms = millis(duration);
        if self.is_never() {
            self
        } else {
            Self { wall_ms: self.wall_ms.saturating_sub(ms), boot_ms: self.boot_ms.saturating_sub(ms) }
        }
    }

    /// Whether it has come on either clock.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Moment;
    /// # let noon = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// let set_forward = Moment { wall_ms: noon.wall_ms + 1, boot_ms: 0 };
    /// assert!(noon.is_reached(noon) && noon.is_reached(set_forward));
    /// assert!(!noon.is_reached(noon.minus(Duration::from_millis(1))));
    /// ```
    pub fn is_reached(self, now: Self) -> bool {
        now.wall_ms >= self.wall_ms || now.boot_ms >= self.boot_ms
    }

    /// Time until it comes on the clock that is there first; zero once it has come.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Moment;
    /// # let noon = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// let end = noon.plus(Duration::from_mins(1));
    /// assert_eq!(end.remaining(noon), Duration::from_mins(1));
    /// assert_eq!(noon.remaining(end), Duration::ZERO);
    /// ```
    pub fn remaining(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.millis_left(now)).unwrap_or(0))
    }

    /// As [`Self::remaining`], in milliseconds; below zero once it has come.
    pub(crate) fn millis_left(self, now: Self) -> i64 {
        self.wall_ms.saturating_sub(now.wall_ms).min(self.boot_ms.saturating_sub(now.boot_ms))
    }

    /// Time on the boot clock from `earlier` to this moment; zero if it lies before.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Moment;
    /// # let noon = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// let later = noon.plus(Duration::from_secs(5));
    /// let later = Moment { wall_ms: 0, ..later }; // the wall clock does not count
    /// assert_eq!(later.since(noon), Duration::from_secs(5));
    /// assert_eq!(noon.since(later), Duration::ZERO);
    /// ```
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.boot_ms.saturating_sub(earlier.boot_ms)).unwrap_or(0))
    }

    /// Whether the wall clock still has to come to this moment.
    pub(crate) fn is_ahead_of(self, now: Self) -> bool {
        self.wall_ms > now.wall_ms
    }

    /// Whether this is [`Moment::NEVER`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Moment;
    /// # let noon = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// assert!(Moment::NEVER.is_never() && !noon.is_never());
    /// ```
    pub fn is_never(self) -> bool {
        self.wall_ms == i64::MAX
    }

    /// The wall clock's side, `None` for [`Moment::NEVER`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tokenkeep::Moment;
    /// # let noon = Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 };
    /// use std::time::SystemTime;
    ///
    /// assert_eq!(noon.to_system_time(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
    /// assert_eq!(Moment::NEVER.to_system_time(), None);
    /// ```
    pub fn to_system_time(self) -> Option<SystemTime> {
        if self.is_never() {
            return None;
        }
        let offset = Duration::from_millis(self.wall_ms.unsigned_abs());
        if self.wall_ms >= 0 {
            SystemTime::UNIX_EPOCH.checked_add(offset)
        } else {
            SystemTime::UNIX_EPOCH.checked_sub(offset)
        }
    }

    /// The same wall-clock moment with the boot clock of `now`: for moments that another boot or machine wrote down.
    #[must_use]
    pub(crate) fn rebased(self, now: Self) -> Self {
        if self.is_never() {
            return self;
        }
        let ahead = self.wall_ms.saturating_sub(now.wall_ms);
        Self { wall_ms: self.wall_ms, boot_ms: now.boot_ms.saturating_add(ahead) }
    }
}

/// Tells the time on both clocks.
///
/// ```
/// use std::sync::Mutex;
/// use std::time::Duration;
/// use tokenkeep::{Clock, Moment};
///
/// /// Goes when a test says so.
/// #[derive(Debug)]
/// struct HandClock(Mutex<Moment>);
///
/// impl HandClock {
///     fn advance(&self, time: Duration) {
///         let mut now = self.0.lock().unwrap();
///         *now = now.plus(time);
///     }
/// }
///
/// impl Clock for HandClock {
///     fn now(&self) -> Moment {
///         *self.0.lock().unwrap()
///     }
///     fn boot_id(&self) -> &str {
///         "test"
///     }
/// }
///
/// let clock = HandClock(Mutex::new(Moment { wall_ms: 1_700_000_000_000, boot_ms: 60_000 }));
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(clock.now().boot_ms, 61_000);
/// ```
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment. It may lag behind by at most [`crate::expiry::CLOCK_SLACK`] and is never ahead.
    ///
    /// ```
    /// use tokenkeep::Clock;
    /// use tokenkeep::clock::SystemClock;
    ///
    /// let clock = SystemClock::new();
    /// let earlier = clock.now();
    /// assert!(clock.now().since(earlier) < std::time::Duration::from_mins(1));
    /// ```
    fn now(&self) -> Moment;

    /// Names this machine's boot, so that boot times written by another process are known to be comparable.
    /// Empty when there is no such name: then they never are.
    ///
    /// ```
    /// use tokenkeep::Clock;
    /// use tokenkeep::clock::SystemClock;
    ///
    /// assert_eq!(SystemClock::new().boot_id(), SystemClock::new().boot_id());
    /// ```
    fn boot_id(&self) -> &str;
}

pub use system::SystemClock;

#[cfg(target_os = "linux")]
mod system {
    use std::sync::atomic::{AtomicI64, Ordering};

    use rustix::time::{ClockId, Timespec, clock_gettime};

    use super::{Clock, Moment};

    /// The operating system's clocks.
    ///
    /// ```
    /// use tokenkeep::Clock;
    /// use tokenkeep::clock::SystemClock;
    ///
    /// let now = SystemClock::new().now(); // what a manager takes unless it is given another
    /// assert!(now.to_system_time() > Some(std::time::UNIX_EPOCH));
    /// ```
    #[derive(Debug)]
    pub struct SystemClock {
        /// Wall minus monotonic time when `suspended_ms` was last looked at.
        distance_ms: AtomicI64,
        /// Boot minus monotonic time: how long this machine has been suspended.
        suspended_ms: AtomicI64,
        boot_id: String,
    }

    impl SystemClock {
        /// Reads the clocks and the boot's name once.
        ///
        /// ```
        /// # use tokenkeep::clock::SystemClock;
        /// let clock = std::sync::Arc::new(SystemClock::new()); // shared by all that need one
        /// ```
        pub fn new() -> Self {
            let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            let clock = Self {
                distance_ms: AtomicI64::new(i64::MIN),
                suspended_ms: AtomicI64::new(0),
                boot_id: boot_id.trim().to_owned(),
            };
            clock.now();
            clock
        }

        #[cold]
        fn measure_suspended(&self, distance_ms: i64) -> i64 {
            let suspended = millis(clock_gettime(ClockId::Boottime)) - millis(clock_gettime(ClockId::Monotonic));
            // Readers take the distance first: one that sees the new distance also sees the new suspended time.
            self.suspended_ms.store(suspended, Ordering::Release);
            self.distance_ms.store(distance_ms, Ordering::Release);
            suspended
        }
    }

    impl Clock for SystemClock {
        fn now(&self) -> Moment {
            let wall_ms = millis(clock_gettime(ClockId::RealtimeCoarse));
            let monotonic_ms = millis(clock_gettime(ClockId::MonotonicCoarse));
            let distance_ms = wall_ms - monotonic_ms;
            let known = self.distance_ms.load(Ordering::Acquire);
            let suspended_ms = if distance_ms.abs_diff(known) <= STEP_MS {
                self.suspended_ms.load(Ordering::Acquire)
            } else {
                self.measure_suspended(distance_ms)
            };
            Moment { wall_ms, boot_ms: monotonic_ms + suspended_ms }
        }

        fn boot_id(&self) -> &str {
            &self.boot_id
        }
    }

    fn millis(time: Timespec) -> i64 {
        time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
    }

    /// The two coarse reads may lie on both sides of a kernel tick (10 ms at most); more than that is a step.
    const STEP_MS: u64 = 50;
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::{Instant, SystemTime};

    use super::{Clock, Moment, millis};

    /// The operating system's clocks. Where the system has no clock that counts suspended time, the wall clock's
    /// step after waking does its work.
    ///
    /// ```
    /// use tokenkeep::Clock;
    /// use tokenkeep::clock::SystemClock;
    ///
    /// let now = SystemClock::new().now(); // what a manager takes unless it is given another
    /// assert!(now.to_system_time() > Some(std::time::UNIX_EPOCH));
    /// ```
    #[derive(Debug)]
    pub struct SystemClock(Instant);

    impl SystemClock {
        /// Starts counting.
        ///
        /// ```
        /// # use tokenkeep::clock::SystemClock;
        /// let clock = std::sync::Arc::new(SystemClock::new()); // shared by all that need one
        /// ```
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
        pub fn new() -> Self {
            Self(Instant::now())
        }
    }

    impl Clock for SystemClock {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
        fn now(&self) -> Moment {
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            Moment { wall_ms: millis(wall), boot_ms: millis(self.0.elapsed()) }
        }

        fn boot_id(&self) -> &str {
            ""
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

/// Milliseconds of a duration; the most that there can be when it is longer.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_ms: i64, boot_ms: i64) -> Moment {
        Moment { wall_ms, boot_ms }
    }

    #[test]
    fn a_moment_has_come_when_either_clock_says_so() {
        let end = at(10_000, 500);
        assert!(!end.is_reached(at(9_999, 499)));
        assert!(end.is_reached(at(10_000, 0)), "wall clock set forward");
        assert!(end.is_reached(at(0, 500)), "wall clock set back");
        assert_eq!(end.remaining(at(9_000, 0)), Duration::from_millis(500));
    }

    #[test]
    fn never_stays_never() {
        assert!(Moment::NEVER.plus(Duration::from_secs(1)).is_never());
        assert!(Moment::NEVER.minus(Duration::from_secs(1)).is_never());
        assert!(!Moment::NEVER.is_reached(at(i64::MAX - 1, i64::MAX - 1)));
    }

    #[test]
    fn the_system_clock_agrees_with_the_standard_library() {
        let clock = SystemClock::new();
        let now = clock.now();
        let wall = now.to_system_time().unwrap();
        assert!(wall.elapsed().unwrap() < Duration::from_secs(5));
        assert!(now.boot_ms > 0);
    }
}
