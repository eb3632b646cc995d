//! Reads what a client presents of itself: `client_secret_basic`, `client_secret_post`, or an id.
//!
//! Basic is where clients go wrong: both parts are form-encoded before they are joined (RFC 6749
//! section 2.3.1), so a secret with `+` or `%` that was not encoded arrives as another secret, and
//! is refused here as it is by issuers that obey.

use axum::http::{HeaderMap, header};

use super::Form;
use crate::refusal::{Refusal, Refused};

/// An id and perhaps a secret; nothing is checked yet. No Debug: the secret would be in it.
pub(super) struct Presented {
    pub(super) id: String,
    pub(super) secret: Option<String>,
}

impl Presented {
    pub(super) fn read(headers: &HeaderMap, form: &Form) -> Result<Self, Refused> {
        let posted_id = form.get("client_id");
        let posted_secret = form.get("client_secret");
        let Some(authorization) = headers.get(header::AUTHORIZATION) else {
            let id = posted_id.ok_or(Refusal::InvalidClient.because("no client credentials were sent"))?;
            return Ok(Self { id: id.to_owned(), secret: posted_secret.map(str::to_owned) });
        };
        let basic = authorization
            .to_str()
            .ok()
            .and_then(parse_basic)
            .ok_or(Refusal::InvalidClient.because("the Authorization header is not valid Basic"))?;
        // RFC 6749 section 2.3: one method per request. An equal client_id alone does no harm.
        if posted_secret.is_some() || posted_id.is_some_and(|id| id != basic.id) {
            return Err(Refusal::InvalidRequest.because("client credentials in both header and body"));
        }
        Ok(basic)
    }
}

fn parse_basic(authorization: &str) -> Option<Presented> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(decode_base64(encoded.trim())?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some(Presented { id: decode_form(id), secret: Some(decode_form(secret)) })
}

/// Decodes one form-encoded value; an `&` that was not encoded stands for itself.
fn decode_form(value: &str) -> String {
    let pair = format!("v={}", value.replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// RFC 4648 section 4, padding required.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_rfc_4648_writes_it() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decode_base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in ["Zg", "Zg=", "Z===", "====", "Zm9v!g==", "Zm=v"] {
            assert_eq!(decode_base64(text), None, "{text}");
        }
    }

    #[test]
    fn both_parts_of_basic_are_form_decoded() {
        // "my%3Aapp:p%2Bq+r%26s&t"
        let presented = parse_basic("basic bXklM0FhcHA6cCUyQnErciUyNnMmdA==").unwrap();
        assert_eq!(presented.id, "my:app");
        assert_eq!(presented.secret.as_deref(), Some("p+q r&s&t"));
    }
}
