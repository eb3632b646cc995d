//! The end of a token, worked out in each way that people get wrong: side by side, they show which one a program took.
//!
//! How much is left and whether it is over are read from one difference, so that they cannot disagree.

use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::foreign::Form;

/// One end in three ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Ways {
    /// The end itself: a token that is sent just before it is refused on arrival.
    pub(super) raw: Way,
    /// The end less the expiry buffer: what tokenkeep does.
    pub(super) buffered: Way,
    /// The digits as they are stored, without their offset, read as this machine's local time.
    pub(super) naive_local: Way,
}

/// What comes of a way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Way {
    pub(super) expires_at: String,
    /// Less than zero when it is over.
    pub(super) seconds_left: i64,
    pub(super) is_expired: bool,
}

impl Ways {
    /// Works out the end that stands in this form.
    pub(super) fn of(end: SystemTime, form: &Form, buffer: Duration, now: SystemTime, zone: &TimeZone) -> Option<Self> {
        let (end, now) = (Timestamp::try_from(end).ok()?, Timestamp::try_from(now).ok()?);
        let naive = match form {
            Form::Number(_) => end,
            Form::Time { digits, .. } => zone.to_ambiguous_zoned(*digits).compatible().ok()?.timestamp(),
        };
        Some(Self {
            raw: Way::of(end, now),
            buffered: Way::of(end.checked_sub(SignedDuration::try_from(buffer).ok()?).ok()?, now),
            naive_local: Way::of(naive, now),
        })
    }
}

impl Way {
    fn of(end: Timestamp, now: Timestamp) -> Self {
        let left_ms = end.as_millisecond() - now.as_millisecond();
        Self { expires_at: shown(end), seconds_left: left_ms.div_euclid(1000), is_expired: left_ms < 0 }
    }
}

/// How tokenkeep's own stores have an end: in UTC.
pub(super) fn in_utc(end: SystemTime) -> Option<Form> {
    let end = Timestamp::try_from(end).ok()?;
    let digits: DateTime = Offset::UTC.to_datetime(end);
    Some(Form::Time { text: shown(end), digits, offset: Some(Offset::UTC) })
}

/// As times are shown: RFC 3339 in UTC, without what a second is made of.
pub(super) fn shown(time: Timestamp) -> String {
    let second = time.as_millisecond().div_euclid(1000);
    Timestamp::from_second(second).map_or_else(|_| time.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_has_its_own_end_and_none_disagrees_with_itself() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_hours(498_684);
        let zone = TimeZone::fixed(Offset::constant(1));
        let form = |hour, offset| Form::Time {
            text: String::new(),
            digits: DateTime::constant(2026, 11, 21, hour, 0, 0, 0),
            offset,
        };
        let second = Duration::from_secs(1);
        let ways = |form: &Form, now| {
            let ways = Ways::of(noon, form, second * 30, now, &zone).unwrap();
            [ways.raw, ways.buffered, ways.naive_local].map(|way| {
                assert_eq!(way.is_expired, way.seconds_left < 0);
                way.seconds_left
            })
        };
        let with_offset = form(14, Some(Offset::constant(2)));
        assert_eq!(ways(&with_offset, noon - second * 60), [60, 30, 3660]);
        assert_eq!(ways(&form(12, None), noon - second * 60), [60, 30, -3540]);
        assert_eq!(ways(&Form::Number(String::new()), noon - second * 60), [60, 30, 60]);
        assert_eq!(ways(&with_offset, noon - second * 30), [30, 0, 3630]);
        assert_eq!(ways(&with_offset, noon + second / 2), [-1, -31, 3599]);
    }
}
