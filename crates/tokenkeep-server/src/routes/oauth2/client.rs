//! Who asks for a token: whoever has the secret, which is the API key of a caller.
//!
//! The hard part is Basic. A client must form-encode its id and its secret before it joins them with a colon (RFC 6749
//! section 2.3.1), and many do not. So both readings of a secret are tried; whichever is the key of a caller is the
//! right one. And the two are parted at the last colon: one that was encoded has no other, one that was not has them in
//! its id, for keys of accounts have a colon, and keys of callers that `tokenkeep key new` makes have none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use tokenkeep::Secret;
use tokenkeep_api::headers::API_KEY;

use super::form::{Form, SECRET};
use super::refusal::{Refusal, Word};
use crate::caller::{Caller, Callers};

/// A client that has shown who it is.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) caller: Caller,
    /// What it calls itself, if it does.
    pub(super) id: Option<String>,
}

impl Client {
    /// Whose request this is. A client that sends no secret can still be a caller: by `X-API-Key`, by its certificate or
    /// by its user on a unix socket. An empty secret is as if it were left out (RFC 6749 section 3.2) beside a header that
    /// says who asks; alone it is a wrong one, so that none is mended by where the client comes from.
    pub(super) fn of(callers: &Callers, request: &Parts, form: &Form) -> Result<Self, Refusal> {
        let posted = form.text("client_id");
        let headers = &request.headers;
        let has_header = headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY);
        let secret = form.text(SECRET).filter(|secret| !secret.is_empty() || !has_header);
        let ways = headers.get_all(AUTHORIZATION).iter().count()
            + headers.get_all(API_KEY).iter().count()
            + usize::from(secret.is_some());
        if ways > 1 {
            return Err(Word::InvalidRequest.because("say who asks in one way: Authorization, or client_secret"));
        }
        let (caller, id) = match (secret, basic(headers)) {
            (Some(secret), _) => (callers.with_key(request, secret.as_bytes()), None),
            (None, Some(encoded)) => match Basic::decode(encoded) {
                Some(basic) => (basic.caller(callers, request), basic.id()),
                None => return Err(Word::InvalidClient.because("the header Authorization is not valid Basic")),
            },
            (None, None) => (callers.of(request), None),
        };
        let caller = caller.ok_or_else(|| Word::InvalidClient.because(UNKNOWN))?;
        match (id, posted) {
            (Some(id), Some(posted)) if id != posted => {
                Err(Word::InvalidRequest.because("client_id in the body is another one than in Authorization"))
            }
            (id, posted) => Ok(Self { caller, id: id.or_else(|| posted.map(ToOwned::to_owned)) }),
        }
    }
}

/// What Basic has after its scheme.
fn basic(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked("Basic ".len())?;
    scheme.eq_ignore_ascii_case(b"Basic ").then(|| encoded.trim_ascii())
}

/// An id and a secret, as they were joined.
struct Basic {
    id: String,
    secret: Secret,
}

impl Basic {
    fn decode(encoded: &[u8]) -> Option<Self> {
        let text = Secret::new(String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?);
        let (id, secret) = text.expose_secret().rsplit_once(':')?;
        Some(Self { id: id.to_owned(), secret: Secret::new(secret) })
    }

    fn caller(&self, callers: &Callers, request: &Parts) -> Option<Caller> {
        let raw = self.secret.expose_secret();
        let decoded = Secret::new(form_decoded(raw));
        let caller = callers.with_key(request, decoded.expose_secret().as_bytes());
        caller.or_else(|| callers.with_key(request, raw.as_bytes()))
    }

    /// Neither keys nor callers have spaces in their names, so a `+` here is one.
    fn id(&self) -> Option<String> {
        Some(percent_decode_str(&self.id).decode_utf8_lossy().into_owned()).filter(|id| !id.is_empty())
    }
}

/// Decodes one value of a form.
fn form_decoded(value: &str) -> String {
    percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned()
}

const UNKNOWN: &str = "the secret of a client here is the API key of a caller; this is none";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_read_whether_or_not_its_parts_were_encoded() {
        for (joined, id, secret) in [
            ("billing:tk_1", "billing", "tk_1"),
            ("vendor%3Aann%2Bx%40example.com:tk_1", "vendor:ann+x@example.com", "tk_1"),
            ("vendor:ann+x@example.com:tk_1", "vendor:ann+x@example.com", "tk_1"),
            ("billing:a%2Bb%26c+d%3A", "billing", "a+b&c d:"),
            ("billing:a&b=c", "billing", "a&b=c"),
            ("billing:", "billing", ""),
        ] {
            let basic = Basic::decode(STANDARD.encode(joined).as_bytes()).unwrap();
            assert_eq!((basic.id().unwrap(), form_decoded(basic.secret.expose_secret())), (id.into(), secret.into()));
        }
        assert!(Basic::decode(STANDARD.encode(":tk_1").as_bytes()).unwrap().id().is_none());
        assert!(Basic::decode(STANDARD.encode("billing").as_bytes()).is_none());
        assert!(Basic::decode(b"not base64").is_none());
    }
}
