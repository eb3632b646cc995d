//! An answer, and what can be found in it.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use zeroize::Zeroizing;

use super::cookies::{self, Cookie};
use super::xml;
use crate::provider::login::{Part, Place, is_word};
use crate::secret::Secret;
use crate::source::echo::Echoes;
use crate::source::http::HttpAnswer;
use crate::source::token_response::without_mark;
use crate::source::trial::TrialAnswer;

/// An answer that is looked into.
pub(super) struct Answer {
    http: HttpAnswer,
    text: Zeroizing<String>,
    json: Option<Value>,
    echoes: Echoes,
}

impl Answer {
    /// An answer to a request with these texts in it.
    pub(super) fn new(http: HttpAnswer, echoes: Echoes) -> Self {
        let text = Zeroizing::new(without_mark(&String::from_utf8_lossy(&http.body)).to_owned());
        let json = serde_json::from_str(&text).ok();
        Self { http, text, json, echoes }
    }

    /// What was sent and must not be shown.
    pub(super) fn echoes(&self) -> &Echoes {
        &self.echoes
    }

    /// What came.
    pub(super) fn http(&self) -> &HttpAnswer {
        &self.http
    }

    pub(super) fn status(&self) -> StatusCode {
        self.http.status
    }

    /// What stands at a place, without white space around it; never an empty text.
    pub(super) fn find(&self, place: &Place) -> Option<Secret> {
        let whole = match &place.part {
            Part::Json(pointer) => match self.json.as_ref()?.pointer(pointer)? {
                Value::String(text) => Zeroizing::new(text.clone()),
                Value::Number(number) => Zeroizing::new(number.to_string()),
                _ => return None,
            },
            Part::Header(name) => {
                let value = self.http.headers.get(name)?;
                Zeroizing::new(std::str::from_utf8(value.as_bytes()).ok()?.to_owned())
            }
            Part::Cookie(name) => self.cookie(name)?.value,
            Part::Xml(path) => xml::find(&self.text, path)?,
            Part::Body => self.text.clone(),
        };
        let found = narrowed(&whole, place)?.trim();
        (!found.is_empty()).then(|| Secret::new(found))
    }

    /// Whether a text, number or truth value stands at a place.
    pub(super) fn is(&self, place: &Place, expected: &str) -> bool {
        if let (Part::Json(pointer), Some(json)) = (&place.part, &self.json)
            && let Some(Value::Bool(value)) = json.pointer(pointer)
        {
            return value.to_string() == expected;
        }
        self.find(place).is_some_and(|found| found.expose_secret() == expected)
    }

    /// What a vendor says is wrong: not nothing, `false`, `0` or an empty text, array or object.
    pub(super) fn error(&self, place: &Place) -> Option<ErrorText> {
        let Part::Json(pointer) = &place.part else { return self.find(place).as_ref().map(ErrorText::of) };
        match self.json.as_ref()?.pointer(pointer)? {
            Value::Null | Value::Bool(false) => None,
            Value::Bool(true) => Some(ErrorText::None),
            Value::Number(number) => (number.as_f64() != Some(0.0)).then(|| ErrorText::Text(number.to_string())),
            Value::String(_) => self.find(place).as_ref().map(ErrorText::of),
            Value::Array(items) => (!items.is_empty()).then_some(ErrorText::None),
            Value::Object(members) => (!members.is_empty()).then_some(ErrorText::None),
        }
    }

    /// The cookie of this name that the answer sets last, unless it deletes it.
    pub(super) fn cookie(&self, name: &str) -> Option<Cookie> {
        cookies::set_by(&self.http.headers).filter(|cookie| *cookie.name == *name && !cookie.value.is_empty()).last()
    }

    /// What kind of thing came, without anything of it but what can be no secret.
    pub(super) fn kind(&self) -> String {
        // A name in it can still be a value that was sent.
        self.echoes.line_without(&self.named_kind(), MAX_KIND)
    }

    fn named_kind(&self) -> String {
        match &self.json {
            _ if self.text.is_empty() => "an empty body".to_owned(),
            Some(Value::Object(members)) if members.is_empty() => "an empty JSON object".to_owned(),
            Some(Value::Object(members)) => {
                let named: Vec<_> = members.keys().filter(|name| is_word(name)).take(MAX_MEMBERS).cloned().collect();
                match (named.len(), members.len() - named.len()) {
                    (0, more) => format!("a JSON object with {more} members"),
                    (_, 0) => format!("a JSON object with {}", named.join(", ")),
                    (_, more) => format!("a JSON object with {} and {more} more", named.join(", ")),
                }
            }
            Some(Value::Array(_)) => "a JSON array".to_owned(),
            Some(_) => "JSON that is no object".to_owned(),
            None if self.text.starts_with('<') => "HTML or XML".to_owned(),
            None if self.text.starts_with(['{', '[']) => "broken JSON".to_owned(),
            None => "text".to_owned(),
        }
    }

    /// For somebody who tries the recipe out.
    pub(super) fn told(&self) -> TrialAnswer {
        let content_type = self.http.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = content_type.and_then(|kind| kind.split(';').next()).map(str::trim);
        TrialAnswer {
            status: self.status().as_u16(),
            content_type: kind.filter(|kind| is_media_type(kind)).map(Into::into),
            bytes: self.http.body.len(),
            kind: self.kind(),
        }
    }
}

/// What a vendor says is wrong.
pub(super) enum ErrorText {
    /// That something is.
    None,
    /// This.
    Text(String),
}

impl ErrorText {
    /// A page is nothing for one line.
    fn of(text: &Secret) -> Self {
        let text = text.expose_secret();
        if text.starts_with(['<', '{', '[']) { Self::None } else { Self::Text(text.to_owned()) }
    }
}

/// The part between the texts that a place names.
fn narrowed<'a>(whole: &'a str, place: &Place) -> Option<&'a str> {
    // As many bytes as before, so that places in the one are places in the other.
    let lower = |text: &str| Zeroizing::new(text.to_ascii_lowercase());
    let mut rest = whole;
    if let Some(after) = &place.after {
        let at = lower(rest).find(&**lower(after))?;
        rest = &rest[at + after.len()..];
    }
    if let Some(before) = &place.before {
        rest = &rest[..lower(rest).find(&**lower(before))?];
    }
    Some(rest)
}

fn is_media_type(text: &str) -> bool {
    text.len() <= MAX_MEDIA_TYPE && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/+-.".contains(&byte))
}

const MAX_MEMBERS: usize = 8;
const MAX_KIND: usize = 300;
const MAX_MEDIA_TYPE: usize = 60;
