//! The parameters of a request for a token: in its body, each once (RFC 6749 section 3.2).

use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::refusal::{Refusal, Word};

/// What a client sent. No Debug: the secret is in it.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body. Parameters that nobody knows are passed over, and so are those without a value, as the RFC
    /// demands; whether an empty secret is a wrong one depends on what else says who asks.
    pub(super) fn read(request: &Parts, body: &[u8]) -> Result<Self, Refusal> {
        if !is_form(request) {
            return Err(Word::InvalidRequest.because("send the parameters as application/x-www-form-urlencoded"));
        }
        if request.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(Word::InvalidRequest.because("send the parameters in the body; the address takes none"));
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(body) {
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(Word::InvalidRequest.because("a parameter is there twice"));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        parameters.retain(|(name, value)| !value.is_empty() || name == SECRET);
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

fn is_form(request: &Parts) -> bool {
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// The parameter that says who asks.
pub(super) const SECRET: &str = "client_secret";
