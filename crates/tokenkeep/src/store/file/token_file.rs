//! The token file: the form in which other programs read and write a token.
//!
//! ```json
//! {
//!   "access_token": "…",
//!   "token_data": { "access_token": "…", "token_type": "Bearer", "expires_in": 43199 },
//!   "token_expiry": 1704123456,
//!   "saved_at": 1704080257
//! }
//! ```
//!
//! Times are Unix seconds. It is written exactly so, and read leniently: numbers may be floats or texts, only
//! `access_token` and an expiry must be there, and beside a `token_expiry` the other times may be anything. A token without end, which this form has no words for, has `null` for
//! `expires_in` and `token_expiry`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::content::{hash, json};
use super::fault::Fault;
use crate::secret::Secret;
use crate::token::IssuedToken;

/// What a token file says.
pub(super) struct TokenFile {
    /// The token's text.
    pub(super) access_token: Secret,
    /// `Bearer`, if nothing else is said.
    pub(super) token_type: Box<str>,
    /// Its end in Unix milliseconds; `None` for a token without end.
    pub(super) expires_ms: Option<i64>,
    /// When it was written, by its own words, in Unix seconds.
    pub(super) saved_at: Option<i64>,
    /// Tells this content from any other.
    pub(super) hash: String,
}

impl TokenFile {
    /// Reads a file's content; the error says what is wrong with it, and nothing of what it says.
    pub(super) fn parse(content: &[u8]) -> Result<Self, &'static str> {
        let read: Reading = serde_json::from_slice(content).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => "it is cut off",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
            serde_json::error::Category::Data => "it has no access_token, or is not in the form of a token file",
        })?;
        let access_token = Secret::new(read.access_token);
        let data = read.token_data.unwrap_or_default();
        let (life, saved_ms) = (millis(&data.expires_in), millis(&read.saved_at));
        let expires_ms = match millis(&read.token_expiry)? {
            Some(expiry) => Some(expiry),
            // Without it the others are needed; beside it they may be anything.
            None => life?.zip(saved_ms?).map(|(life, saved)| saved.saturating_add(life)),
        };
        let saved_ms = saved_ms.ok().flatten();
        Ok(Self {
            access_token,
            token_type: data.token_type.filter(|text| !text.is_empty()).unwrap_or_else(|| "Bearer".into()).into(),
            expires_ms,
            saved_at: saved_ms.map(|ms| ms.div_euclid(1_000)),
            hash: hash(content),
        })
    }

    /// The content for a token.
    pub(super) fn content(token: &IssuedToken, saved_at: i64) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let access_token = token.access_token().expose_secret();
        let written = Writing {
            access_token,
            token_data: DataWriting {
                access_token,
                token_type: &token.kind().token_type,
                expires_in: token.life().map(|life| life.as_secs()),
            },
            token_expiry: end_ms(token).map(|ms| ms.div_euclid(1_000)),
            saved_at,
        };
        json(&written, 2 * access_token.len())
    }

    /// Whether this is what would be written for a token, but for when.
    pub(super) fn is_of(&self, token: &IssuedToken) -> bool {
        let second = |ms: Option<i64>| ms.map(|ms| ms.div_euclid(1_000));
        self.access_token == *token.access_token()
            && self.token_type == token.kind().token_type
            && second(self.expires_ms) == second(end_ms(token))
    }

    /// When another program's token was issued and ends, in Unix milliseconds; why it is of no use otherwise.
    /// `modified_s` is when its file was written, by the file system.
    pub(super) fn times(&self, modified_s: i64) -> Result<(i64, i64), &'static str> {
        // A header has to carry both.
        if !can_stand_in_a_header(self.access_token.expose_secret()) {
            return Err("its access_token is empty or cannot stand in a header");
        }
        if !can_stand_in_a_header(&self.token_type) {
            return Err("its token_type cannot stand in a header");
        }
        let end = self.expires_ms.ok_or("it does not say when its token ends")?;
        let start = self.saved_at.unwrap_or(modified_s).saturating_mul(1_000).min(end);
        if end.saturating_sub(start) > MAX_LIFE_MS {
            return Err("its token_expiry is not in Unix seconds");
        }
        Ok((start, end))
    }
}

fn can_stand_in_a_header(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn end_ms(token: &IssuedToken) -> Option<i64> {
    Some(token.expires_at()).filter(|end| !end.is_never()).map(|end| end.wall_ms)
}

/// Reads seconds in any of the forms that there are.
fn millis(value: &Value) -> Result<Option<i64>, &'static str> {
    const NO_NUMBER: &str = "a time in it is not a number of seconds";
    let seconds = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => return whole.checked_mul(1_000).map(Some).ok_or(NO_NUMBER),
            None => number.as_f64(),
        },
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let time = Duration::try_from_secs_f64(seconds.ok_or(NO_NUMBER)?).map_err(|_| NO_NUMBER)?;
    i64::try_from(time.as_millis()).map(Some).map_err(|_| NO_NUMBER)
}

#[derive(Deserialize)]
struct Reading {
    access_token: String,
    token_data: Option<DataReading>,
    #[serde(default)]
    token_expiry: Value,
    #[serde(default)]
    saved_at: Value,
}

#[derive(Default, Deserialize)]
struct DataReading {
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Value,
}

#[derive(Serialize)]
struct Writing<'a> {
    access_token: &'a str,
    token_data: DataWriting<'a>,
    token_expiry: Option<i64>,
    saved_at: i64,
}

#[derive(Serialize)]
struct DataWriting<'a> {
    access_token: &'a str,
    token_type: &'a str,
    expires_in: Option<u64>,
}

/// Longer than any issuer's tokens live, and shorter than seconds that were milliseconds.
const MAX_LIFE_MS: i64 = 20 * 366 * 24 * 3_600 * 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TokenFile, &'static str> {
        TokenFile::parse(text.as_bytes())
    }

    #[test]
    fn numbers_are_read_in_any_form() {
        for text in ["1704123456", "1704123456.0", "\"1704123456\"", "\" 1704123456.0 \""] {
            let file = parse(&format!(r#"{{"access_token":"x","token_expiry":{text},"saved_at":{text}}}"#)).unwrap();
            assert_eq!((file.expires_ms, file.saved_at), (Some(1_704_123_456_000), Some(1_704_123_456)), "{text}");
        }
        let file = parse(r#"{"access_token":"x","token_expiry":1704123456.75,"saved_at":1.9}"#).unwrap();
        assert_eq!((file.expires_ms, file.saved_at), (Some(1_704_123_456_750), Some(1)));
        for text in ["\"soon\"", "true", "[]", "-1.5", "1e300", "9223372036854775807"] {
            assert!(parse(&format!(r#"{{"access_token":"x","token_expiry":{text}}}"#)).is_err(), "{text}");
        }
    }

    #[test]
    fn an_expiry_follows_from_the_life_if_it_is_not_stated() {
        let file = parse(r#"{"access_token":"x","token_data":{"expires_in":"60"},"saved_at":1000}"#).unwrap();
        assert_eq!(file.times(0), Ok((1_000_000, 1_060_000)));
        let file = parse(r#"{"access_token":"x","token_expiry":1060}"#).unwrap();
        assert_eq!(file.times(1_000), Ok((1_000_000, 1_060_000)), "without saved_at the file's time counts");
    }

    #[test]
    fn times_that_are_not_needed_harm_nothing() {
        for (life, saved) in [("\"soon\"", "1000"), ("60", "\"now\""), ("[]", "{}")] {
            let data = format!(r#"{{"expires_in":{life}}}"#);
            let text = format!(r#"{{"access_token":"x","token_data":{data},"token_expiry":1060,"saved_at":{saved}}}"#);
            assert_eq!(parse(&text).unwrap().times(1_000), Ok((1_000_000, 1_060_000)), "{text}");
        }
    }

    #[test]
    fn a_token_that_cannot_be_used_is_not_taken_over() {
        for text in [
            r#"{"access_token":""}"#,
            r#"{"access_token":"a\nb","token_expiry":1060}"#,
            r#"{"access_token":"x"}"#,
            r#"{"access_token":"x","token_data":{"token_type":"a\nb"},"token_expiry":1060}"#,
            r#"{"access_token":"x","token_expiry":null}"#,
            r#"{"access_token":"x","token_expiry":1704123456000,"saved_at":1704080257}"#,
        ] {
            assert!(parse(text).unwrap().times(1_000).is_err(), "{text}");
        }
    }
}
