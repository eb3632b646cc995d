//! Lengths of time as people write and read them.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

/// Reads e.g. `30s`, `5m` or `1h 30m`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("it has no unit; write e.g. {text}s"));
    }
    SpanParser::new().parse_unsigned_duration(text).map_err(|_| "write e.g. 30s, 5m or 1h30m".to_owned())
}

/// As [`parse`], and more than zero.
pub(crate) fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("it must be more than zero".to_owned()),
        duration => Ok(duration),
    }
}

/// Its two greatest units, e.g. `45s`, `4m30s`, `11h59m`, `3d2h`.
pub(crate) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let pair = |large: u64, small: u64, units: [&str; 2]| match small {
        0 => format!("{large}{}", units[0]),
        _ => format!("{large}{}{small}{}", units[0], units[1]),
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => pair(seconds / 60, seconds % 60, ["m", "s"]),
        3600..86_400 => pair(seconds / 3600, seconds % 3600 / 60, ["h", "m"]),
        86_400.. => pair(seconds / 86_400, seconds % 86_400 / 3600, ["d", "h"]),
    }
}

/// Whole seconds of a wait, rounded up: an attempt at the time that was said must not come too early.
pub(crate) fn seconds_to_wait(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_shown_in_its_two_greatest_units() {
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (90, "1m30s"),
            (3600, "1h"),
            (43_199, "11h59m"),
            (86_400, "1d"),
            (266_400, "3d2h"),
        ] {
            assert_eq!(short(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn a_length_of_time_needs_a_unit() {
        assert_eq!(parse("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        assert_eq!(parse("30").unwrap_err(), "it has no unit; write e.g. 30s");
        parse("-5s").unwrap_err();
        parse("soon").unwrap_err();
        parse_positive("0s").unwrap_err();
    }
}
