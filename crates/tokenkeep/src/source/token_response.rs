//! Reads what token endpoints send: what RFC 6749 section 5 says, and what real ones send instead.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::http::HttpAnswer;
use super::{Expiry, Fetched, is_header_text};
use crate::secret::Secret;

/// An answer without a token of use.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: u16,
    /// The issuer's `error` (RFC 6749 section 5.2).
    pub(super) code: Option<String>,
    /// What happened, to be read after the host's name. Never the body.
    pub(super) what: String,
    /// A new refresh token that came all the same.
    pub(super) rotated: Option<Secret>,
}

/// Reads an answer.
pub(super) fn parse(answer: &HttpAnswer) -> Result<Fetched, Refusal> {
    let status = answer.status.as_u16();
    let refusal = |what: String| Refusal { status, code: None, what, rotated: None };
    let mut members = match members(&answer.body, &answer.content_type) {
        Ok(members) => members,
        Err(_) if !answer.status.is_success() => return Err(refusal(format!("answered {status}"))),
        Err(what) => return Err(refusal(format!("answered {status} with {what}"))),
    };
    let rotated = take_text(&mut members, &["refresh_token"]).map(Secret::new);
    // Some issuers report errors with 200.
    let has_token = members.get("access_token").is_some_and(Value::is_string);
    if !answer.status.is_success() || !has_token {
        let code = take_text(&mut members, &["error"]).map(|code| printable(&code, MAX_CODE));
        let description = take_text(&mut members, &["error_description"]).map(|text| printable(&text, MAX_DESCRIPTION));
        let what = match (&code, description) {
            (Some(code), Some(description)) => format!("answered {status} {code}: {description}"),
            (Some(code), None) => format!("answered {status} {code}"),
            (None, _) if answer.status.is_success() => format!("answered {status} without an access_token"),
            (None, _) => format!("answered {status}"),
        };
        return Err(Refusal { status, code, what, rotated });
    }
    read_token(members, rotated.as_ref()).map_err(|what| Refusal {
        status,
        code: None,
        what: format!("answered {status} with {what}"),
        rotated: rotated.clone(),
    })
}

/// Reads a JSON object with the names of an OAuth answer; the error is a noun phrase.
pub(super) fn parse_json(text: &[u8]) -> Result<Fetched, String> {
    let mut members = json_members(text)?;
    if let Some(token) = members.remove("token") {
        members.entry("access_token").or_insert(token);
    }
    if !members.get("access_token").is_some_and(Value::is_string) {
        return Err("JSON without an access_token".to_owned());
    }
    read_token(members, None)
}

fn read_token(mut members: Map<String, Value>, refresh_token: Option<&Secret>) -> Result<Fetched, String> {
    let token = take_text(&mut members, &["access_token"]).unwrap_or_default();
    let access_token = Secret::new(token.trim());
    if !is_header_text(access_token.expose_secret()) {
        return Err("a token that no header can carry".to_owned());
    }
    let expiry = expiry(&members)?;
    Ok(Fetched {
        access_token,
        token_type: take_text(&mut members, &["token_type"])
            .filter(|kind| is_token(kind))
            .unwrap_or_else(|| "Bearer".into()),
        scope: scope(&mut members),
        expiry,
        refresh_in: members.get("refresh_in").and_then(number).and_then(positive_seconds),
        refresh_token: refresh_token.cloned(),
    })
}

fn members(body: &[u8], content_type: &str) -> Result<Map<String, Value>, String> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii();
    if body.is_empty() {
        return Err("an empty body".to_owned());
    }
    if body.starts_with(b"<") {
        return Err("HTML or XML".to_owned());
    }
    let is_form = content_type.starts_with("application/x-www-form-urlencoded") || !body.starts_with(b"{");
    if is_form
        && body.windows(2).any(|pair| pair[0].is_ascii_alphanumeric() && pair[1] == b'=')
        && !body.starts_with(b"{")
    {
        let pairs = form_urlencoded::parse(body);
        return Ok(pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect());
    }
    json_members(body)
}

fn json_members(text: &[u8]) -> Result<Map<String, Value>, String> {
    // Its own errors can repeat what was read.
    match serde_json::from_slice(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("JSON that is no object".to_owned()),
        Err(error) if error.is_eof() => Err("truncated JSON".to_owned()),
        Err(_) => Err("something that is no JSON".to_owned()),
    }
}

fn expiry(members: &Map<String, Value>) -> Result<Expiry, String> {
    if let Some(value) = members.get("expires_in").filter(|value| !value.is_null()) {
        let seconds = number(value).ok_or("an expires_in that is no number")?;
        // What is out of range becomes zero, which no policy takes for a life.
        let life = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::ZERO);
        return Ok(Expiry::In(life));
    }
    for name in ["expires_on", "expires_at"] {
        if let Some(value) = members.get(name).filter(|value| !value.is_null()) {
            return absolute(value).map(Expiry::At).ok_or(format!("an {name} that is no time"));
        }
    }
    Ok(Expiry::Unstated)
}

fn absolute(value: &Value) -> Option<SystemTime> {
    if let Some(seconds) = number(value) {
        let since = Duration::try_from_secs_f64(seconds).ok()?;
        return SystemTime::UNIX_EPOCH.checked_add(since);
    }
    let text = value.as_str()?.trim();
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
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
    let text = printable(&text, MAX_SCOPE);
    (!text.is_empty()).then(|| text.into())
}

fn take_text(members: &mut Map<String, Value>, names: &[&str]) -> Option<Box<str>> {
    names.iter().find_map(|name| match members.remove(*name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.into_boxed_str()),
        _ => None,
    })
}

/// RFC 9110 section 5.6.2: what an authentication scheme is made of.
fn is_token(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte))
}

/// One line of at most so many characters.
fn printable(text: &str, longest: usize) -> String {
    let line: String = text.chars().take(longest).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > longest { format!("{line}…") } else { line }
}

/// The longest answer that is read.
pub(super) const MAX_BODY: usize = 1024 * 1024;
const MAX_CODE: usize = 60;
const MAX_DESCRIPTION: usize = 200;
const MAX_SCOPE: usize = 4096;
