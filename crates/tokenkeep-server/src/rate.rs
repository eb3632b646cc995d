//! How many requests a caller may make in a time.
//!
//! A caller has a store of requests, which is full at first and fills evenly: of `100/1s` it can use a hundred at once,
//! and then one every 10 ms. So one number is all that is kept, the time at which the store is full again (the generic
//! cell rate algorithm), and callers on all cores can count by it without a lock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokenkeep::Moment;
use tokenkeep::budget::Budget;

/// The requests that one caller has left.
#[derive(Debug)]
pub(crate) struct Rate {
    window: i64,
    requests: i64,
    /// In microseconds of the boot clock, times `requests`, so that no part of a microsecond is lost.
    full_at: AtomicI64,
}

impl Rate {
    /// All of these are left.
    pub(crate) fn new(rate: Budget) -> Self {
        let window = i64::try_from(rate.window().as_micros()).unwrap_or(i64::MAX);
        Self { window, requests: rate.requests().into(), full_at: AtomicI64::new(i64::MIN) }
    }

    /// So many are left, and come back each second.
    pub(crate) fn per_second(requests: u32) -> Self {
        Self { window: 1_000_000, requests: requests.into(), full_at: AtomicI64::new(i64::MIN) }
    }

    /// Uses one; if there is none, the error is how long until there is one.
    pub(crate) fn spend(&self, now: Moment) -> Result<(), Duration> {
        let now = now.boot_ms.saturating_mul(1000).saturating_mul(self.requests);
        let capacity = self.window.saturating_mul(self.requests);
        let mut found = self.full_at.load(Ordering::Relaxed);
        loop {
            let full_at = found.max(now).saturating_add(self.window);
            let missing = full_at.saturating_sub(now).saturating_sub(capacity);
            if missing > 0 {
                let micros = missing.unsigned_abs().div_ceil(self.requests.unsigned_abs());
                return Err(Duration::from_micros(micros));
            }
            match self.full_at.compare_exchange_weak(found, full_at, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => found = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Moment {
        Moment { wall_ms: 1_900_000_000_000, boot_ms: ms }
    }

    fn rate(text: &str) -> Rate {
        Rate::new(Budget::parse(text).unwrap())
    }

    #[test]
    fn as_many_as_allowed_at_once_and_then_one_after_the_other() {
        let rate = Rate::per_second(100);
        for _ in 0..100 {
            assert_eq!(rate.spend(at(5000)), Ok(()));
        }
        assert_eq!(rate.spend(at(5000)), Err(Duration::from_millis(10)));
        assert_eq!(rate.spend(at(5009)), Err(Duration::from_millis(1)));
        assert_eq!(rate.spend(at(5010)), Ok(()));
        assert_eq!(rate.spend(at(5010)), Err(Duration::from_millis(10)));
        let later = (0..200).filter(|_| rate.spend(at(60_000)).is_ok()).count();
        assert_eq!(later, 100, "what is not used is not kept for later");
    }

    #[test]
    fn a_rate_that_does_not_divide_evenly_is_kept_over_time() {
        let rate = rate("7/1s");
        let granted = (0..100_000).filter(|ms| rate.spend(at(*ms)).is_ok()).count();
        assert!((706..=707).contains(&granted), "{granted}");
    }

    #[test]
    fn the_largest_rate_and_the_longest_window_count_right() {
        for text in ["10000/1s", "10000/24h"] {
            let rate = rate(text);
            let now = at(i64::from(u32::MAX));
            assert_eq!((0..20_000).filter(|_| rate.spend(now).is_ok()).count(), 10_000);
        }
    }

    #[test]
    fn callers_on_several_threads_get_no_more_together() {
        let rate = rate("1000/1h");
        let granted = std::thread::scope(|scope| {
            let spend = || (0..1000).filter(|_| rate.spend(at(0)).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(spend)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(granted, 1000);
    }
}
