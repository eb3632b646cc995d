//! When a token ends, in the forms in which systems have written it down.
//!
//! The hard problem is an offset that is cut off: the same digits are then hours away. So a text is read whole, its offset
//! is converted, and one without is UTC.

use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

/// The end of a token, and how it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// The moment.
    pub(crate) at: SystemTime,
    pub(crate) form: Form,
}

/// How a moment is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a number, which no time zone can change.
    Number(String),
    /// As a time of day.
    Time {
        /// The whole text.
        text: String,
        /// What it says, whatever the offset is.
        digits: DateTime,
        /// `None` if it names none.
        offset: Option<Offset>,
    },
}

/// Reads the end of a token; the error says nothing of what was there.
pub(super) fn parse(text: &str) -> Result<End, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it does not say when its token ends");
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let at = of_seconds(text).ok_or(NO_TIME)?;
        return Ok(End { at, form: Form::Number(text.to_owned()) });
    }
    let named_utc = text.strip_suffix(" UTC");
    let bare = named_utc.unwrap_or(text);
    let joined = match bare.rsplit_once(' ') {
        Some((time, offset)) if offset.starts_with(['+', '-']) => format!("{time}{offset}"),
        _ => bare.to_owned(),
    };
    let pieces = Pieces::parse(&joined).map_err(|_| NO_TIME)?;
    let time = pieces.time().ok_or("its end is a day without a time")?;
    let offset = match (pieces.to_numeric_offset(), pieces.time_zone_annotation()) {
        (Some(offset), _) => Some(offset),
        (None, None) => named_utc.map(|_| Offset::UTC),
        // Which offset that is depends on the rules of a year.
        (None, Some(_)) => return Err("its end names a time zone and no offset"),
    };
    let digits = DateTime::from_parts(pieces.date(), time);
    let timestamp = offset.unwrap_or(Offset::UTC).to_timestamp(digits).map_err(|_| NO_TIME)?;
    Ok(End { at: timestamp.into(), form: Form::Time { text: text.to_owned(), digits, offset } })
}

fn of_seconds(text: &str) -> Option<SystemTime> {
    let since = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

const NO_TIME: &str = "its end is no time: 2026-11-21T19:54:00+01:00 is one, and so are Unix seconds";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_converted_and_none_means_utc() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_hours(498_684);
        for text in [
            "2026-11-21T12:00:00Z",
            "2026-11-21T12:00:00",
            "2026-11-21 12:00:00",
            "2026-11-21 12:00:00.000000",
            " 2026-11-21 12:00:00 UTC ",
            "2026-11-21 12:00:00+00",
            "2026-11-21T14:00:00+02:00",
            "2026-11-21 14:00:00 +02:00",
            "2026-11-21 14:00:00+0200",
            "2026-11-21T04:30:00.000-07:30",
            "2026-11-21 04:30:00 -0730",
            "2026-11-22T02:00:00+14:00",
            "2026-11-21T13:00:00+01:00[Europe/Berlin]",
            "1795262400",
            "1795262400.0",
        ] {
            assert_eq!(parse(text).unwrap().at, noon, "{text}");
        }
        assert_eq!(parse("2026-11-21T12:00:00.25").unwrap().at, noon + Duration::from_millis(250));
    }

    #[test]
    fn the_offset_that_was_written_down_is_kept_beside_the_moment() {
        for (text, hours) in [
            ("2026-11-21 14:00:00+02", Some(2)),
            ("2026-11-21 14:00:00", None),
            ("2026-11-21T14:00:00Z", Some(0)),
            ("2026-11-21 14:00:00 UTC", Some(0)),
        ] {
            let form = parse(text).unwrap().form;
            let digits = DateTime::constant(2026, 11, 21, 14, 0, 0, 0);
            assert_eq!(form, Form::Time { text: text.into(), digits, offset: hours.map(Offset::constant) });
        }
        assert_eq!(parse("1795262400").unwrap().form, Form::Number("1795262400".into()));
    }

    #[test]
    fn what_is_no_time_is_said_without_showing_it() {
        for text in [
            "",
            "  ",
            "never",
            "infinity",
            "2026-11-21",
            "21.11.2026 12:00",
            "2026-13-01 00:00",
            "-5",
            "1e9",
            "..",
            "2026-11-21T12:00:00[Europe/Berlin]",
            "99999999999999999999999",
            "12:00:00",
        ] {
            let why = parse(text).unwrap_err();
            assert!(text.trim().is_empty() || !why.contains(text), "{text}");
        }
    }
}
