//! Numbers and times as issuers write them.

use std::time::{Duration, SystemTime};

use serde_json::Value;

/// Seconds or milliseconds since 1970, as a number or a text, or a date (RFC 3339).
pub(super) fn absolute(value: &Value) -> Option<SystemTime> {
    if let Some(number) = number(value) {
        let seconds = if number < FIRST_MILLIS { number } else { number / 1000.0 };
        return SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?);
    }
    value.as_str()?.trim().parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

/// A finite number, also one that is written as a text.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// A time from here on is in milliseconds: as seconds it would lie more than three thousand years ahead.
const FIRST_MILLIS: f64 = 1e11;
