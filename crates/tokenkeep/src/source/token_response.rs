//! Reads what token endpoints send: what RFC 6749 section 5 says, and what real ones send instead.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::echo::printable;
use super::http::HttpAnswer;
use super::timestamp::{absolute, number};
use super::{Expiry, Fetched, unfit_token};
use crate::expiry::is_plausible_life;
use crate::secret::Secret;

/// An answer without a token of use.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: u16,
    /// The issuer's `error` (RFC 6749 section 5.2), as it came.
    pub(super) code: Option<Box<str>>,
    /// The issuer's `error_description`, as it came.
    pub(super) description: Option<Box<str>>,
    /// What happened, to be read after the host's name. Nothing of the body.
    pub(super) what: String,
    /// A new refresh token that came all the same.
    pub(super) rotated: Option<Secret>,
}

/// Reads an answer.
pub(super) fn parse(answer: &HttpAnswer) -> Result<Fetched, Refusal> {
    let status = answer.status.as_u16();
    let success = answer.status.is_success();
    let refusal = |what: String| Refusal { status, code: None, description: None, what, rotated: None };
    let mut members = match members(&answer.body) {
        Ok(members) => members,
        Err(_) if !success => return Err(refusal(format!("answered {status}"))),
        Err(what) => return Err(refusal(format!("answered {status} with {what}"))),
    };
    let rotated = take_text(&mut members, "refresh_token").map(Secret::new);
    let has_token = stated(&members, "access_token").is_some();
    // Some issuers report errors with 200.
    if !success || !has_token {
        let code = take_text(&mut members, "error");
        let description = take_text(&mut members, "error_description");
        let missing = if success && code.is_none() { " without an access_token" } else { "" };
        return Err(Refusal { code, description, rotated, ..refusal(format!("answered {status}{missing}")) });
    }
    match read_token(members, answer.date) {
        Ok(fetched) => Ok(Fetched { refresh_token: rotated, ..fetched }),
        Err(what) => Err(Refusal { rotated, ..refusal(format!("answered {status} with {what}")) }),
    }
}

/// Reads a JSON object with the names of an OAuth answer, or those that programs use instead; the error is a noun
/// phrase.
pub(super) fn parse_json(text: &str) -> Result<Fetched, String> {
    let mut members = json_members(text)?;
    for name in ["token", "accessToken"] {
        if let Some(token) = members.remove(name) {
            members.entry("access_token").or_insert(token);
        }
    }
    if stated(&members, "access_token").is_none() {
        return Err("JSON without an access_token".to_owned());
    }
    read_token(members, None)
}

fn read_token(mut members: Map<String, Value>, date: Option<SystemTime>) -> Result<Fetched, String> {
    let token = take_text(&mut members, "access_token").ok_or("an access_token that is no text")?;
    let access_token = Secret::new(token.trim());
    if let Some(what) = unfit_token(access_token.expose_secret()) {
        return Err(what.to_owned());
    }
    Ok(Fetched {
        access_token,
        token_type: token_type(&take_text(&mut members, "token_type").unwrap_or_default()),
        scope: scope(&mut members),
        expiry: expiry(&members, date)?,
        refresh_in: members.get("refresh_in").and_then(number).and_then(positive_seconds),
        refresh_token: None,
    })
}

/// The members of a JSON object or, as some issuers still answer, of a form; whatever the content type says.
fn members(body: &[u8]) -> Result<Map<String, Value>, String> {
    // An error description in another encoding than UTF-8 must not hide the error.
    let text = String::from_utf8_lossy(body);
    let text = without_mark(&text);
    let is_form = || text.as_bytes().windows(2).any(|pair| pair[0].is_ascii_alphanumeric() && pair[1] == b'=');
    match text.bytes().next() {
        None => Err("an empty body".to_owned()),
        Some(b'<') => Err("HTML or XML".to_owned()),
        Some(first) if !b"{[\"".contains(&first) && is_form() => {
            let pairs = form_urlencoded::parse(text.as_bytes());
            Ok(pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect())
        }
        Some(_) => json_members(text),
    }
}

/// The text without a byte order mark and white space around it.
pub(super) fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim()
}

fn json_members(text: &str) -> Result<Map<String, Value>, String> {
    // Its own errors can repeat what was read.
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("JSON that is no object".to_owned()),
        Err(error) if error.is_eof() => Err("truncated JSON".to_owned()),
        Err(_) => Err("something that is no JSON".to_owned()),
    }
}

fn expiry(members: &Map<String, Value>, date: Option<SystemTime>) -> Result<Expiry, String> {
    if let Some(value) = stated(members, "expires_in") {
        let seconds = number(value).ok_or("an expires_in that is no number")?;
        if seconds <= 0.0 {
            return Err("an expires_in that is not above zero".to_owned());
        }
        return life("an expires_in", Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    for name in ["expires_on", "expires_at"] {
        if let Some(value) = stated(members, name) {
            let end = absolute(value).ok_or_else(|| format!("an {name} that is no time"))?;
            return until(&format!("an {name}"), end, date);
        }
    }
    Ok(Expiry::Unstated)
}

/// A length of life; `name` is what the issuer calls it, with an article.
pub(super) fn life(name: &str, life: Duration) -> Result<Expiry, String> {
    if is_plausible_life(life) { Ok(Expiry::In(life)) } else { Err(format!("{name} beyond all reason")) }
}

/// An end; `name` is what the issuer calls it, with an article. `date` is the issuer's time: an absolute end is one of its clock,
/// which may differ from this machine's.
pub(super) fn until(name: &str, end: SystemTime, date: Option<SystemTime>) -> Result<Expiry, String> {
    match date.map(|date| end.duration_since(date).unwrap_or_default()) {
        None => Ok(Expiry::At(end)),
        Some(Duration::ZERO) => Err(format!("{name} that is over")),
        Some(left) => life(name, left),
    }
}

fn positive_seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

/// A text, or an array of texts, which some issuers send.
fn scope(members: &mut Map<String, Value>) -> Option<Box<str>> {
    let text = match members.remove("scope")? {
        Value::String(text) => text,
        Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => return None,
    };
    scope_text(&text)
}

/// A scope as it can be shown, if it says anything.
pub(super) fn scope_text(text: &str) -> Option<Box<str>> {
    let text = printable(text, MAX_SCOPE);
    (!text.is_empty()).then(|| text.into())
}

/// The authentication scheme that an issuer names, if it can be one.
pub(super) fn token_type(text: &str) -> Box<str> {
    if is_token(text) && !text.is_empty() { text.into() } else { "Bearer".into() }
}

/// A member that says something: `null` and blank texts are as if absent.
fn stated<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null() && !value.as_str().is_some_and(is_blank))
}

fn take_text(members: &mut Map<String, Value>, name: &str) -> Option<Box<str>> {
    match members.remove(name) {
        Some(Value::String(text)) if !is_blank(&text) => Some(text.into_boxed_str()),
        _ => None,
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// RFC 9110 section 5.6.2: what an authentication scheme is made of.
fn is_token(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte))
}

/// The longest answer that is read.
pub(super) const MAX_BODY: usize = 1024 * 1024;
const MAX_SCOPE: usize = 4096;
