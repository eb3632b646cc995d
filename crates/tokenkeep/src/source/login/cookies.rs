//! Cookies (RFC 6265), as far as a login needs them: kept for one attempt, sent back to where they came from only.

use std::time::{Duration, SystemTime};

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use url::{Origin, Url};
use zeroize::Zeroizing;

use super::answer::Answer;

/// A cookie that an answer sets.
pub(super) struct Cookie {
    pub(super) name: Box<str>,
    pub(super) value: Zeroizing<String>,
    pub(super) life: CookieLife,
}

/// What a cookie says of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CookieLife {
    /// Nothing.
    Session,
    /// `Max-Age`, which counts before `Expires` (section 5.3).
    In(Duration),
    /// `Expires`
    Until(SystemTime),
}

/// The cookies that an answer sets, in its order. Those that it deletes have no value.
pub(super) fn set_by(headers: &HeaderMap) -> impl Iterator<Item = Cookie> {
    headers.get_all(SET_COOKIE).iter().filter_map(|value| parse(std::str::from_utf8(value.as_bytes()).ok()?))
}

/// Section 5.2.
fn parse(text: &str) -> Option<Cookie> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let mut life = CookieLife::Session;
    let mut deleted = false;
    for (attribute, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim();
        match &*attribute.trim().to_ascii_lowercase() {
            "max-age" => {
                if let Ok(seconds) = value.parse::<i64>() {
                    deleted = seconds <= 0;
                    life = CookieLife::In(Duration::from_secs(seconds.unsigned_abs()));
                }
            }
            "expires" if !matches!(life, CookieLife::In(_)) => {
                if let Ok(until) = httpdate::parse_http_date(&value.replace('-', " ")) {
                    life = CookieLife::Until(until);
                    deleted = until <= SystemTime::UNIX_EPOCH + LONG_AGO;
                }
            }
            _ => {}
        }
    }
    let value = if deleted { "" } else { value };
    Some(Cookie { name: name.trim().into(), value: Zeroizing::new(value.to_owned()), life })
}

/// The cookies of one attempt.
#[derive(Default)]
pub(super) struct Jar(Vec<(Origin, Cookie)>);

impl Jar {
    /// Keeps what an answer sets, and forgets what it deletes.
    pub(super) fn take_from(&mut self, answer: &Answer, url: &Url) {
        let origin = url.origin();
        for cookie in set_by(&answer.http().headers) {
            self.0.retain(|(other, kept)| *other != origin || kept.name != cookie.name);
            if !cookie.value.is_empty() {
                self.0.push((origin.clone(), cookie));
            }
        }
    }

    /// Adds those of this address, after what the recipe says itself.
    pub(super) fn add_to(&self, headers: &mut HeaderMap, url: &Url) {
        let origin = url.origin();
        let mut line = Zeroizing::new(Vec::new());
        line.extend_from_slice(headers.get(COOKIE).map_or(&b""[..], HeaderValue::as_bytes));
        for (_, cookie) in self.0.iter().filter(|(other, _)| *other == origin) {
            let separator: &[u8] = if line.is_empty() { b"" } else { b"; " };
            line.extend_from_slice(separator);
            for part in [&*cookie.name, "=", cookie.value.as_str()] {
                line.extend_from_slice(part.as_bytes());
            }
        }
        if let (false, Ok(mut value)) = (line.is_empty(), HeaderValue::from_bytes(&line)) {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }

    /// The secrets in it.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, cookie)| cookie.value.as_str())
    }
}

/// A cookie is deleted by an end at the beginning of 1970, or not much later.
const LONG_AGO: Duration = Duration::from_hours(366 * 24);
