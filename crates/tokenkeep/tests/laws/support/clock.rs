use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokenkeep::{Clock, Moment};
use tokio::time::Instant;

/// tokio's clock as wall and boot clock; the wall can be set, and the machine suspended.
#[derive(Debug)]
pub(crate) struct TestClock {
    start: Instant,
    wall_offset_ms: AtomicI64,
    suspended_ms: AtomicI64,
    pub(crate) panic_once: AtomicBool,
}

impl TestClock {
    #[expect(clippy::disallowed_methods, reason = "this is a clock")]
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            wall_offset_ms: AtomicI64::new(0),
            suspended_ms: AtomicI64::new(0),
            panic_once: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_wall_back(&self, by: Duration) {
        self.wall_offset_ms.fetch_sub(by.as_millis() as i64, Ordering::SeqCst);
    }

    pub(crate) fn set_wall_forward(&self, by: Duration) {
        self.wall_offset_ms.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }

    /// Both clocks go on, timers do not.
    pub(crate) fn suspend(&self, duration: Duration) {
        self.suspended_ms.fetch_add(duration.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    #[expect(clippy::disallowed_methods, reason = "this is a clock")]
    fn now(&self) -> Moment {
        assert!(!self.panic_once.swap(false, Ordering::SeqCst), "a clock that panics, as the test wants");
        let elapsed = Instant::now().duration_since(self.start).as_millis() as i64;
        let boot_ms = BOOT_MS + elapsed + self.suspended_ms.load(Ordering::SeqCst);
        let wall_ms = WALL_MS + boot_ms + self.wall_offset_ms.load(Ordering::SeqCst);
        Moment { wall_ms, boot_ms }
    }

    fn boot_id(&self) -> &'static str {
        "test-boot"
    }
}

const BOOT_MS: i64 = 7_200_000;
const WALL_MS: i64 = 1_800_000_000_000;
