//! When a token ends, from what a recipe points at.

use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::answer::Answer;
use super::cookies::CookieLife;
use crate::expiry::{MAX_LIFE, is_plausible_life};
use crate::provider::login::{End, Part, TokenStep, Unit};
use crate::secret::Secret;
use crate::source::{Expiry, jwt, timestamp, token_response};

/// What an answer says of its token's end. The error is a noun phrase.
pub(super) fn expiry(step: &TokenStep, answer: &Answer, token: &Secret) -> Result<Expiry, String> {
    let date = answer.http().date;
    match &step.end {
        End::Unstated => match &step.token.part {
            Part::Cookie(name) => match answer.cookie(name).map(|cookie| cookie.life) {
                Some(CookieLife::In(life)) if is_plausible_life(life) => Ok(Expiry::In(life)),
                Some(CookieLife::Until(end)) if !is_beyond_reason(end, date) => {
                    token_response::until("an Expires", end, date)
                }
                // A cookie that is to stay for ever says nothing of the session that it is for.
                Some(_) | None => Ok(Expiry::Unstated),
            },
            Part::Json(_) | Part::Header(_) | Part::Xml(_) | Part::Body => Ok(Expiry::Unstated),
        },
        End::In(place, unit) => match answer.find(place) {
            Some(text) => life(text.expose_secret(), *unit),
            None => Ok(Expiry::Unstated),
        },
        End::At(place) => match answer.find(place) {
            Some(text) => {
                let end = time(text.expose_secret()).ok_or("an expires_at that is no time")?;
                token_response::until("an expires_at", end, date)
            }
            None => Ok(Expiry::Unstated),
        },
        End::Jwt => match jwt::exp(token)? {
            Some(end) => token_response::until("an exp", end, date),
            None => Ok(Expiry::Unstated),
        },
    }
}

/// Whether a cookie's end lies further away than any session does, as 9999 does.
fn is_beyond_reason(end: SystemTime, date: Option<SystemTime>) -> bool {
    match date {
        Some(date) => end.duration_since(date).is_ok_and(|left| left > MAX_LIFE),
        None => end > SystemTime::UNIX_EPOCH + FAR_AWAY,
    }
}

fn life(text: &str, unit: Unit) -> Result<Expiry, String> {
    let number: f64 = text.parse().map_err(|_| "an expires_in that is no number")?;
    let life = unit.times(number).ok_or("an expires_in that is not above zero")?;
    token_response::life("an expires_in", life)
}

/// What token endpoints send, and the dates of mail, of HTTP, and of those who mean UTC and do not say so.
fn time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    timestamp::absolute(&Value::from(text))
        .or_else(|| httpdate::parse_http_date(text).ok())
        .or_else(|| rfc2822::DateTimeParser::new().parse_timestamp(text).ok().map(SystemTime::from))
        .or_else(|| {
            let plain: DateTime = text.parse().ok()?;
            Some(plain.to_zoned(TimeZone::UTC).ok()?.timestamp().into())
        })
}

/// The year 2200: without the vendor's own time, an end after it is none that is meant.
const FAR_AWAY: Duration = Duration::from_hours(230 * 8766);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_all_usual_forms() {
        let expected = time("1767268800").unwrap();
        for text in [
            "1767268800000",
            "2026-01-01T12:00:00Z",
            "2026-01-01T13:00:00.000+01:00",
            "2026-01-01T12:00:00",
            "2026-01-01 12:00:00",
            "Thu, 01 Jan 2026 12:00:00 GMT",
            "Thu, 1 Jan 2026 05:00:00 -0700",
        ] {
            assert_eq!(time(text), Some(expected), "{text}");
        }
        for text in ["", "soon", "12:00", "01/02/2026"] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
