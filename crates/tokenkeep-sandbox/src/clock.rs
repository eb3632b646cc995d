//! The one place that reads the clocks.
//!
//! A token of the sandbox ends by real elapsed time even in a test whose tokio clock is paused:
//! the sandbox plays another machine, and other machines do not pause.

#![expect(clippy::disallowed_methods, reason = "this module is where the sandbox's time comes from")]

use std::time::{Duration, Instant, SystemTime};

/// The monotonic clock, for lives and for the log of arrivals.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// An HTTP date that lies `seconds` from now, either way.
pub(crate) fn http_date(seconds: i64) -> String {
    let distance = Duration::from_secs(seconds.unsigned_abs().min(FURTHEST_DATE));
    let now = SystemTime::now();
    let date = if seconds < 0 { now.checked_sub(distance) } else { now.checked_add(distance) };
    httpdate::fmt_http_date(date.unwrap_or(now))
}

/// An HTTP date has a year of four digits, not before 1970: ten years each way stay clear of both.
const FURTHEST_DATE: u64 = 10 * 365 * 24 * 60 * 60;
