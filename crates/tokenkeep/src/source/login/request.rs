//! From a recipe's request and the values to what is sent: each value escaped for where it stands, in one pass.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use form_urlencoded::Serializer;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::unfit::{Place, Unfit};
use super::values::Values;
use crate::provider::TokenUrl;
use crate::provider::login::{Body, JsonTemplate, LoginRequest, Method, Segment, Template, UrlTemplate, has_dots};

/// What is sent.
pub(super) struct Rendered {
    pub(super) url: TokenUrl,
    pub(super) headers: HeaderMap,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// The method in the words of the HTTP client.
pub(super) fn method(request: &LoginRequest) -> http::Method {
    match request.method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
    }
}

/// Puts the values in.
pub(super) fn render(request: &LoginRequest, values: &Values<'_>) -> Result<Rendered, Unfit> {
    let (body, content_type) = body(&request.body, values)?;
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.8"));
    headers.extend(content_type.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind))));
    if let Some((username, password)) = &request.basic {
        headers.insert(AUTHORIZATION, basic(username, password, values)?);
    }
    for (name, template) in &request.headers {
        headers.insert(name, header(template, values)?);
    }
    Ok(Rendered { url: url(&request.url, &request.query, values)?, headers, body })
}

fn body(body: &Body, values: &Values<'_>) -> Result<(Zeroizing<Vec<u8>>, Option<&'static str>), Unfit> {
    let mut text = Zeroizing::new(String::with_capacity(1024));
    let content_type = match body {
        Body::Empty => return Ok((Zeroizing::default(), None)),
        Body::Json(template) => {
            json(template, values, &mut text)?;
            "application/json"
        }
        Body::Form(pairs) => {
            text = form(std::mem::take(&mut *text), pairs, values)?;
            "application/x-www-form-urlencoded"
        }
        Body::Xml(template) => {
            fill(template.as_template().segments(), values, &mut text, xml_text)?;
            "text/xml; charset=utf-8"
        }
    };
    Ok((Zeroizing::new(std::mem::take(&mut *text).into_bytes()), Some(content_type)))
}

fn json(template: &JsonTemplate, values: &Values<'_>, text: &mut String) -> Result<(), Unfit> {
    match template {
        JsonTemplate::Text(template) => json_text(&plain(template, values)?, text),
        JsonTemplate::Number(number) => write!(text, "{number}").unwrap_or_default(),
        JsonTemplate::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        JsonTemplate::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                json(item, values, text)?;
            }
            text.push(']');
        }
        JsonTemplate::Object(members) => {
            text.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                json_text(name, text);
                text.push(':');
                json(value, values, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

/// A JSON string (RFC 8259 section 7).
pub(super) fn json_text(value: &str, text: &mut String) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\0'..'\u{20}' => write!(text, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            c => text.push(c),
        }
    }
    text.push('"');
}

/// Characters that XML 1.0 has no way to write are refused; line ends are written so that no reader changes them.
pub(super) fn xml_text(value: &str, text: &mut String) -> Result<(), Place> {
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&apos;"),
            '\t' | '\n' | '\r' => write!(text, "&#{};", u32::from(c)).unwrap_or_default(),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => return Err(Place::Xml),
            c => text.push(c),
        }
    }
    Ok(())
}

fn form(start: String, pairs: &[(String, Template)], values: &Values<'_>) -> Result<Zeroizing<String>, Unfit> {
    let mut form = Serializer::new(start);
    for (name, template) in pairs {
        form.append_pair(name, &plain(template, values)?);
    }
    Ok(Zeroizing::new(form.finish()))
}

fn header(template: &Template, values: &Values<'_>) -> Result<HeaderValue, Unfit> {
    let mut text = Zeroizing::new(String::new());
    fill(template.segments(), values, &mut text, |value, text| {
        if value.contains(char::is_control) {
            return Err(Place::Header);
        }
        text.push_str(value);
        Ok(())
    })?;
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| Unfit::Whole(Place::Header))?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 7617 section 2.
fn basic(username: &Template, password: &Template, values: &Values<'_>) -> Result<HeaderValue, Unfit> {
    let mut pair = Zeroizing::new(String::new());
    fill(username.segments(), values, &mut pair, |value, text| {
        // It would end there.
        if value.contains(':') {
            return Err(Place::BasicName);
        }
        text.push_str(value);
        Ok(())
    })?;
    pair.push(':');
    pair.push_str(&plain(password, values)?);
    let text = Zeroizing::new(format!("Basic {}", BASE64.encode(&*pair)));
    let mut value = HeaderValue::from_str(&text).map_err(|_| Unfit::Whole(Place::Header))?;
    value.set_sensitive(true);
    Ok(value)
}

fn url(template: &UrlTemplate, query: &[(String, Template)], values: &Values<'_>) -> Result<TokenUrl, Unfit> {
    let (host, rest) = template.parts();
    let mut text = Zeroizing::new(String::new());
    fill(host, values, &mut text, |value, text| {
        let is_label = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_label || value.starts_with('-') || value.ends_with('-') || value.len() > MAX_LABEL {
            return Err(Place::Host);
        }
        text.push_str(value);
        Ok(())
    })?;
    fill(rest, values, &mut text, |value, text| {
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
                byte => write!(text, "%{byte:02X}").unwrap_or_default(),
            }
        }
        Ok(())
    })?;
    if has_dots(&text) {
        let is_dots =
            |name: &str| values.get(name).is_some_and(|value| value.expose_secret().bytes().all(|b| b == b'.'));
        let mut names = rest.iter().filter_map(|segment| match segment {
            Segment::Value(name) => Some(name),
            Segment::Text(_) => None,
        });
        let dots = names.find(|name| is_dots(name));
        return Err(dots.map_or(Unfit::Whole(Place::Path), |name| Unfit::Value(name.clone(), Place::Path)));
    }
    if !query.is_empty() {
        let query = form(String::new(), query, values)?;
        let separator = if text.contains('?') { '&' } else { '?' };
        text.push(separator);
        text.push_str(&query);
    }
    TokenUrl::parse(&text, template.transport()).map_err(|_| Unfit::Whole(Place::Path))
}

fn plain(template: &Template, values: &Values<'_>) -> Result<Zeroizing<String>, Unfit> {
    let mut text = Zeroizing::new(String::new());
    fill(template.segments(), values, &mut text, |value, text| {
        text.push_str(value);
        Ok(())
    })?;
    Ok(text)
}

/// Writes the segments; `put` writes a value as it must stand there.
fn fill(
    segments: &[Segment],
    values: &Values<'_>,
    text: &mut String,
    put: impl Fn(&str, &mut String) -> Result<(), Place>,
) -> Result<(), Unfit> {
    for segment in segments {
        match segment {
            Segment::Text(plain) => text.push_str(plain),
            Segment::Value(name) => {
                let value = values.get(name).ok_or_else(|| Unfit::Missing(name.clone()))?;
                put(value.expose_secret(), text).map_err(|place| Unfit::Value(name.clone(), place))?;
            }
        }
    }
    Ok(())
}

/// RFC 1035 section 2.3.4.
const MAX_LABEL: usize = 63;
